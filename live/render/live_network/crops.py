"""Cutting guides out of the prior for a crop, and laying a changed crop back: one pass over the pixels each."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray, Image

Affine = NDArray[np.float64]
"""(2, 3), pixel indices to pixel indices."""

GUIDES: Final = 6
"""Channels of the packed prior after its flow. Known to the compiler, the loop over them is four times as fast."""


@numba.njit(cache=True, nogil=True, inline="always")  # type: ignore[untyped-decorator, unused-ignore]
def cell(position: float, length: int) -> tuple[int, int, np.float32]:
    """Neighbours and weight of the second one for a continuous position in pixels' centres, the edge repeated."""
    position = min(max(position, 0.0), length - 1.0)
    low = int(position)
    return low, min(low + 1, length - 1), np.float32(position - low)


@numba.njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator, unused-ignore]
def cut_guides(prior: FloatArray, to_prior: Affine, out: FloatArray) -> None:
    """Sample what follows the flow in float32 (s, s, 2 + `GUIDES`) into `out`, (`GUIDES`, C, C); edges are repeated."""
    one, zero, last = np.float32(1), np.float32(0), np.float32(prior.shape[0] - 1)
    step_x, step_y = np.float32(to_prior[0, 0]), np.float32(to_prior[1, 0])
    for row in range(out.shape[1]):
        start_x = np.float32(to_prior[0, 1] * row + to_prior[0, 2])
        start_y = np.float32(to_prior[1, 1] * row + to_prior[1, 2])
        for column in range(out.shape[2]):
            x = min(max(start_x + step_x * np.float32(column), zero), last)
            y = min(max(start_y + step_y * np.float32(column), zero), last)
            x0, y0 = int(x), int(y)
            x1, y1 = min(x0 + 1, int(last)), min(y0 + 1, int(last))
            u, v = x - np.float32(x0), y - np.float32(y0)
            a, b, c, d = (one - u) * (one - v), u * (one - v), (one - u) * v, u * v
            for k in range(GUIDES):
                i = k + 2
                above = a * prior[y0, x0, i] + b * prior[y0, x1, i]
                out[k, row, column] = above + c * prior[y1, x0, i] + d * prior[y1, x1, i]


@numba.njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator, unused-ignore]
def lay_patch(
    canvas: Image,
    picture: Image,
    change: FloatArray,
    mask: FloatArray,
    own: FloatArray,
    to_crop: Affine,
    window: tuple[int, int, int, int],
) -> None:
    """`canvas · (1 − mask) + picture · own + change` where the crop lies, in place; outside the crop all three are 0.

    Args:
        canvas, picture: uint8 (S, S, 3).
        change: float32 (C, C, 3); mask, own: float32 (C, C); as in `patch.Patch`.
        to_crop: the picture's pixels to the crop's.
        window: left, top, right and bottom (exclusive) of what to change.
    """
    crop, one, zero = mask.shape[0], np.float32(1), np.float32(0)
    left, top, right, bottom = window
    step_x, step_y = np.float32(to_crop[0, 0]), np.float32(to_crop[1, 0])
    for y in range(top, bottom):
        start_x = np.float32(to_crop[0, 0] * left + to_crop[0, 1] * y + to_crop[0, 2])
        start_y = np.float32(to_crop[1, 0] * left + to_crop[1, 1] * y + to_crop[1, 2])
        for x in range(left, right):
            px, py = start_x + step_x * np.float32(x - left), start_y + step_y * np.float32(x - left)
            if px <= -one or py <= -one or px >= crop or py >= crop:
                continue
            column, row = int(px + one) - 1, int(py + one) - 1
            u, v = px - np.float32(column), py - np.float32(row)
            a, b, c, d = (one - u) * (one - v), u * (one - v), (one - u) * v, u * v
            # At the crop's edge half of the neighbours lie outside, where all is 0.
            if column < 0:
                a, c = zero, zero
            if row < 0:
                a, b = zero, zero
            if column + 1 >= crop:
                b, d = zero, zero
            if row + 1 >= crop:
                c, d = zero, zero
            x0, y0 = max(column, 0), max(row, 0)
            x1, y1 = min(column + 1, crop - 1), min(row + 1, crop - 1)
            covered = a * mask[y0, x0] + b * mask[y0, x1] + c * mask[y1, x0] + d * mask[y1, x1]
            kept = a * own[y0, x0] + b * own[y0, x1] + c * own[y1, x0] + d * own[y1, x1]
            for k in range(3):
                added = a * change[y0, x0, k] + b * change[y0, x1, k] + c * change[y1, x0, k] + d * change[y1, x1, k]
                under = np.float32(canvas[y, x, k]) * (one - covered)
                mixed = under + np.float32(picture[y, x, k]) * kept + added
                canvas[y, x, k] = np.uint8(min(max(mixed + np.float32(0.5), zero), np.float32(255)))
