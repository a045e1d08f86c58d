"""From network outputs to the finished picture, at the resolution of the geometric picture whatever the networks' own.

Changes are added, so that detail finer than the networks' pictures stays: the photo's hair, skin and lips are sharp at
any size. Mouth and eyes (`patch.py`) replace what the base network made of them.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray, Image
from live.render.live_network.crops import cell
from live.render.live_network.inputs import DetailArrays, FrameArrays
from live.render.live_network.patch import DRAWN_GUIDES, Patch
from live.render.live_network.regions import Regions
from live.render.live_network.runtime import Arrays

STILL = 0.02
"""Displacements below this many pixels of the picture are not worth resampling it."""


def finish(picture: Image, inputs: FrameArrays | DetailArrays, outputs: Arrays, regions: Regions) -> Image:
    """Blend one frame.

    Args:
        picture: the geometric picture, uint8 (S, S, 3), any S.
        inputs: what the networks saw of it.
        outputs: `tensors.FRAME_OUTPUTS`, or only `tensors.DETAIL_OUTPUTS`.
        regions: of this frame.

    Returns:
        uint8 (S, S, 3), a fresh array.
    """
    if "residual" in outputs:
        canvas = np.empty(picture.shape, np.uint8)
        overlay(picture, outputs["residual"][0], outputs["change"][0], canvas)
    else:
        canvas = picture.copy()
    for box, seen, rgb, mask, guide in (
        (regions.mouth, inputs.mouth, outputs["mouth_rgb"][0], outputs["mouth_mask"][0, 0], DRAWN_GUIDES[0]),
        (regions.right_eye, inputs.eyes[0], outputs["eyes_rgb"][0], outputs["eyes_mask"][0, 0], DRAWN_GUIDES[1]),
        (regions.left_eye, inputs.eyes[1], outputs["eyes_rgb"][1], outputs["eyes_mask"][1, 0], DRAWN_GUIDES[1]),
    ):
        box.lay(canvas, picture, Patch.of(seen, rgb, mask, guide))
    return canvas


@numba.njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator, unused-ignore]
def overlay(picture: Image, residual: FloatArray, change: FloatArray, out: Image) -> None:
    """`out = displaced picture + change` at the picture's resolution, everything sampled bilinearly.

    Args:
        picture: uint8 (S, S, 3).
        residual: float32 (2, h, h), displacement of the sampling position, -1…1 units, x first.
        change: float32 (3, s, s), 1 = 127.5 levels.
        out: uint8 (S, S, 3), written.
    """
    side, grid, small = picture.shape[0], residual.shape[1], change.shape[1]
    half = np.float32(side / 2.0)
    one = np.float32(1.0)
    # Everything that is enlarged is enlarged row by row: down the columns on the small grid, then along the row.
    g0, g1, gx = cells(side, grid)
    s0, s1, sx = cells(side, small)
    shift_x, shift_y = np.empty(grid, np.float32), np.empty(grid, np.float32)
    added = np.empty((small, 3), np.float32)
    for y in range(side):
        above, below, w = g0[y], g1[y], gx[y]
        largest = np.float32(0.0)
        for j in range(grid):
            shift_x[j] = half * (residual[0, above, j] * (one - w) + residual[0, below, j] * w)
            shift_y[j] = half * (residual[1, above, j] * (one - w) + residual[1, below, j] * w)
            largest = max(largest, abs(shift_x[j]), abs(shift_y[j]))
        above, below, w = s0[y], s1[y], sx[y]
        for k in range(3):
            for j in range(small):
                value = change[k, above, j] * (one - w) + change[k, below, j] * w
                added[j, k] = value * np.float32(127.5) + np.float32(0.5)
        moved = largest >= STILL
        for x in range(side):
            i, j, w = s0[x], s1[x], sx[x]
            r = added[i, 0] * (one - w) + added[j, 0] * w
            g = added[i, 1] * (one - w) + added[j, 1] * w
            b = added[i, 2] * (one - w) + added[j, 2] * w
            dx = dy = np.float32(0.0)
            if moved:
                i, j, w = g0[x], g1[x], gx[x]
                dx = shift_x[i] * (one - w) + shift_x[j] * w
                dy = shift_y[i] * (one - w) + shift_y[j] * w
            if abs(dx) < STILL and abs(dy) < STILL:
                r += np.float32(picture[y, x, 0])
                g += np.float32(picture[y, x, 1])
                b += np.float32(picture[y, x, 2])
            else:
                y0, y1, py = cell(float(y + dy), side)
                x0, x1, px = cell(float(x + dx), side)
                u, v = np.float32(px), np.float32(py)
                w00, w01, w10, w11 = (one - v) * (one - u), (one - v) * u, v * (one - u), v * u
                p00, p01, p10, p11 = picture[y0, x0], picture[y0, x1], picture[y1, x0], picture[y1, x1]
                r += p00[0] * w00 + p01[0] * w01 + p10[0] * w10 + p11[0] * w11
                g += p00[1] * w00 + p01[1] * w01 + p10[1] * w10 + p11[1] * w11
                b += p00[2] * w00 + p01[2] * w01 + p10[2] * w10 + p11[2] * w11
            low, high = np.float32(0.0), np.float32(255.0)
            out[y, x, 0] = np.uint8(min(max(r, low), high))
            out[y, x, 1] = np.uint8(min(max(g, low), high))
            out[y, x, 2] = np.uint8(min(max(b, low), high))


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def cells(side: int, small: int) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """For each of `side` pixels, the two of `small` between whose centres it lies, and the share of the second."""
    first, second, share = np.empty(side, np.int64), np.empty(side, np.int64), np.empty(side, np.float32)
    for x in range(side):
        first[x], second[x], share[x] = cell((x + 0.5) * small / side - 0.5, small)
    return first, second, share
