"""The turned square of a picture that a face network looks at, and the way back from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from live.frames import FloatArray, Image

MARGIN: Final = 1.5
"""Side of the region relative to the longer side of the face's bounds, as the landmark network was trained."""

_RIGHT_EYE, _LEFT_EYE = 33, 263  # outer corners: the subject's right is on the image's left


@dataclass(frozen=True, slots=True)
class FaceRegion:
    """A square with its centre at `x`, `y`, `size` pixels wide, turned by `angle` (radians, clockwise as seen).

    The angle is that of the line through the eyes, so that the face stands upright in the region.
    """

    x: float
    y: float
    size: float
    angle: float

    @staticmethod
    def around(low: FloatArray, high: FloatArray, right_eye: FloatArray, left_eye: FloatArray) -> FaceRegion:
        """The region of a face with bounds `low`..`high` and eyes at the given places, all (2,) in pixels."""
        across = left_eye - right_eye
        centre = 0.5 * (low + high)
        return FaceRegion(
            float(centre[0]),
            float(centre[1]),
            MARGIN * float((high - low).max()),
            float(np.arctan2(across[1], across[0])),
        )

    @staticmethod
    def of_landmarks(landmarks: FloatArray) -> FaceRegion:
        """The region for the next picture of a face with these landmarks, float32 (478, 2 or 3) in pixels."""
        points = landmarks[:, :2]
        return FaceRegion.around(points.min(0), points.max(0), points[_RIGHT_EYE], points[_LEFT_EYE])

    @property
    def usable(self) -> bool:
        """Whether the region has a size that a face can have."""
        return bool(np.isfinite([self.x, self.y, self.size, self.angle]).all() and 4.0 <= self.size <= 1e5)

    def matrix(self, side: int) -> FloatArray:
        """Affine map (2, 3) from continuous coordinates of a `side`-pixel crop to those of the picture."""
        scale = self.size / side
        c, s = scale * np.cos(self.angle), scale * np.sin(self.angle)
        half = 0.5 * side
        return np.array([[c, -s, self.x - c * half + s * half], [s, c, self.y - s * half - c * half]], np.float32)

    def crop(self, image: Image, out: Image) -> None:
        """Write the upright region into `out`, uint8 (side, side, 3); beyond the picture its edge is repeated."""
        side = out.shape[0]
        matrix = self.matrix(side).astype(np.float64)
        # OpenCV counts from pixel centres, the maps here from pixel corners.
        matrix[:, 2] += 0.5 * matrix[:, :2].sum(1) - 0.5
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(image, matrix, (side, side), dst=out, flags=flags, borderMode=cv2.BORDER_REPLICATE)

    def to_picture(self, points: FloatArray, side: int) -> FloatArray:
        """Points (N, 3) of a `side`-pixel crop (z in the same unit) in pixels of the picture."""
        matrix = self.matrix(side)
        placed = np.empty_like(points)
        placed[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        placed[:, 2] = points[:, 2] * (self.size / side)
        return placed
