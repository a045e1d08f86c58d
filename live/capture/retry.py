"""Keeping a device open: open it, run until it fails, say so, try again, until stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from live.errors import DeviceError
from live.protocols import StateCallback

FIRST_PAUSE: Final = 0.5
"""Seconds before the first new attempt."""

LONGEST_PAUSE: Final = 5.0
"""Seconds between attempts at most; each pause is twice the one before."""

STOP_TIMEOUT: Final = 5.0
"""Seconds in which a device must let go of its thread."""

Run = Callable[[Callable[[], None]], None]
"""Opens a device and delivers until it fails or is told to stop; calls its argument once the first data have come."""


class DeviceSource:
    """What the sources that read a device share: the thread that keeps it open, and the beginning of media time.

    Args:
        name: what to call the device, as the subject of a sentence.
        epoch_ns: monotonic instant of media time 0; `None` is now.
    """

    def __init__(self, name: str, epoch_ns: int | None) -> None:
        self._name = name
        self._epoch_ns = time.monotonic_ns() if epoch_ns is None else epoch_ns
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _keep_open(self, run: Run, on_state: StateCallback) -> None:
        """Call `run` on a thread of its own, again and again, until `stop`, which sets `self._stop`."""
        arguments = (run, self._stop, on_state, self._name)
        self._thread = threading.Thread(target=keep_open, args=arguments, name="live-device", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Release the device. Safe to call twice."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=STOP_TIMEOUT)


def keep_open(
    run: Run,
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
