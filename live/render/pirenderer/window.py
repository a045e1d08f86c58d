"""The 27-frame coefficient window without a future.

The network was trained on the driving frame and 13 frames on either side, and at a clip's end the missing future was
filled by repeating the last frame. Live, every frame is the last one, so the same rule applies: 13 real past frames,
the newest frame, and 13 copies of it. The network has met exactly this input at the end of every training clip, and it
adds no delay; waiting for 13 real frames would add 0.52 s at 25 fps. What is lost is the averaging over the future that
smooths noisy trackers; ours are smoothed before they get here. At the start the past is filled with the first frame,
again as at a clip's start.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from live.frames import FloatArray
from live.render.pirenderer.config import COEFFICIENTS, WINDOW

PAST = WINDOW // 2


class CausalWindow:
    """Collects coefficients frame by frame and hands out the window for the newest one."""

    def __init__(self) -> None:
        self._frames: deque[FloatArray] = deque(maxlen=PAST + 1)

    def push(self, coefficients: FloatArray) -> FloatArray:
        """Add the newest frame, float32 (73,), and return its window, float32 (73, 27), time last.

        Raises ValueError for any other shape.
        """
        if coefficients.shape != (COEFFICIENTS,):
            raise ValueError(f"expected ({COEFFICIENTS},) coefficients, got {coefficients.shape}")
        self._frames.append(coefficients.astype(np.float32))
        missing = PAST + 1 - len(self._frames)
        columns = [self._frames[0]] * missing + list(self._frames) + [self._frames[-1]] * PAST
        return np.stack(columns, axis=1)

    def reset(self) -> None:
        """Forget the past (the driver changed, or time jumped)."""
        self._frames.clear()
