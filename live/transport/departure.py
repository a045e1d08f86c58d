"""When pictures leave, and which instant of the send clock they stand for."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final

from live.transport.lip_sync import LipSync

LATENCY_WINDOW: Final = 150
"""Pictures whose median latency decides how long sound waits: what a machine is busy with changes every few seconds,
and sound that follows every turn comes too late for it and keeps the browser's buffer from settling."""

WORTH_IT: Final = 0.002
"""Seconds; pictures are not held back for less."""


class Departure:
    """Decides for every picture. Times are arguments, seconds; one thread writes, any may read `delay`."""

    def __init__(self, sync: LipSync) -> None:
        self._sync = sync
        self._measured: deque[float] = deque(maxlen=LATENCY_WINDOW)
        self._latency = 0.0

    @property
    def latency(self) -> float:
        """Clock minus media time of pictures as they are ready to leave, median of the last; 0 before the first."""
        return self._latency

    @property
    def delay(self) -> float:
        """Clock minus media time of pictures as they leave: what sound is timed by."""
        return self._latency + self._hold

    @property
    def _hold(self) -> float:
        hold = self._sync.hold
        return hold if hold >= WORTH_IT else 0.0

    def schedule(self, pts: float, now: float) -> tuple[float, float]:
        """A picture of media time `pts` is ready at `now`.

        Returns the instant it stands for and for how many seconds it is to wait. Held pictures leave in the rhythm of
        their media time, as far as they are there by then.
        """
        if self._measured and abs(now - pts - self._latency) > 2.0:
            self._measured.clear()  # another source with another clock
        self._measured.append(now - pts)
        self._latency = median(self._measured)
        instant, hold = pts + self.delay, self._hold
        return instant, min(max(0.0, instant - now), 2 * hold)
