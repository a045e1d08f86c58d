"""From pictures of a person to that person's motion: track, fit, and learn who it is on the way."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np

from live.frames import FloatArray, MotionFrame, VideoFrame
from live.motion.face_model import FaceModel
from live.motion.fitting import FaceFit, FrameFitter, IdentityFitter
from live.motion.tracker import TrackedFace
from live.motion.trackers import LandmarkTracker, open_tracker

log = logging.getLogger(__name__)

WORST_ERROR: Final = 0.25
"""Landmark error (of the inter-ocular distance) from which a fit counts as no face."""

IDENTITY_AFTER: Final = (1, 8, 30)
"""Numbers of frames seen at which the identity is estimated (again)."""

IDENTITY_INTERVAL_S: Final = 15.0
"""Time between later refinements."""

IDENTITY_FRAMES: Final = 8
"""Most varied frames kept for the estimate."""

CONVERGENCE_FITS: Final = 4
"""Fits of one frame, each from the one before, after which its coefficients no longer move."""

_VARIED_RADIANS: Final = np.radians(4.0)


class FaceReader:
    """Reads motion off the pictures of one person. Used from one thread.

    The identity is estimated from the first frame on and refined when there are more, on a thread of its own, since it
    takes longer than a frame may. When a better identity arrives, `on_remeasured(before, after)` is told how the
    current frame reads with the old and with the new one, so that a neutral can follow.

    Args:
        tracker: finds the landmarks; `None` makes one by `open_tracker`. Closed by `close`.
        model: the face model; `None` loads the engine's.
        on_remeasured: see above; called from `read`.
    """

    def __init__(
        self,
        tracker: LandmarkTracker | None = None,
        model: FaceModel | None = None,
        *,
        on_remeasured: Callable[[MotionFrame, MotionFrame], None] | None = None,
    ) -> None:
        self._model = FaceModel.load() if model is None else model
        self._tracker: LandmarkTracker = open_tracker() if tracker is None else tracker
        self.on_remeasured = on_remeasured
        self._fitter = FrameFitter(self._model)
        self._identity_fitter = IdentityFitter(self._model)
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self.forget()

    @property
    def identity(self) -> FloatArray:
        """float32 (50,) of the person, as far as known."""
        return self._fitter.identity

    def forget(self) -> None:
        """Start anew with another person."""
        self._previous: FaceFit | None = None
        self._varied: deque[tuple[FloatArray, TrackedFace]] = deque(maxlen=IDENTITY_FRAMES)
        self._seen = 0
        self._refined_at = 0.0
        with self._lock:
            self._generation = getattr(self, "_generation", 0) + 1
            self._found: FloatArray | None = None
        self._fitter.set_identity(np.zeros_like(self._fitter.identity))

    def read(self, frame: VideoFrame) -> MotionFrame | None:
        """The motion in a picture, or `None` if no face can be read off it. Never raises for bad pictures.

        The result is the person's own: rotation relative to the camera's axis, translation in cm from the picture's
        centre with the log of the face's size relative to the picture's shorter side, expression as the face model
        explains it, not limited. Stamps `track` and `fit`.
        """
        start_ns = time.monotonic_ns()
        try:
            face = self._tracker.track(frame.image, round(frame.pts * 1e3))
        except (RuntimeError, ValueError, OverflowError) as error:  # MediaPipe on a picture it cannot take
            log.warning("face tracking failed: %s", error)
            face = None
        frame.trace.stamp("track", start_ns)
        if face is None or not np.isfinite(face.landmarks).all() or face.size < 2.0:
            self._previous = None
            return None
        start_ns = time.monotonic_ns()
        motion = self._read_landmarks(face, frame)
        frame.trace.stamp("fit", start_ns)
        return motion

    def close(self) -> None:
        """Release the tracker and wait for the identity's thread. Safe to call twice."""
        worker = self._worker
        if worker is not None:
            worker.join(timeout=5.0)
        self._tracker.close()

    def _read_landmarks(self, face: TrackedFace, frame: VideoFrame) -> MotionFrame | None:
        with self._lock:
            found, self._found = self._found, None
        if found is not None:
            before = self._fitter.fit(face.landmarks, face.blendshapes, previous=self._previous)
            self._fitter.set_identity(found)
            # The old coefficients are a bad start for another identity; converge before comparing.
            self._previous = None
            for _ in range(CONVERGENCE_FITS):
                self._previous = self._fitter.fit(face.landmarks, face.blendshapes, previous=self._previous)
        fit = self._fitter.fit(face.landmarks, face.blendshapes, previous=self._previous)
        if not fit.landmark_error < WORST_ERROR:
            self._previous = None
            return None
        self._previous = fit
        motion = motion_of(fit, face.presence, frame)
        if found is not None and self.on_remeasured is not None:
            self.on_remeasured(motion_of(before, face.presence, frame), motion)
        self._learn(face, fit, frame.pts)
        return motion

    def _learn(self, face: TrackedFace, fit: FaceFit, now: float) -> None:
        """Keep frames that show the head from different sides, and start an estimate when one is due."""
        self._seen += 1
        turned = [float(np.abs(fit.rotation - rotation).max()) for rotation, _ in self._varied]
        if len(self._varied) < 2 or min(turned) > _VARIED_RADIANS or self._seen % 30 == 0:
            self._varied.append((fit.rotation, face))
        early = self._seen in IDENTITY_AFTER
        later = self._seen > max(IDENTITY_AFTER) and now - self._refined_at > IDENTITY_INTERVAL_S
        if not (early or later) or (self._worker is not None and self._worker.is_alive()):
            return
        self._refined_at = now
        faces = [face for _, face in self._varied]
        generation = self._generation

        def estimate() -> None:
            identity = self._identity_fitter.fit([f.landmarks for f in faces], [f.blendshapes for f in faces])
            with self._lock:
                if generation == self._generation and np.isfinite(identity).all():
                    self._found = identity

        self._worker = threading.Thread(target=estimate, name="live-identity", daemon=True)
        self._worker.start()


def motion_of(fit: FaceFit, presence: float, frame: VideoFrame) -> MotionFrame:
    """A fit as motion, in the units that `FaceReader.read` describes."""
    height, width = frame.image.shape[:2]
    # Distance from the optical axis in cm: with it a face that comes nearer does not seem to move sideways.
    x = (float(fit.offset[0]) - 0.5 * width) / fit.scale
    y = -(float(fit.offset[1]) - 0.5 * height) / fit.scale
    size = np.log(max(fit.scale, 1e-6) / min(width, height))
    return MotionFrame(
        pts=frame.pts,
        expression=fit.expression,
        rotation=fit.rotation,
        translation=np.array([x, y, size], np.float32),
        residual=fit.residual,
        confidence=min(max(presence, 0.0), 1.0),
        trace=frame.trace,
    )
