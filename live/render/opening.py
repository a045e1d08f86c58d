"""Outlines of mouth and eye openings as smooth polygons, and their anti-aliased masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numba
import numpy as np

from live.frames import FloatArray, Image
from live.motion.landmark_groups import INNER_LIP, LEFT_EYE, RIGHT_EYE
from live.render.extend import push_pull

_SUBDIVISIONS: Final = 4
_SHIFT: Final = 4
"""Fractional bits of polygon corners: 1/16 pixel."""
_SUPERSAMPLE: Final = 2


def mouth_outline(landmarks: FloatArray) -> FloatArray:
    """Edge of the opening between the lips, float32 (80, 2), from (478, 3) landmarks, in their unit."""
    return _outline(landmarks, INNER_LIP)


def eye_outline(landmarks: FloatArray, eye: Sequence[int]) -> FloatArray:
    """Edge of the opening between the lids, float32 (64, 2); `eye` is `LEFT_EYE` or `RIGHT_EYE`."""
    return _outline(landmarks, eye)


def gap(landmarks: FloatArray, ring: Sequence[int]) -> FloatArray:
    """Distance upper to lower edge at each pair of opposite points, across the line between the corners.

    Negative where the upper edge has passed the lower one. `ring` starts at one corner and has the other in its middle.
    """
    points = landmarks[list(ring), :2]
    half = len(ring) // 2
    upper, lower = points[1:half], points[half + 1 :][::-1]
    return np.asarray((lower - upper) @ _across(points, half), np.float32)


def _across(points: FloatArray, half: int) -> FloatArray:
    """Unit vector from the upper to the lower edge (image axes), perpendicular to the line between the corners."""
    line = points[half] - points[0]
    length = float(np.hypot(line[0], line[1]))
    if length < 1e-9:
        return np.array([0, 1], np.float32)
    across = np.array([-line[1], line[0]], np.float32) / np.float32(length)
    # Rings run from the image's left corner over the top to the right one, or the other way round.
    return across if across[1] >= 0 else -across


def _outline(landmarks: FloatArray, ring: Sequence[int]) -> FloatArray:
    points = landmarks[list(ring), :2]
    half = len(ring) // 2
    across = _across(points, half)
    out = np.empty((_SUBDIVISIONS * len(ring), 2), np.float32)
    _uncross(points, across)
    _spline(points[: half + 1], out[: _SUBDIVISIONS * half])
    _spline(np.concatenate([points[half:], points[:1]]), out[_SUBDIVISIONS * half :])
    return out


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _uncross(points: FloatArray, across: FloatArray) -> None:
    """Where the edges have crossed the opening is closed: both meet half-way, or the polygon would show a wrong hole.

    `points` (n, 2) are changed in place; `across` (2,) leads from the upper to the lower edge.
    """
    count = len(points)
    for upper in range(1, count // 2):
        lower = count - upper
        gap = (points[lower, 0] - points[upper, 0]) * across[0] + (points[lower, 1] - points[upper, 1]) * across[1]
        if gap < 0:
            for k in range(2):
                step = np.float32(0.5) * gap * across[k]
                points[upper, k] += step
                points[lower, k] -= step


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _spline(points: FloatArray, out: FloatArray) -> None:
    """Open Catmull-Rom curve through points (n, 2), `_SUBDIVISIONS` segments for each of theirs; without its end."""
    last = len(points) - 1
    for i in range(last):
        for k in range(2):
            p1, p2 = points[i, k], points[i + 1, k]
            p0 = points[i - 1, k] if i > 0 else 2 * p1 - p2
            p3 = points[i + 2, k] if i + 2 <= last else 2 * p2 - p1
            for j in range(_SUBDIVISIONS):
                t = np.float32(j / _SUBDIVISIONS)
                linear, square, cubic = p2 - p0, 2 * p0 - 5 * p1 + 4 * p2 - p3, 3 * p1 - p0 - 3 * p2 + p3
                out[i * _SUBDIVISIONS + j, k] = 0.5 * (2 * p1 + (linear + (square + cubic * t) * t) * t)


def opening_mask(
    outline: FloatArray, size: tuple[int, int], origin: tuple[int, int] = (0, 0), extent: float | None = None
) -> FloatArray:
    """Fill an outline, float32 (h, w) of 0..1, anti-aliased.

    Args:
        outline: (n, 2) in crop sides.
        size: (width, height) of the mask in pixels.
        origin: pixel of the whole picture that is the mask's first.
        extent: side of the whole picture in pixels; default: the mask is the whole picture.
    """
    width, height = size
    scale = np.array([width, height], np.float32) if extent is None else np.full(2, extent, np.float32)
    places = outline * scale - np.array(origin, np.float32)
    # Only where the outline is: elsewhere there is nothing to smooth.
    left, top = (max(int(low), 0) for low in np.floor(places.min(0)) - 1)
    right, bottom = (int(high) for high in np.minimum(np.ceil(places.max(0)) + 1, (width, height)))
    mask = np.zeros((height, width), np.float32)
    if left >= right or top >= bottom:
        return mask
    corners = (places - np.array((left, top), np.float32)) * _SUPERSAMPLE - 0.5
    fine = np.zeros(((bottom - top) * _SUPERSAMPLE, (right - left) * _SUPERSAMPLE), np.uint8)
    fixed = np.round(corners * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(fine, [fixed], 255, lineType=cv2.LINE_AA, shift=_SHIFT)
    small = cv2.resize(fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    np.multiply(small, np.float32(1 / 255), out=mask[top:bottom, left:right])
    return mask


def without_openings(image: Image, landmarks: FloatArray) -> Image:
    """A portrait whose eyes and mouth opening are filled with what surrounds them, uint8 (S, S, 3).

    This is what the skin is warped from: where lips or lids close, the seam must not show teeth or eyes of the photo.

    Args:
        image: uint8 (S, S, 3).
        landmarks: (478, 3) in crop sides.
    """
    side = image.shape[0]
    result = image.copy()
    for outline in (mouth_outline(landmarks), eye_outline(landmarks, RIGHT_EYE), eye_outline(landmarks, LEFT_EYE)):
        low = np.clip(np.floor(outline.min(0) * side).astype(int) - 4, 0, side)
        high = np.clip(np.ceil(outline.max(0) * side).astype(int) + 4, 0, side)
        width, height = (int(v) for v in high - low)
        if width < 2 or height < 2:
            continue
        mask = opening_mask(outline, (width, height), (int(low[0]), int(low[1])), side)
        # Half-covered edge pixels already carry tooth or eye.
        filled = np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8)) > 0, np.float32)
        part = result[low[1] : high[1], low[0] : high[0]]
        part[...] = np.clip(push_pull(part.astype(np.float32), 1 - filled) + 0.5, 0, 255).astype(np.uint8)
    return result
