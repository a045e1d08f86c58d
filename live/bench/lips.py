"""Lip geometry that can be compared across people, cameras and head poses: in units of the distance of the pupils."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.frames import EXPRESSION_COUNT, FloatArray
from live.motion.face_model import FaceModel
from live.motion.landmark_groups import LEFT_IRIS, MOUTH_CORNERS, RIGHT_IRIS

MIDDLE: Final = ((13, 14), (312, 317), (82, 87))
"""Pairs of inner-lip landmarks, upper and lower, about the middle."""
CLOSED: Final = 0.035
"""Opening, above that of the resting closed mouth and in pupil distances, up to which lips count as closed: about
2.2 mm; the tracked lips of clearly spoken bilabials stay below."""


def opening(landmarks: FloatArray) -> NDArray[np.float64]:
    """Mean height of the upper above the lower inner lip about the middle, (n,), not normalised.

    Landmarks (n, 478, 3) are in head coordinates (y up). Negative where a model lets the lips pass through each other:
    closed.
    """
    return np.asarray(np.mean([landmarks[:, a, 1] - landmarks[:, b, 1] for a, b in MIDDLE], axis=0), np.float64)


def width(landmarks: FloatArray) -> NDArray[np.float64]:
    """Distance of the mouth's corners, (n,), not normalised."""
    right, left = MOUTH_CORNERS
    return np.asarray(np.linalg.norm(landmarks[:, right] - landmarks[:, left], axis=1), np.float64)


@dataclass(frozen=True)
class LipModel:
    """The lips of the face model's mean person under expressions."""

    model: FaceModel

    @cached_property
    def unit(self) -> float:
        """Distance of the pupils, cm."""
        mean = self.model.landmarks_mean
        return float(np.linalg.norm(mean[RIGHT_IRIS[0]] - mean[LEFT_IRIS[0]]))

    def landmarks(self, expression: FloatArray) -> FloatArray:
        """All landmarks, float32 (n, 478, 3) in pupil distances, of expressions (n, 52)."""
        moved = np.tensordot(expression, self.model.landmarks_expression, 1)
        return np.asarray((self.model.landmarks_mean + moved) / self.unit, np.float32)

    def opening(self, expression: FloatArray) -> NDArray[np.float64]:
        """Opening (n,) in pupil distances, 0 for the model's resting mouth."""
        rest = self.landmarks(np.zeros((1, EXPRESSION_COUNT), np.float32))
        return np.asarray(opening(self.landmarks(expression)) - opening(rest), np.float64)

    def width(self, expression: FloatArray) -> NDArray[np.float64]:
        """Width (n,) in pupil distances above the resting mouth's."""
        rest = self.landmarks(np.zeros((1, EXPRESSION_COUNT), np.float32))
        return np.asarray(width(self.landmarks(expression)) - width(rest), np.float64)
