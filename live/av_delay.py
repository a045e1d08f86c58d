"""How long sound must wait for its picture.

Sound is ready as soon as it is captured; the picture that depicts the same instant still has to be tracked or listened
to, rendered and (for speech) wait for a little context. Sound is the master clock and pictures are never held back, so
the sound is: by the measured time between the capture of an instant and the readiness of its picture.
"""

from __future__ import annotations

import threading
from collections import deque
from statistics import median
from typing import Final

from live.frames import AudioChunk

WINDOW: Final = 50
"""Pictures whose median is the target: two seconds at 25 fps; a single late picture moves nothing."""

SLEW: Final = 0.02
"""Seconds per second by which the delay may change: 2 %, below what a listener notices."""

LONGEST: Final = 1.0
"""Upper limit of the delay, seconds. A picture that is later than this is a stall, not a delay."""


class AudioDelay:
    """Estimates the delay from pictures, sets it once, then follows slowly. Never negative. Thread-safe.

    The capture instant of a picture's media time comes from the sound itself where there is some: the newest chunk says
    which media time was captured when. Without sound the picture's own capture instant serves.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured: deque[float] = deque(maxlen=WINDOW)
        self._origin: float | None = None
        self._delay: float | None = None
        self._moved_ns = 0

    def observe_sound(self, chunk: AudioChunk) -> None:
        """Learn which media time was captured at which instant."""
        with self._lock:
            self._origin = chunk.capture_ns / 1e9 - (chunk.pts + chunk.duration)

    def observe_picture(self, pts: float, capture_ns: int, ready_ns: int) -> None:
        """Learn that the picture of media time `pts`, captured at `capture_ns`, was ready at `ready_ns`."""
        with self._lock:
            captured = capture_ns / 1e9 if self._origin is None else self._origin + pts
            lag = ready_ns / 1e9 - captured
            if 0.0 <= lag <= LONGEST:
                self._measured.append(lag)

    def seconds(self, now_ns: int) -> float:
        """The delay to use at `now_ns`, seconds: 0 until a picture has been seen."""
        with self._lock:
            if not self._measured:
                return self._delay or 0.0
            target = median(self._measured)
            if self._delay is None:
                self._delay = target
            else:
                step = SLEW * max(0, now_ns - self._moved_ns) / 1e9
                self._delay += min(step, max(-step, target - self._delay))
            self._moved_ns = now_ns
            return self._delay

    def reset(self) -> None:
        """Forget everything: another source or driver has another delay."""
        with self._lock:
            self._measured.clear()
            self._origin = None
            self._delay = None
