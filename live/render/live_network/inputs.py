"""From pictures and priors to the arrays that the networks read: the same code in training and live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numba
import numpy as np

from live.frames import FloatArray, Image
from live.render.live_network.config import PRIOR_SIZE, LiveConfig
from live.render.live_network.crops import GUIDES, cut_guides
from live.render.live_network.regions import Box, Regions
from live.render.prior import MotionPrior

CROP_SOURCE: Final = 256
"""Side of the pictures that training cuts its crops from, pixels. Larger ones are shrunk first: skipping their pixels
would alias."""


@dataclass(frozen=True, slots=True)
class FrameArrays:
    """Per-frame network input without the motion window; all float32, pictures −1…1, channels first.

    Attributes:
        composite: (3, S, S); prior: (P, 64, 64); mouth: (1 + P, C, C); eyes: (2, 1 + P, c, c).
    """

    composite: FloatArray
    prior: FloatArray
    mouth: FloatArray
    eyes: FloatArray


@dataclass(frozen=True, slots=True)
class DetailArrays:
    """What the networks for mouth and eyes read of a frame; as in `FrameArrays`."""

    mouth: FloatArray
    eyes: FloatArray


def signed(image: Image) -> FloatArray:
    """uint8 (H, W, C) → float32 (C, H, W), −1…1."""
    return np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) * np.float32(2 / 255) - np.float32(1)


def pack_prior(prior: MotionPrior) -> FloatArray:
    """Averaged to float32 (64, 64, 8): displacement x and y (−1…1 units), skin, hidden, mouth, eyes, u, v (−1…1).

    Raises:
        ValueError: the prior's grid is no multiple of 64.
    """
    side = prior.skin.shape[0]
    if side % PRIOR_SIZE:
        raise ValueError(f"a prior of {side} pixels cannot be averaged to {PRIOR_SIZE}")
    packed = np.empty((PRIOR_SIZE, PRIOR_SIZE, 8), np.float32)
    _pack_cells(prior.flow, prior.skin, prior.hidden, prior.mouth, prior.eyes, prior.uv, packed)
    return packed


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _pack_cells(
    flow: FloatArray,
    skin: FloatArray,
    hidden: FloatArray,
    mouth: FloatArray,
    eyes: FloatArray,
    uv: FloatArray,
    packed: FloatArray,
) -> None:
    side, cells = skin.shape[0], packed.shape[0]
    step = side // cells
    share, one, two, half = np.float32(1 / step**2), np.float32(1), np.float32(2), np.float32(0.5)
    for row in range(cells):
        for column in range(cells):
            x = y = seen = lost = open_mouth = open_eyes = u = v = np.float32(0)
            for j in range(row * step, row * step + step):
                for i in range(column * step, column * step + step):
                    x += flow[j, i, 0] - (np.float32(i) + half) / np.float32(side)
                    y += flow[j, i, 1] - (np.float32(j) + half) / np.float32(side)
                    seen += skin[j, i]
                    lost += hidden[j, i]
                    open_mouth += mouth[j, i]
                    open_eyes += eyes[j, i]
                    u += (uv[j, i, 0] * two - one) * skin[j, i]
                    v += (uv[j, i, 1] * two - one) * skin[j, i]
            packed[row, column, 0], packed[row, column, 1] = x * two * share, y * two * share
            packed[row, column, 2], packed[row, column, 3] = seen * share, lost * share
            packed[row, column, 4], packed[row, column, 5] = open_mouth * share, open_eyes * share
            packed[row, column, 6], packed[row, column, 7] = u * share, v * share


def shrink(image: Image, side: int) -> Image:
    """Square uint8 picture at (side, side)."""
    if image.shape[0] == side:
        return image
    method = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=method), np.uint8)


def at_most(image: Image, side: int) -> Image:
    """A square picture, shrunk to `side` if it is larger."""
    return shrink(image, min(side, image.shape[0]))


def portrait_arrays(portrait: Image, regions: Regions, config: LiveConfig) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What enrolment reads: (3, S, S) picture, (3, C, C) mouth, (2, 3, c, c) eyes, from a square RGB portrait."""
    source = at_most(portrait, CROP_SOURCE)
    eyes = [signed(box.cut(source, config.eyes.crop)) for box in (regions.right_eye, regions.left_eye)]
    mouth = signed(regions.mouth.cut(source, config.mouth.crop))
    return signed(shrink(portrait, config.size)), mouth, np.stack(eyes)


def detail_arrays(composite: Image, prior: FloatArray, regions: Regions, config: LiveConfig) -> DetailArrays:
    """What the networks for mouth and eyes read of a frame; arguments as of `frame_arrays`."""
    source = at_most(composite, CROP_SOURCE)

    def crops(side: int, *boxes: Box) -> FloatArray:
        out = np.empty((len(boxes), 3 + GUIDES, side, side), np.float32)
        for box, crop in zip(boxes, out, strict=True):
            crop[:3] = signed(box.cut(source, side))
            cut_guides(prior, box.matrix(prior.shape[0], side), crop[3:])
        return out

    return DetailArrays(
        mouth=crops(config.mouth.crop, regions.mouth)[0],
        eyes=crops(config.eyes.crop, regions.right_eye, regions.left_eye),
    )


def frame_arrays(composite: Image, prior: FloatArray, regions: Regions, config: LiveConfig) -> FrameArrays:
    """What a frame reads.

    Args:
        composite: the geometric picture, square, any size.
        prior: float32 (64, 64, 8), packed.
        regions: of the driven face.
        config: sizes.
    """
    details = detail_arrays(composite, prior, regions, config)
    return FrameArrays(
        composite=signed(shrink(composite, config.size)),
        prior=np.ascontiguousarray(prior.transpose(2, 0, 1)),
        mouth=details.mouth,
        eyes=details.eyes,
    )
