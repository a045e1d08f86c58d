"""The passes over pixels and vertices of eyes and mouth, compiled: `eyes.py` and `mouth.py` say what they are for."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray, Image
from live.render.grid import ramp


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def affine_positions(affine: NDArray[np.float64], width: int, height: int) -> FloatArray:
    """Where an affine map (2, 3) takes the pixel indices of a patch, float32 (height, width, 2)."""
    out = np.empty((height, width, 2), np.float32)
    for y in range(height):
        for x in range(width):
            out[y, x, 0] = affine[0, 0] * x + affine[0, 1] * y + affine[0, 2]
            out[y, x, 1] = affine[1, 0] * x + affine[1, 1] * y + affine[1, 2]
    return out


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def lay_eye(
    under: Image,
    alpha: FloatArray,
    white: FloatArray,
    iris: FloatArray,
    iris_alpha: FloatArray,
    shadow: FloatArray,
    darkness: float,
    photo: FloatArray,
    known: FloatArray,
    trust: float,
) -> None:
    """Lay an eye over a picture, in place.

    Args:
        under: uint8 (h, w, 3).
        alpha: float32 (h, w), opening between the lids.
        white, iris: float32 (h, w, 3), the iris times iris_alpha (h, w).
        shadow: float32 (h, w), blurred opening; darkness: how much the lids' shadow takes.
        photo: float32 (h, w, 3), the photo's own eye; known: float32 (h, w), where it shows it.
        trust: 0..1, how much of the photo is shown there.
    """
    one, zero, dark, most = np.float32(1), np.float32(0), np.float32(darkness), np.float32(trust)
    for y in range(alpha.shape[0]):
        for x in range(alpha.shape[1]):
            a = alpha[y, x]
            if a <= zero:
                continue
            lit = one - dark * (one - ramp(shadow[y, x], np.float32(0.2), np.float32(0.9)))
            keep = ramp(known[y, x], np.float32(0.3), np.float32(0.7)) * most
            for k in range(3):
                composed = (white[y, x, k] * (one - iris_alpha[y, x]) + iris[y, x, k]) * lit
                colour = composed + (photo[y, x, k] - composed) * keep
                before = np.float32(under[y, x, k])
                mixed = before + (colour - before) * a + np.float32(0.5)
                under[y, x, k] = np.uint8(min(max(mixed, zero), np.float32(255)))


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def shade(
    points: FloatArray,
    facing: FloatArray,
    front: float,
    scale: float,
    depth_fade: FloatArray,
    ambient: FloatArray,
    albedo: FloatArray,
) -> FloatArray:
    """Colours (U, 3) of the mouth's vertices: light that falls to 1/e over `depth_fade` (U,) cm behind the teeth.

    Args:
        points: (U, 3) crop sides; front: depth of the front teeth; scale: crop sides per cm.
        facing: (U,) how much each faces the light, -1..1; ambient: (U,) share of light without direction.
        albedo: (U, 3).
    """
    out = np.empty_like(albedo)
    one, zero = np.float32(1), np.float32(0)
    for i in range(len(points)):
        depth = max(np.float32(front) - points[i, 2], zero) / np.float32(scale)
        directed = min(max(facing[i], zero), one)
        brightness = np.exp(-depth / depth_fade[i]) * (ambient[i] + (one - ambient[i]) * directed)
        for k in range(3):
            out[i, k] = albedo[i, k] * brightness
    return out
