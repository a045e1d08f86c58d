"""Smooth extension of a field that is known only where the mesh was drawn: push-pull on a pyramid.

Gortler et al. 1996, "The Lumigraph", §3.4: averages of what is known are pushed up a pyramid of halved grids, then
pulled down into the gaps by bilinear interpolation. Linear in the number of pixels, no iteration to converge, and what
is known stays exactly as it is.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from live.frames import FloatArray

SATURATION: Final = 0.5
"""Weight of a coarse cell per fully known fine one. With 1, a single pixel that becomes known would count as a whole
cell at every level, and what is filled far away would jump; with 1/4, thin structures would be forgotten."""


def push_pull(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Fill the gaps of a field.

    Args:
        values: float32 (H, W, C).
        weight: float32 (H, W) of 0..1: 1 = known, 0 = to be filled, between = blend of the value and what surrounds it.

    Returns:
        float32 (H, W, C) without gaps; zero if nothing at all is known.
    """
    levels = [(np.ascontiguousarray(values, np.float32), np.ascontiguousarray(weight, np.float32))]
    while max(levels[-1][1].shape) > 1:
        levels.append(_push(*levels[-1]))
    filled = levels[-1][0]
    for fine, known in reversed(levels[:-1]):
        filled = _pull(filled, fine, known)
    return filled


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _push(values: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Halve: weighted means of 2×2 cells, and their weight; sparse data gains weight, but not all at once."""
    height, width, channels = values.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    coarse = np.zeros((rows, columns, channels), np.float32)
    known = np.zeros((rows, columns), np.float32)
    for y in range(rows):
        for x in range(columns):
            total = np.float32(0.0)
            for j in range(2 * y, min(2 * y + 2, height)):
                for i in range(2 * x, min(2 * x + 2, width)):
                    w = weight[j, i]
                    if w != 0.0:  # most is not known
                        total += w
                        for k in range(channels):
                            coarse[y, x, k] += w * values[j, i, k]
            if total > 0.0:
                for k in range(channels):
                    coarse[y, x, k] /= total
            known[y, x] = min(total * np.float32(SATURATION), np.float32(1.0))
    return coarse, known


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _pull(coarse: FloatArray, fine: FloatArray, weight: FloatArray) -> FloatArray:
    """Double `coarse` with bilinear weights and let it show where `fine` is not known."""
    height, width, channels = fine.shape
    rows, columns = coarse.shape[0], coarse.shape[1]
    near, far, one = np.float32(0.75), np.float32(0.25), np.float32(1)
    out = np.empty_like(fine)
    for y in range(height):
        # Centre of fine row y in coarse rows: (y + 0.5) / 2 - 0.5.
        near_y = y // 2
        far_y = min(max(near_y + (1 if y % 2 else -1), 0), rows - 1)
        for x in range(width):
            w = weight[y, x]
            if w >= one:
                for k in range(channels):
                    out[y, x, k] = fine[y, x, k]
                continue
            near_x = x // 2
            far_x = min(max(near_x + (1 if x % 2 else -1), 0), columns - 1)
            for k in range(channels):
                near_row = near * coarse[near_y, near_x, k] + far * coarse[near_y, far_x, k]
                far_row = near * coarse[far_y, near_x, k] + far * coarse[far_y, far_x, k]
                out[y, x, k] = w * fine[y, x, k] + (one - w) * (near * near_row + far * far_row)
    return out
