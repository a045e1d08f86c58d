"""A made-up person in front of the camera: landmarks of the face model in a known pose, for tests."""

from __future__ import annotations

import numpy as np

from live.frames import Image, Trace, VideoFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.face_model import FaceModel
from live.motion.pose import rotation_matrix
from live.motion.tracker import TrackedFace

SIDE = 256


class Puppet:
    """Shows a pose to whoever tracks it: a `LandmarkTracker` without a picture."""

    def __init__(self, model: FaceModel, seed: int = 0) -> None:
        self.model = model
        self.identity = (0.7 * np.random.default_rng(seed).normal(size=50)).astype(np.float32)
        self.visible = True
        self.expression = np.zeros(52, np.float32)
        self.rotation = np.zeros(3, np.float32)
        self.centre = np.array([SIDE / 2, SIDE / 2], np.float32)
        self.scale = 9.0
        self.asked = 0
        self.closed = False

    def pose(self, *, yaw: float = 0.0, pitch: float = 0.0, **weights: float) -> None:
        """Turn (degrees) and make a face."""
        self.rotation = np.radians(np.array([pitch, yaw, 0.0])).astype(np.float32)
        self.expression[:] = 0.0
        for name, value in weights.items():
            self.expression[ARKIT_INDEX[name]] = value

    def track(self, image: Image, timestamp_ms: int | None = None) -> TrackedFace | None:
        self.asked += 1
        if not self.visible:
            return None
        points = self.model.landmarks(self.identity, self.expression, np.zeros(16, np.float32))
        turned = self.scale * points @ rotation_matrix(self.rotation).T
        landmarks = turned * np.array([1, -1, -1], np.float32)
        landmarks[:, :2] += self.centre
        return TrackedFace(landmarks.astype(np.float32), self.expression.copy(), 1.0)

    def close(self) -> None:
        self.closed = True


def picture(pts: float, capture_ns: int = 0) -> VideoFrame:
    """A frame whose content does not matter."""
    return VideoFrame(np.zeros((SIDE, SIDE, 3), np.uint8), pts, Trace(capture_ns))
