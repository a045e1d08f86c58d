"""The pixel grid and smooth ramps on it."""

from __future__ import annotations

from functools import cache

import numba
import numpy as np
from numpy.typing import ArrayLike

from live.frames import FloatArray


@cache
def pixel_centres(width: int, height: int) -> FloatArray:
    """Read-only float32 (height, width, 2): x, y of the pixels' centres, 0..1."""
    x = (np.arange(width, dtype=np.float32) + 0.5) / width
    y = (np.arange(height, dtype=np.float32) + 0.5) / height
    grid = np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)
    grid.flags.writeable = False
    return grid


def smooth_step(values: ArrayLike, zero_at: float, one_at: float) -> FloatArray:
    """Cubic ramp, 0 at `zero_at` and beyond, 1 at `one_at` and beyond."""
    t = np.clip((np.asarray(values, np.float32) - zero_at) / (one_at - zero_at), 0.0, 1.0).astype(np.float32)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


@cache
def border_fade(width: int, height: int, strip: float) -> FloatArray:
    """Read-only float32 (height, width): 0 in the pixels at the border, 1 from `strip` (share of the side) inwards."""
    centres = pixel_centres(width, height)
    fade = smooth_step(np.minimum(centres, 1 - centres).min(-1), 0.75 / min(width, height), strip)
    fade.flags.writeable = False
    return fade


@numba.njit(nogil=True, cache=True, inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def ramp(value: np.float32, zero_at: np.float32, one_at: np.float32) -> np.float32:
    """`smooth_step` of one number, for compiled passes."""
    t = min(max((value - zero_at) / (one_at - zero_at), np.float32(0)), np.float32(1))
    return t * t * (np.float32(3) - np.float32(2) * t)
