"""Decoding of BlazeFace, MediaPipe's short-range face detector (Bazarevsky et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from live.frames import FloatArray, Image

SIDE: Final = 128
"""Input size of the network, pixels."""

OVERLAP: Final = 0.3
"""Detections that overlap more (intersection over union) are one face."""

_GRIDS: Final = ((16, 2), (8, 6))  # cells per side, anchors per cell


@dataclass(frozen=True, slots=True)
class Detection:
    """A detected face: bounds and the places of six key points (subject's right eye, left eye, nose tip, mouth, right
    ear, left ear) in pixels, and the detector's score 0..1."""

    low: FloatArray
    high: FloatArray
    points: FloatArray
    score: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return float(np.prod(np.maximum(self.high - self.low, 0.0)))


def _anchors() -> FloatArray:
    centres = []
    for cells, repeated in _GRIDS:
        places = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(places, places, indexing="ij")
        centres.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), repeated, axis=0))
    return np.concatenate(centres)


_ANCHORS: Final = _anchors()


def network_input(image: Image) -> tuple[FloatArray, float, FloatArray]:
    """The picture as the network wants it.

    Returns:
        float32 (1, 128, 128, 3) in -1..1, the whole picture with black bars; pixels of the picture per pixel of it;
        float32 (2,) place of the picture's corner in it.
    """
    height, width = image.shape[:2]
    scale = max(height, width) / SIDE
    inner = (max(round(width / scale), 1), max(round(height / scale), 1))
    small = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale > 1.0 else cv2.INTER_LINEAR)
    left, top = (SIDE - inner[0]) // 2, (SIDE - inner[1]) // 2
    padded = np.full((1, SIDE, SIDE, 3), -1.0, np.float32)
    padded[0, top : top + inner[1], left : left + inner[0]] = small.astype(np.float32) / 127.5 - 1.0
    return padded, scale, np.array([left, top], np.float32)


def decode(
    regressors: FloatArray, logits: FloatArray, scale: float, corner: FloatArray, *, threshold: float
) -> list[Detection]:
    """The faces in the network's answer, best first.

    Args:
        regressors: (896, 16): box centre and size, then six key points, in pixels relative to the anchor.
        logits: (896,) scores.
        scale, corner: from `network_input`.
        threshold: least score, 0..1.
    """
    scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0)))
    kept = np.flatnonzero(scores >= threshold)
    kept = kept[np.argsort(-scores[kept])]
    anchors = _ANCHORS[kept] * SIDE
    centre = regressors[kept, :2] + anchors
    half = 0.5 * regressors[kept, 2:4]
    points = regressors[kept, 4:].reshape(len(kept), 6, 2) + anchors[:, None]
    boxes = np.concatenate([centre - half, centre + half], 1)
    faces = []
    left = np.arange(len(kept))
    while len(left):
        same = _overlap(boxes[left[0]], boxes[left]) > OVERLAP
        same[0] = True
        group = left[same]
        weight = scores[kept[group]] / scores[kept[group]].sum()
        box = (boxes[group] * weight[:, None]).sum(0)
        where = (points[group] * weight[:, None, None]).sum(0)
        faces.append(
            Detection(
                ((box[:2] - corner) * scale).astype(np.float32),
                ((box[2:] - corner) * scale).astype(np.float32),
                ((where - corner) * scale).astype(np.float32),
                float(scores[kept[left[0]]]),
            )
        )
        left = left[~same]
    return faces


def _overlap(box: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union of one box (4,) with many (N, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.maximum(high - low, 0.0).prod(1)
    areas = np.maximum(others[:, 2:] - others[:, :2], 0.0).prod(1)
    own = np.maximum(box[2:] - box[:2], 0.0).prod()
    ratio: FloatArray = shared / np.maximum(own + areas - shared, 1e-9)
    return ratio
