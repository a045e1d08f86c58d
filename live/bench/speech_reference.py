"""What a talking face in a film really did with its lips: the ground truth of the speech measurements.

Every picture is tracked by itself (temporal smoothing would delay the lips by a third of a frame), posed back into head
coordinates by the face model's pose, and compared with the person's own resting closed mouth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.bench.lips import LipModel, opening, width
from live.capture.media import read_media
from live.frames import FloatArray, VideoFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.face_model import FaceModel
from live.motion.fitting import FrameFitter, IdentityFitter
from live.motion.landmark_groups import LEFT_IRIS, LIPS, RIGHT_IRIS
from live.motion.pose import rotation_matrix
from live.motion.tracker import FaceTracker

CLOSED_SHARE: Final = 0.12
"""Share of the pictures, those with the smallest opening, whose median is the person's resting mouth."""
FEWEST: Final = 20
"""Pictures with a face that a clip must have."""


@dataclass(frozen=True, slots=True)
class TrackedFilm:
    """Landmarks float32 (n, 478, 3) in pixels and blendshapes (n, 52), not a number without a face; pts (n,) s."""

    landmarks: FloatArray
    blendshapes: FloatArray
    pts: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LipReference:
    """Lips of the pictures that showed a face; lengths in pupil distances, relative to the resting mouth.

    Attributes:
        pts: (n,) media time, s.
        heads: float32 (n, 478, 3) landmarks in head coordinates, cm at the face model's size.
        rest: float32 (478, 3) the resting closed mouth.
        opening, width: (n,).
        lips: float32 (n, 40, 3) displacement of `landmark_groups.LIPS`.
        rotation: float32 (n, 3) radians.
        lids: float32 (n,) how far the lids are closed, 0..1.
        seen: (m,) which of the film's pictures these are.
    """

    pts: NDArray[np.float64]
    heads: FloatArray
    rest: FloatArray
    opening: NDArray[np.float64]
    width: NDArray[np.float64]
    lips: FloatArray
    rotation: FloatArray
    lids: FloatArray
    seen: NDArray[np.bool_]


def track_film(path: Path) -> TrackedFilm:
    """Track every picture on its own.

    Raises:
        MediaError: the file cannot be read.
    """
    landmarks, blendshapes, times = [], [], []
    with FaceTracker(mode="image") as tracker:
        for frame in _pictures(path):
            face = tracker.track(frame.image)
            times.append(frame.pts)
            landmarks.append(np.full((478, 3), np.nan, np.float32) if face is None else face.landmarks)
            blendshapes.append(np.full(52, np.nan, np.float32) if face is None else face.blendshapes)
    return TrackedFilm(np.stack(landmarks), np.stack(blendshapes), np.array(times))


def lip_reference(film: TrackedFilm, model: FaceModel) -> LipReference:
    """Lips in head coordinates.

    Raises:
        ValueError: fewer than `FEWEST` pictures show a face.
    """
    seen = np.asarray(np.isfinite(film.landmarks).all((1, 2)))
    landmarks = film.landmarks[seen]
    if len(landmarks) < FEWEST:
        raise ValueError("too few faces")
    identity = IdentityFitter(model).fit(list(landmarks[:: max(1, len(landmarks) // 16)]))
    fitter = FrameFitter(model, identity)
    heads, rotations = [], []
    fit = None
    for frame in landmarks:
        fit = fitter.fit(frame, previous=fit)
        rotations.append(fit.rotation)
        offset = np.array([fit.offset[0], -fit.offset[1], fit.depth_offset], np.float32)
        target = frame * np.array([1, -1, -1], np.float32)
        heads.append((target - offset) @ rotation_matrix(fit.rotation) / fit.scale)
    unit = LipModel(model).unit
    placed = np.stack(heads)
    pupils = np.linalg.norm(placed[:, RIGHT_IRIS[0]] - placed[:, LEFT_IRIS[0]], axis=1)
    placed = (placed * (unit / float(np.median(pupils)))).astype(np.float32)
    gap, wide = opening(placed) / unit, width(placed) / unit
    closed = gap <= np.quantile(gap, CLOSED_SHARE)
    rest = np.median(placed[closed], axis=0).astype(np.float32)
    lips = list(LIPS)
    return LipReference(
        pts=film.pts[seen],
        heads=placed,
        rest=rest,
        opening=gap - float(np.median(gap[closed])),
        width=wide - float(np.median(wide[closed])),
        lips=((placed[:, lips] - rest[lips]) / unit).astype(np.float32),
        rotation=np.stack(rotations).astype(np.float32),
        lids=film.blendshapes[seen][:, [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]].mean(1),
        seen=seen,
    )


def _pictures(path: Path) -> Iterator[VideoFrame]:
    for item in read_media(path, audio=False):
        if isinstance(item, VideoFrame):
            yield item
