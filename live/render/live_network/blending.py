"""From network outputs to the finished picture, at the resolution of the geometric picture whatever the networks' own.

Changes are added, so that detail finer than the networks' pictures stays: the photo's hair, skin and lips are sharp at
any size. Mouth and eyes (`patch.py`) replace what the base network made of them.
"""

from __future__ import annotations

import numba
import numpy as np

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
    half = side / 2.0
    for y in range(side):
        g0, g1, gy = cell((y + 0.5) * grid / side - 0.5, grid)
        s0, s1, sy = cell((y + 0.5) * small / side - 0.5, small)
        for x in range(side):
            h0, h1, hx = cell((x + 0.5) * grid / side - 0.5, grid)
            w00, w01, w10, w11 = (1 - gy) * (1 - hx), (1 - gy) * hx, gy * (1 - hx), gy * hx
            r = residual[0]
            dx = half * (w00 * r[g0, h0] + w01 * r[g0, h1] + w10 * r[g1, h0] + w11 * r[g1, h1])
            r = residual[1]
            dy = half * (w00 * r[g0, h0] + w01 * r[g0, h1] + w10 * r[g1, h0] + w11 * r[g1, h1])
            t0, t1, tx = cell((x + 0.5) * small / side - 0.5, small)
            v00, v01, v10, v11 = (1 - sy) * (1 - tx), (1 - sy) * tx, sy * (1 - tx), sy * tx
            still = abs(dx) < STILL and abs(dy) < STILL
            y0, y1, py = cell(y + dy, side)
            x0, x1, px = cell(x + dx, side)
            for k in range(3):
                if still:
                    value = float(picture[y, x, k])
                else:
                    top = picture[y0, x0, k] * (1 - px) + picture[y0, x1, k] * px
                    value = top * (1 - py) + (picture[y1, x0, k] * (1 - px) + picture[y1, x1, k] * px) * py
                c = change[k]
                added = v00 * c[s0, t0] + v01 * c[s0, t1] + v10 * c[s1, t0] + v11 * c[s1, t1]
                out[y, x, k] = np.uint8(min(max(value + added * 127.5 + 0.5, 0.0), 255.0))
