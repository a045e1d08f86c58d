"""When a speaking face blinks: the flow says when; each blink has the full course that 25 frames per second blur."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from live.motion.idle import Blink

THRESHOLD: Final = 0.2
"""Rise of the flow's lid channel that counts as the wish to blink; the tracked clips' blinks are counted alike."""
SHORTEST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 6.5
"""Eyes that stayed open for between half of this and this long blink whatever the flow says: nobody stares."""


class Blinks:
    """Turns the flow's lid channel into blinks. Times are the composer's.

    Args:
        seed: of depths and speeds.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng([seed, 6151])
        self._blinks: deque[Blink] = deque(maxlen=4)
        self._above = False
        self._open_since = 0.0
        self._patience = self._draw_patience()

    def update(self, time_s: float, lids: float) -> None:
        """Take the flow's lid channel (weight above the open eye's) at `time_s`, in order of time."""
        wish = lids > THRESHOLD and not self._above
        self._above = lids > THRESHOLD
        opened = time_s - self._open_since
        if (wish and opened >= SHORTEST_PAUSE_S) or opened >= self._patience:
            blink = Blink(time_s, *self._random.uniform((0.09, 0.16, 0.94), (0.13, 0.24, 1.0)).tolist())
            self._blinks.append(blink)
            self._open_since = blink.end
            self._patience = self._draw_patience()

    def at(self, time_s: float) -> float:
        """How far the lids are closed, 0..1; never later than the last update."""
        return max((blink.at(time_s) for blink in self._blinks), default=0.0)

    def restart(self) -> None:
        """Time starts at 0 again."""
        self._blinks.clear()
        self._open_since = 0.0

    def _draw_patience(self) -> float:
        return float(self._random.uniform(0.5, 1.0)) * LONGEST_PAUSE_S
