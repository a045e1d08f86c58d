"""Which face tracker this machine uses, for photos and for video alike.

A photo must be read by the tracker that will read the person who drives it: two trackers differ by some hundredths of a
weight on the same picture, and an avatar would never quite rest.
"""

from __future__ import annotations

import logging
from typing import Literal, Protocol

from live.errors import ModelError
from live.frames import Image
from live.motion.tracker import FaceTracker, TrackedFace

log = logging.getLogger(__name__)


class LandmarkTracker(Protocol):
    """What finds faces; `OpenVinoFaceTracker` and MediaPipe's `FaceTracker` are such."""

    def track(self, image: Image, timestamp_ms: int | None = None) -> TrackedFace | None:
        """The followed face in the next picture, or None."""
        ...

    def detect_faces(self, image: Image) -> list[TrackedFace]:
        """All faces of a picture, largest first."""
        ...

    def close(self) -> None:
        """Release the model."""
        ...


def open_tracker(mode: Literal["video", "image"] = "video") -> LandmarkTracker:
    """The fastest tracker of this machine: OpenVINO's, or MediaPipe's own where OpenVINO does not work.

    Args:
        mode: "video" follows one face from frame to frame; "image" looks for every face of each picture.

    Raises:
        ModelError: the model file is missing or damaged.
    """
    try:
        from live.motion.openvino_tracker import OpenVinoFaceTracker

        return OpenVinoFaceTracker(mode=mode)
    except (ImportError, ModelError) as error:
        log.warning("face tracking with MediaPipe, because OpenVINO failed: %s", error)
        return FaceTracker(mode=mode, max_faces=1 if mode == "video" else 3)
