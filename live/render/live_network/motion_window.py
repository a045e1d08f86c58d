"""The short causal motion window that the mapping networks see."""

from __future__ import annotations

import numpy as np

from live.frames import FloatArray, MotionFrame
from live.motion.arkit import ARKIT_INDEX, ARKIT_NAMES
from live.render.live_network.config import MOTION, WINDOW


def motion_vector(motion: MotionFrame) -> FloatArray:
    """float32 (74,): expression, rotation, translation, residual; non-finite numbers become 0."""
    parts = (motion.expression, motion.rotation, motion.translation, motion.residual)
    return np.nan_to_num(np.concatenate(parts).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


class MotionWindow:
    """Keeps the last `WINDOW` frames, relative to the portrait's own motion.

    Before `WINDOW` frames have come, the oldest is repeated: training fills the start of a clip the same way.

    Args:
        rest: the motion that reproduces the portrait.
    """

    def __init__(self, rest: MotionFrame) -> None:
        self._rest = motion_vector(rest)
        self._window: FloatArray | None = None

    def push(self, motion: MotionFrame) -> FloatArray:
        """Add the newest frame; returns float32 (74, 6), oldest first, not to be changed."""
        newest = (motion_vector(motion) - self._rest)[:, None]
        before = np.repeat(newest, WINDOW, axis=1) if self._window is None else self._window
        self._window = np.concatenate([before[:, 1:], newest], axis=1)
        assert self._window.shape == (MOTION, WINDOW)
        return self._window


def mirror() -> tuple[list[int], list[float]]:
    """How a motion vector looks in a mirror: source index and sign of each of its 74 entries.

    The learned residual shapes have no mirror images; they are left out (sign 0).
    """

    def twin(name: str) -> str:
        for one, other in (("Left", "Right"), ("Right", "Left")):
            if name.endswith(one):
                return name.removesuffix(one) + other
        return name

    index = [ARKIT_INDEX[other] if (other := twin(name)) in ARKIT_INDEX else ARKIT_INDEX[name] for name in ARKIT_NAMES]
    index += range(len(index), MOTION)
    pose = [1.0, -1.0, -1.0, -1.0, 1.0, 1.0]
    return index, [1.0] * 52 + pose + [0.0] * 16
