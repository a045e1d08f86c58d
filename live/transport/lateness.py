"""How late a delivery has to be expected, from how late deliveries have been.

A machine that stalled once says nothing about the next second: waiting for the next stall would delay everything, and a
dropout that has been heard cannot be undone. What happened twice within a few seconds will happen again.
"""

from __future__ import annotations

from collections import deque
from heapq import nlargest
from typing import Final

WINDOW: Final = 6.0
"""Seconds that are remembered."""

TIMES: Final = 2
"""How often a lateness has to be reached within the window to be reckoned with."""

LONGEST: Final = 0.25
"""Seconds beyond the most punctual delivery that are ever waited for. A conversation bears a gap better than this."""


class Lateness:
    """The expectation. Times are arguments, in seconds on one clock; only differences between latenesses matter."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()
        self._expected: float | None = None

    @property
    def expected(self) -> float | None:
        """Seconds; `None` before the first observation."""
        return self._expected

    def observe(self, lateness: float, now: float) -> None:
        """Something was delivered `lateness` seconds after a fixed instant of its own."""
        self._seen.append((now, lateness))
        while now - self._seen[0][0] > WINDOW:
            self._seen.popleft()
        largest = nlargest(TIMES, (value for _, value in self._seen))
        self._expected = min(largest[-1], min(value for _, value in self._seen) + LONGEST)

    def reset(self) -> None:
        """Forget everything."""
        self._seen.clear()
        self._expected = None
