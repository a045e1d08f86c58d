"""Keeping a device open: open it, run until it fails, say so, try again, until stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from live.errors import DeviceError
from live.protocols import StateCallback

FIRST_PAUSE: Final = 0.5
"""Seconds before the first new attempt."""

LONGEST_PAUSE: Final = 5.0
"""Seconds between attempts at most; each pause is twice the one before."""


def keep_open(
    run: Callable[[Callable[[], None]], None],
    stop: threading.Event,
    on_state: StateCallback,
    name: str,
    pause: Callable[[float], object] | None = None,
) -> None:
    """Call `run` again and again until `stop`, pausing longer after each failure.

    Args:
        run: opens the device and delivers until it fails (whatever it raises) or `stop` is set. It calls the function
            it is given once the first data have arrived, which resets the pauses.
        stop: ends everything.
        on_state: told when the device fails (once per kind of failure) and when it is back.
        name: what to call the device, as the subject of a sentence.
        pause: waits some seconds or until `stop`; for tests.
    """
    waiting = FIRST_PAUSE
    problem = ""

    def works() -> None:
        nonlocal waiting, problem
        if problem:
            on_state(f"{name} is back.")
        waiting, problem = FIRST_PAUSE, ""

    while not stop.is_set():
        try:
            run(works)
        except Exception as error:  # a driver or its library may raise anything; the thread must go on
            text = str(error) if isinstance(error, DeviceError) else f"{name} failed ({error}); it will be tried again."
            if text != problem:
                problem = text
                on_state(problem)
        if stop.is_set():
            return
        (pause or stop.wait)(waiting)
        waiting = min(LONGEST_PAUSE, waiting * 2)
