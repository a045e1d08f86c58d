"""Where the region networks look: square crops that follow the head, not the expression, so they never jitter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray, Image
from live.motion.landmark_groups import EYE_INNER_CORNERS, EYE_OUTER_CORNERS, MOUTH_CORNERS
from live.render.live_network.crops import lay_patch
from live.render.live_network.patch import Patch
from live.render.posed import PosedFace

MOUTH_SIDE_CM: Final = 8.5
MOUTH_DROP_CM: Final = 0.7
"""The mouth opens downwards: the crop's centre is this far below the closed lips."""
EYE_SIDE_CM: Final = 5.0


Pixels = TypeVar("Pixels", Image, FloatArray)
"""A picture of bytes, or a map of floats."""


@dataclass(frozen=True, slots=True)
class Box:
    """A turned square in the picture. Unit: the picture's side.

    Attributes:
        centre: (2,) x, y.
        right, down: (2,) its edges as vectors; the crop's first axis runs along `right`. A mirrored box has `right`
            reversed.
    """

    centre: FloatArray
    right: FloatArray
    down: FloatArray

    def matrix(self, picture: int, crop: int) -> NDArray[np.float64]:
        """float64 (2, 3): pixel indices of a crop of `crop` pixels → pixel indices in a picture of `picture` pixels."""
        axes = np.stack([self.right, self.down], axis=1).astype(np.float64) * (picture / crop)
        start = (self.centre - 0.5 * (self.right + self.down)) * picture + axes @ np.array([0.5, 0.5]) - 0.5
        return np.concatenate([axes, start[:, None]], axis=1)

    def cut(self, picture: Pixels, crop: int) -> Pixels:
        """Sample the box from `picture` (S, S, …) to (crop, crop, …), same type; the picture's edges are repeated."""
        matrix = self.matrix(picture.shape[0], crop)
        flags, edge = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
        channels = 1 if picture.ndim == 2 else picture.shape[2]
        if channels > 4:  # more than OpenCV takes at once
            parts = [np.ascontiguousarray(picture[..., i : i + 4]) for i in range(0, channels, 4)]
            return np.asarray(np.concatenate([self.cut(part, crop) for part in parts], axis=-1), picture.dtype)
        return np.asarray(cv2.warpAffine(picture, matrix, (crop, crop), flags=flags, borderMode=edge), picture.dtype)

    def lay(self, canvas: Image, picture: Image, patch: Patch) -> None:
        """Lay a changed `picture` over `canvas`, both uint8 (S, S, 3), in place.

        Args:
            canvas: what is there so far.
            picture: what was changed, at full resolution.
            patch: the change.
        """
        side, crop = canvas.shape[0], patch.mask.shape[0]
        corners = self.centre + np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) @ np.stack([self.right, self.down]) / 2
        low = np.clip(np.floor(corners.min(0) * side), 0, side).astype(int)
        high = np.clip(np.ceil(corners.max(0) * side), 0, side).astype(int)
        if (high <= low).any():
            return
        back = np.linalg.inv(np.vstack([self.matrix(side, crop), (0.0, 0.0, 1.0)]))[:2]
        window = int(low[0]), int(low[1]), int(high[0]), int(high[1])
        lay_patch(canvas, picture, patch.change, patch.mask, patch.own, np.ascontiguousarray(back), window)


@dataclass(frozen=True, slots=True)
class Regions:
    """The three boxes of a frame; `left_eye` (the subject's) is mirrored."""

    mouth: Box
    right_eye: Box
    left_eye: Box


class RegionFinder:
    """Places the boxes on a driven face from where mouth and eyes are on the photo's.

    Args:
        source: the face in the photo.

    Attributes:
        anchors: float32 (3, 3), the boxes' centres (mouth, right eye, left eye), head coordinates, cm.
    """

    def __init__(self, source: PosedFace) -> None:
        centred = source.landmarks.astype(np.float64).copy()
        centred[:, :2] -= source.offset
        centred *= np.array([1, -1, 1]) / source.scale
        head = centred @ source.rotation
        mouth = head[list(MOUTH_CORNERS)].mean(0) - (0, MOUTH_DROP_CM, 0)
        right, left = (head[[EYE_OUTER_CORNERS[i], EYE_INNER_CORNERS[i]]].mean(0) for i in (0, 1))
        self.anchors = np.stack([mouth, right, left]).astype(np.float32)

    def place(self, driving: PosedFace) -> Regions:
        """The boxes for one frame."""
        centres = driving.project(self.anchors)[:, :2]
        rotation = driving.rotation
        down = np.array([-rotation[0, 1], rotation[1, 1]], np.float32)
        down *= np.float32(driving.scale) / max(float(np.hypot(down[0], down[1])), 1e-6)
        right = np.array([down[1], -down[0]], np.float32)
        return Regions(
            mouth=Box(centres[0], right * MOUTH_SIDE_CM, down * MOUTH_SIDE_CM),
            right_eye=Box(centres[1], right * EYE_SIDE_CM, down * EYE_SIDE_CM),
            left_eye=Box(centres[2], -right * EYE_SIDE_CM, down * EYE_SIDE_CM),
        )
