"""A clip as a driving performance: an avatar from its first frame, then truth and motion for every later one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from live.errors import PortraitError
from live.frames import FloatArray, Image, MotionFrame, Trace
from live.motion.face_model import FaceModel
from live.motion.fitting import FaceFit, FrameFitter
from live.motion.openvino_tracker import OpenVinoFaceTracker
from live.render.avatar import Avatar
from live.render.portrait import PORTRAIT_SIDE, crop


@dataclass(frozen=True, slots=True)
class TruthFrame:
    """One frame of the clip in the avatar's crop.

    Attributes:
        image: uint8 (size, size, 3).
        landmarks: float32 (478, 3), pixels of `image`.
        motion: the performance, absolute in the avatar's frame.
    """

    image: Image
    landmarks: FloatArray
    motion: MotionFrame


def motion_of(fit: FaceFit, portrait: FaceFit, pts: float) -> MotionFrame:
    """The motion that brings the portrait's face to where another fit in the same crop has it."""
    shift = (fit.offset - portrait.offset) / portrait.scale
    translation = np.array([shift[0], -shift[1], np.log(fit.scale / portrait.scale)], np.float32)
    return MotionFrame(pts, fit.expression, fit.rotation, translation, fit.residual, 1.0, Trace(0))


def read_clip(path: Path, size: int, limit: int) -> tuple[Avatar, list[TruthFrame]]:
    """The avatar of the first frame that shows a face, and the frames after it (at most `limit`).

    Raises:
        PortraitError: no frame can become an avatar.
    """
    model = FaceModel.load()
    avatar: Avatar | None = None
    truth: list[TruthFrame] = []
    problem = PortraitError(f"The clip {path.name} has no picture.")
    with av.open(path) as container, OpenVinoFaceTracker() as tracker:
        fitter = FrameFitter(model)
        previous: FaceFit | None = None
        for frame in container.decode(container.streams.video[0]):
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            if avatar is None:
                try:
                    avatar = Avatar.create(image, path.stem, model=model)
                except PortraitError as error:
                    problem = error
                    continue
                fitter.set_identity(avatar.fit.identity)
                continue
            cropped = crop(image, avatar.box)
            seconds = float(frame.time or 0.0)
            face = tracker.track(cropped, round(seconds * 1000))
            if face is None:
                previous = None
                continue
            previous = fitter.fit(face.landmarks, face.blendshapes, previous=previous)
            small = np.asarray(cv2.resize(cropped, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
            motion = motion_of(previous, avatar.fit, seconds)
            truth.append(TruthFrame(small, face.landmarks * np.float32(size / PORTRAIT_SIDE), motion))
            if len(truth) >= limit:
                break
    if avatar is None:
        raise problem
    return avatar, truth
