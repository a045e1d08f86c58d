"""From network outputs to the finished picture: the networks' pixels over the geometric picture at its own resolution.

Where a mask is 0 the full-resolution picture stays untouched, so skin and hair keep the photo's sharpness.
"""

from __future__ import annotations

import cv2
import numba
import numpy as np

from live.frames import FloatArray, Image
from live.render.grid import pixel_centres
from live.render.live_network.regions import Regions
from live.render.live_network.runtime import Arrays

STILL = 0.02
"""Displacements below this many pixels of the picture are not worth resampling it."""


def finish(picture: Image, outputs: Arrays, regions: Regions) -> Image:
    """Blend one frame.

    Args:
        picture: the geometric picture, uint8 (S, S, 3), any S.
        outputs: `tensors.FRAME_OUTPUTS`.
        regions: of this frame.

    Returns:
        uint8 (S, S, 3), a fresh array.
    """
    moved = displace(picture, outputs["residual"][0])
    canvas = np.empty(picture.shape, np.float32)
    overlay(moved, outputs["rgb"][0], outputs["mask"][0, 0], canvas)
    crops = (
        (regions.mouth, outputs["mouth_rgb"][0], outputs["mouth_mask"][0, 0]),
        (regions.right_eye, outputs["eyes_rgb"][0], outputs["eyes_mask"][0, 0]),
        (regions.left_eye, outputs["eyes_rgb"][1], outputs["eyes_mask"][1, 0]),
    )
    for box, rgb, mask in crops:
        box.paste(canvas, rgb.transpose(1, 2, 0) * 127.5 + 127.5, mask)
    return to_bytes(canvas)


def displace(picture: Image, residual: FloatArray) -> Image:
    """Sample uint8 (S, S, 3) where `residual` (2, 64, 64; −1…1 units, x first) moves it; the edges are repeated."""
    side = picture.shape[0]
    if float(np.abs(residual).max()) * side / 2 < STILL:
        return picture
    pixels = np.ascontiguousarray(residual.transpose(1, 2, 0), np.float32) * np.float32(side / 2)
    positions = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_LINEAR)
    positions += pixel_centres(side, side) * np.float32(side)
    positions -= np.float32(0.5)
    return np.asarray(cv2.remap(picture, positions, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


@numba.njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator, unused-ignore]
def overlay(picture: Image, rgb: FloatArray, mask: FloatArray, out: FloatArray) -> None:
    """`out = picture·(1 − m) + colour·m`, with `rgb` (3, s, s; −1…1) and `mask` (s, s) enlarged bilinearly on the way.

    Args:
        picture: uint8 (S, S, 3). rgb, mask: network output. out: float32 (S, S, 3), 0…255, written.
    """
    side, small = picture.shape[0], mask.shape[0]
    step = small / side
    for y in range(side):
        v = min(max((y + 0.5) * step - 0.5, 0.0), small - 1.0)
        y0 = int(v)
        y1 = min(y0 + 1, small - 1)
        fy = np.float32(v - y0)
        for x in range(side):
            u = min(max((x + 0.5) * step - 0.5, 0.0), small - 1.0)
            x0 = int(u)
            x1 = min(x0 + 1, small - 1)
            fx = np.float32(u - x0)
            a, b = (1 - fy) * (1 - fx), (1 - fy) * fx
            c, d = fy * (1 - fx), fy * fx
            m = a * mask[y0, x0] + b * mask[y0, x1] + c * mask[y1, x0] + d * mask[y1, x1]
            for k in range(3):
                colour = a * rgb[k, y0, x0] + b * rgb[k, y0, x1] + c * rgb[k, y1, x0] + d * rgb[k, y1, x1]
                under = np.float32(picture[y, x, k])
                out[y, x, k] = under + m * (colour * np.float32(127.5) + np.float32(127.5) - under)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def to_bytes(canvas: FloatArray) -> Image:
    """float32 0…255 to uint8, rounded and clipped."""
    out = np.empty(canvas.shape, np.uint8)
    for y in range(canvas.shape[0]):
        for x in range(canvas.shape[1]):
            for k in range(canvas.shape[2]):
                out[y, x, k] = np.uint8(min(max(canvas[y, x, k] + np.float32(0.5), np.float32(0)), np.float32(255)))
    return out
