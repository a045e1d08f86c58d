"""Lips and lids that meet: what the photo's correction and a linear model leave open, or push through each other.

The correction of a smiling photo keeps the lips apart even when the expression is neutral, and a model's lids do not
exactly meet in somebody else's face. Here the gaps of lips and lids are steered: unchanged in the photo's own pose,
shut when the coefficients say shut, never negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from live.frames import FloatArray
from live.motion.arkit import ARKIT_INDEX
from live.motion.face_model import PART_FACE, FaceModel
from live.motion.landmark_groups import INNER_LIP, LEFT_EYE, RIGHT_EYE

LIP_REACH_CM: Final = 0.7
LID_REACH_CM: Final = 0.45
"""Distance over which skin follows its lip or lid."""
LIP_OPEN_CM: Final = 0.15
"""Opening of the model's lips from which the photo's own gap counts in full."""
JAW_DROP: Final = 0.5
"""Opening of the jaw in which distances are taken, so that one lip does not drag the other."""
LIP_ROUNDING_CM: Final = (0.0, 0.02, 0.17, 0.20, 0.0, 0.20, 0.17, 0.02, 0.0)
"""The model's dropped jaw pulls the lower lip to a V: how much lower it is to hang per `jawOpen`, corner to corner."""
LID_SHARE: Final = 0.85
"""Share of a lid gap that the upper lid closes."""


@dataclass(frozen=True, slots=True)
class Ring:
    """An opening: which rows of the stacked points follow its edge, and by which weights."""

    points: NDArray[np.intp]  # (2 n,) stacked indices: n of the upper edge, then the n opposite ones
    rows: NDArray[np.intp]  # (m,) stacked indices of everything that follows
    weights: FloatArray  # (m, 2 n)

    def gap(self, stacked: FloatArray) -> FloatArray:
        """Height of the opening at each pair, (n,) cm, head coordinates."""
        half = len(self.points) // 2
        return np.asarray(stacked[self.points[:half], 1] - stacked[self.points[half:], 1], np.float32)

    def widen(self, stacked: FloatArray, change: FloatArray, upper_share: float) -> None:
        """Change the gaps by (n,) cm, in place."""
        moves = np.concatenate([change * np.float32(upper_share), change * np.float32(upper_share - 1)])
        stacked[self.rows, 1] += self.weights @ moves


class Contact:
    """Steers the gaps of one person's lips and lids.

    "Stacked" points are float32 (V + 478, 3): mesh vertices, then landmarks, in head coordinates (cm).

    Args:
        model: the face model.
        neutral: stacked points at rest without correction.
        corrected: the same with the photo's correction.
        moves: float32 (68, (V + 478) * 3), flattened expression and residual shapes of the stacked points.
        photo: float32 (68,), the photo's expression and residual.

    Attributes:
        lips, lids: the openings; `lids` of the right eye, then of the left.
        shut, excess, span, correction, photo_closing: float32 (9,) per pair of lip points, cm: see `steer`.
        jaw, blinks: which coefficients open the jaw and close the lids; photo_jaw, photo_lids: theirs in the photo.
        left_open: float32 (7,) per eye, cm that closed lids of the corrected model leave open.
    """

    def __init__(
        self, model: FaceModel, neutral: FloatArray, corrected: FloatArray, moves: FloatArray, photo: FloatArray
    ) -> None:
        jaw = ARKIT_INDEX["jawOpen"]
        shape = np.concatenate([model.mesh_mean, model.landmarks_mean])
        dropped = shape + JAW_DROP * np.concatenate([model.mesh_expression[jaw], model.landmarks_expression[jaw]])
        skin = np.concatenate([model.mesh_part == PART_FACE, np.ones(len(model.landmarks_mean), np.bool_)])
        first = len(model.mesh_mean)
        self.lips = _ring(dropped, skin, first, INNER_LIP, LIP_REACH_CM)
        self.lids = [_ring(shape, skin, first, ring, LID_REACH_CM) for ring in (RIGHT_EYE, LEFT_EYE)]
        self.blinks = [ARKIT_INDEX["eyeBlinkRight"], ARKIT_INDEX["eyeBlinkLeft"]]
        in_photo = (photo @ moves).reshape(-1, 3)
        self.shut = self.lips.gap(neutral)
        self.excess = self.lips.gap(corrected - neutral) + self.shut
        self.span = np.maximum(self.lips.gap(neutral + in_photo) - self.shut, LIP_OPEN_CM)
        self.correction = self.lips.gap(corrected - neutral)
        self.photo_closing = self._closing(self.lips.gap(neutral + in_photo))
        self.photo_lids = photo[self.blinks]
        self.jaw, self.photo_jaw = jaw, float(photo[jaw])
        closed = photo.copy()
        closed[self.blinks] = 1.0
        self.left_open = [ring.gap(corrected + (closed @ moves).reshape(-1, 3)) for ring in self.lids]

    def steer(self, stacked: FloatArray, expression: FloatArray) -> None:
        """Adjust corrected stacked points to an expression, float32 (52,), in place."""
        lips = self.lips
        dropped = float(expression[self.jaw]) - max(self.photo_jaw, 0.0)
        if dropped > 0:
            lips.widen(stacked, dropped * np.array(LIP_ROUNDING_CM, np.float32), 0.0)
        gap = lips.gap(stacked)
        wanted = gap + self._closing(gap - self.correction) - self.photo_closing
        lips.widen(stacked, np.maximum(wanted, 0.0) - gap, 0.5)
        for ring, index, photo, left_open in zip(self.lids, self.blinks, self.photo_lids, self.left_open, strict=True):
            gap = ring.gap(stacked)
            closing = np.clip((expression[index] - photo) / max(1.0 - float(photo), 0.2), 0.0, 1.0)
            ring.widen(stacked, np.maximum(gap - closing * left_open, 0.0) - gap, LID_SHARE)

    def _closing(self, model_gap: FloatArray) -> FloatArray:
        """Change of the lips' gap: the correction goes as the model's lips shut."""
        openness = np.clip((model_gap - self.shut) / self.span, 0.0, 1.0)
        return np.asarray((openness - 1.0) * self.excess, np.float32)


def _ring(shape: NDArray[np.floating], skin: NDArray[np.bool_], first: int, ring: Sequence[int], reach: float) -> Ring:
    half = len(ring) // 2
    upper = list(ring[1:half])
    lower = list(ring[half + 1 :])[::-1]
    points = np.array(upper + lower, np.intp) + first
    corners = np.array([ring[0], ring[half]], np.intp) + first
    candidates = np.flatnonzero(skin)
    # The corners take part as edge points that never move, so that the motion ends there.
    distance = cdist(shape[candidates], shape[np.concatenate([points, corners])])
    near = distance.min(1) < 2.5 * reach
    rows, distance = candidates[near], distance[near]
    nearest = distance.min(1, keepdims=True)
    raw = np.exp(-(distance**2 - nearest**2) / (0.35 * reach) ** 2)
    weights = raw / raw.sum(1, keepdims=True) * np.exp(-((nearest / reach) ** 2))
    weights = weights[:, : len(points)].astype(np.float32)
    for column, point in enumerate(points):  # the edge itself moves exactly as told
        weights[rows == point] = np.eye(len(points), dtype=np.float32)[column]
    return Ring(points, rows, np.ascontiguousarray(weights))
