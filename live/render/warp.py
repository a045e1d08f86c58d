"""Warping the portrait at the resolution of the output, whatever the resolution of the flow."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from live.frames import FloatArray, Image
from live.render.grid import pixel_centres

_NO_MAP: Any = None
"""OpenCV takes x and y together in the first map and then no second one, which its type hints do not know."""


def sampling_map(flow: FloatArray, size: tuple[int, int], source_side: int) -> FloatArray:
    """Enlarge a flow for `warp`: float32 (height, width, 2), OpenCV pixel coordinates (centre of pixel i at i).

    Args:
        flow: float32 (h, w, 2), positions in crop sides as in `MotionPrior.flow`.
        size: (width, height) of the output.
        source_side: side of the picture that is to be sampled, pixels.
    """
    height, width = flow.shape[:2]
    if (width, height) != size:
        # Enlarge the displacement, not the position: the position's ramp would flatten at the border.
        grid = pixel_centres(width, height)
        flow = cv2.resize(flow - grid, size, interpolation=cv2.INTER_LINEAR) + pixel_centres(*size)
    return np.asarray(flow * np.float32(source_side) - np.float32(0.5), np.float32)


def warp(image: Image, positions: FloatArray) -> Image:
    """Sample uint8 (H, W, C) at OpenCV pixel coordinates (h, w, 2), bicubic; outside, the border is repeated."""
    sampled = cv2.remap(image, positions, _NO_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.uint8)


def sample(field: FloatArray, positions: FloatArray, *, cubic: bool = False, zero_outside: bool = False) -> FloatArray:
    """Sample float32 (H, W) or (H, W, C) at OpenCV pixel coordinates (h, w, 2).

    Bilinear unless `cubic`; outside the border is repeated, or 0 with `zero_outside`.
    """
    border = cv2.BORDER_CONSTANT if zero_outside else cv2.BORDER_REPLICATE
    kind = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return np.asarray(cv2.remap(field, positions, _NO_MAP, kind, borderMode=border), np.float32)


def blur(field: FloatArray, sigma: float) -> FloatArray:
    """Gaussian blur, float32 in and out."""
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma), np.float32)


def blend_patch(canvas: Image, patch: FloatArray, alpha: FloatArray, origin: tuple[int, int]) -> None:
    """Lay a patch over a picture, in place.

    Args:
        canvas: uint8 (H, W, 3).
        patch: float32 (h, w, 3), 0..255.
        alpha: float32 (h, w), 0..1.
        origin: (x, y) of the patch in the canvas; the patch lies within it.
    """
    x, y = origin
    height, width = alpha.shape
    under = canvas[y : y + height, x : x + width]
    mixed = under + (patch - under) * alpha[..., None]
    under[...] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def patch_box(outline: FloatArray, extent: int, margin: int) -> tuple[int, int, int, int] | None:
    """Pixels that an outline (n, 2) in crop sides touches: x, y, width, height within a picture of side `extent`."""
    left, top = (min(max(math.floor(low * extent) - margin, 0), extent) for low in outline.min(0).tolist())
    right, bottom = (min(max(math.ceil(high * extent) + margin, 0), extent) for high in outline.max(0).tolist())
    if right - left < 2 or bottom - top < 2:
        return None
    return left, top, right - left, bottom - top
