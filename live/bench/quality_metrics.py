"""How far a picture is from the truth: the measures of the paper (section 4.2), on pictures in 0..1."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray, Image
from live.motion.landmark_groups import LEFT_EYE, OUTER_LIP, RIGHT_EYE

BoolImage = np.ndarray[tuple[int, int], np.dtype[np.bool_]]


def unit(image: Image) -> FloatArray:
    """uint8 0..255 as float32 0..1."""
    return image.astype(np.float32) / 255.0


def l1(picture: Image, truth: Image, mask: BoolImage | None = None) -> float:
    """Mean absolute difference, 0..1, over the picture or where `mask` (H, W) is set."""
    difference = np.abs(unit(picture) - unit(truth)).mean(2)
    return float(difference.mean() if mask is None else difference[mask].mean())


def psnr(picture: Image, truth: Image) -> float:
    """Peak signal to noise ratio, dB; at most 100."""
    error = float(np.mean((unit(picture) - unit(truth)) ** 2))
    return min(100.0, -10.0 * float(np.log10(max(error, 1e-10))))


def ssim(picture: Image, truth: Image) -> float:
    """Structural similarity of the luminance (Wang et al. 2004, Gaussian window of 11 pixels, sigma 1.5)."""
    a, b = (np.asarray(cv2.cvtColor(unit(i), cv2.COLOR_RGB2GRAY), np.float32) for i in (picture, truth))

    def blur(x: FloatArray) -> FloatArray:
        return np.asarray(cv2.GaussianBlur(x, (11, 11), 1.5), np.float32)

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    ratio = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(ratio.mean())


TIGHT: Final = 0.02
WIDE: Final = 0.08
"""Margins of `mouth_and_eyes`. "Mouth and eyes" means different areas in different papers, which seldom say how large
theirs is; a static portrait, the same for everybody, tells: the smaller the area, the larger its error."""


def mouth_and_eyes(landmarks: FloatArray, size: int, margin: float = TIGHT) -> BoolImage:
    """Mask (size, size) of lips, mouth and eyes, from landmarks (478, 3) in pixels of that size.

    Args:
        landmarks: of the true picture.
        size: side of the mask.
        margin: width of the brush that enlarges the outlines, share of `size`.
    """
    mask = np.zeros((size, size), np.uint8)
    for group in (OUTER_LIP, LEFT_EYE, RIGHT_EYE):
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(landmarks[list(group), :2]).astype(np.int32)), 1)
    brush = max(3, round(size * margin)) | 1
    return np.asarray(cv2.dilate(mask, np.ones((brush, brush), np.uint8)) > 0)


def relight(picture: Image, truth: Image) -> Image:
    """`picture` with the light and colour of `truth`: what is broader than 1/85 of the side comes from there."""
    spread = len(picture) / 85
    own, other = unit(picture), unit(truth)
    broad = cv2.GaussianBlur(other, (0, 0), spread) - cv2.GaussianBlur(own, (0, 0), spread)
    return np.asarray(np.clip((own + broad) * 255 + 0.5, 0, 255), np.uint8)


def jitter(tracks: NDArray[np.floating]) -> float:
    """Restlessness of landmark tracks (N, 478, 2): mean second difference over time, in units of the tracks."""
    if len(tracks) < 3:
        return float("nan")
    return float(np.linalg.norm(np.diff(tracks, 2, axis=0), axis=2).mean())
