"""Even ticks for drivers that make frames of their own accord."""

from __future__ import annotations

import time
from collections.abc import Callable


class FrameClock:
    """Says when the next frame is due. Ticks that were missed are skipped, never caught up on.

    Args:
        fps: frames per second.
        clock_ns: monotonic clock, for tests.
    """

    def __init__(self, fps: float, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        if not fps > 0.0:
            raise ValueError("the frame rate must be positive")
        self.period_ns = round(1e9 / fps)
        self._clock_ns = clock_ns
        self._due_ns = clock_ns()

    def remaining(self) -> float:
        """Seconds until the next frame is due; 0 when it is."""
        return max(self._due_ns - self._clock_ns(), 0) / 1e9

    def tick(self) -> bool:
        """Whether a frame is due now; if so, the next one is due a period after it."""
        now = self._clock_ns()
        if now < self._due_ns:
            return False
        missed = (now - self._due_ns) // self.period_ns
        self._due_ns += (missed + 1) * self.period_ns
        return True

    def postpone(self, seconds: float) -> None:
        """Make the next frame due `seconds` from now, because another one was just made."""
        self._due_ns = self._clock_ns() + round(seconds * 1e9)
