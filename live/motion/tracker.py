"""Finding a face and its 478 landmarks in a picture: MediaPipe's Face Landmarker behind one small class.

MediaPipe (Grishchenko et al. 2020, "Attention Mesh"; Kartynnik et al. 2019) detects a face once, then follows it from
the landmarks of the frame before. Its result is reported here in pixels and in the expression order of
`live.motion.arkit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from live.errors import ModelError
from live.frames import EXPRESSION_COUNT, FloatArray, Image
from live.motion.arkit import ARKIT_INDEX

LANDMARK_COUNT = 478
"""Landmarks of a face: 468 of the canonical mesh, then 5 + 5 of the irises."""

MIN_IMAGE_SIDE = 8
"""Pictures smaller than this hold no face and are not given to the model."""


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A face in one picture.

    Attributes:
        landmarks: float32 (478, 3); x right and y down in pixels of the picture (a pixel's centre is at i + 0.5), z in
            the same unit, smaller = nearer to the camera, zero at the head's centre.
        blendshapes: float32 (52,) of 0..1, MediaPipe's own estimate of the ARKit weights in `ARKIT_NAMES` order;
            `tongueOut` is always 0 because the model does not know it.
        presence: 0..1, how sure the tracker is that this is a face. MediaPipe only says that its own threshold was
            passed, which is reported as 1.
    """

    landmarks: FloatArray
    blendshapes: FloatArray
    presence: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Bounds of the landmarks in pixels: left, top, right, bottom."""
        low, high = self.landmarks[:, :2].min(0), self.landmarks[:, :2].max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def size(self) -> float:
        """Side of the square with the area of `box`, pixels."""
        left, top, right, bottom = self.box
        return float(np.sqrt(max(right - left, 0.0) * max(bottom - top, 0.0)))


class FaceTracker:
    """Follows one face through a video, or finds the faces of single pictures.

    One tracker belongs to one thread at a time and to one video.

    Args:
        model_path: `face_landmarker.task`; `None` takes the engine's own copy, which is downloaded when missing.
        max_faces: how many faces are looked for. With more than one, `track` keeps to the face that it followed before
            (at a cost: the detector then runs on every frame that has fewer faces).
        mode: "video" uses the frame before to find the face again; "image" treats every picture alone.
        min_confidence: 0..1, threshold of MediaPipe's detection, presence and tracking scores.

    Raises:
        ModelError: the model file is missing or damaged.
    """

    def __init__(
        self,
        model_path: Path | None = None,
        *,
        max_faces: int = 1,
        mode: Literal["video", "image"] = "video",
        min_confidence: float = 0.5,
    ) -> None:
        if model_path is None:
            from live.models import face_landmarker  # deferred: may download

            model_path = face_landmarker()
        if not model_path.is_file():
            raise ModelError(f"The face tracking model {model_path} is missing.", "Run `live doctor` to download it.")
        # Deferred: importing MediaPipe takes seconds, and most sessions follow faces without it (`openvino_tracker`).
        import mediapipe
        from mediapipe.tasks.python import vision
        from mediapipe.tasks.python.core.base_options import BaseOptions

        self._mediapipe: Any = mediapipe
        self.max_faces = max_faces
        self.mode = mode
        self._last_timestamp_ms = -1
        self._previous_centre: FloatArray | None = None
        options = vision.FaceLandmarkerOptions(
            # Read here: MediaPipe's own loader does not open every path (non-ASCII names on Windows).
            base_options=BaseOptions(model_asset_buffer=model_path.read_bytes()),
            running_mode=vision.RunningMode.VIDEO if mode == "video" else vision.RunningMode.IMAGE,
            num_faces=max_faces,
            min_face_detection_confidence=min_confidence,
            min_face_presence_confidence=min_confidence,
            min_tracking_confidence=min_confidence,
            output_face_blendshapes=True,
        )
        try:
            self._landmarker: Any = vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"The face tracking model {model_path} cannot be loaded: {error}.",
                "Delete the file and run `live doctor` to download it again.",
            ) from error

    def track(self, image: Image, timestamp_ms: int | None = None) -> TrackedFace | None:
        """The face in the next picture of the video.

        Args:
            image: uint8 (H, W, 3) RGB.
            timestamp_ms: media time in milliseconds; MediaPipe smooths iris and blendshapes a little with it. Time that
                does not increase is corrected; `None` means 33 ms after the last picture.

        Returns:
            The face that was followed before, otherwise the largest; `None` if there is none or the picture is no
            picture (wrong type or shape, smaller than `MIN_IMAGE_SIDE`).
        """
        faces = self._detect(image, timestamp_ms)
        if not faces:
            return None
        previous = self._previous_centre
        if previous is None or len(faces) == 1:
            face = max(faces, key=lambda f: f.size)
        else:
            face = min(faces, key=lambda f: float(np.linalg.norm(f.landmarks[:, :2].mean(0) - previous)))
        self._previous_centre = face.landmarks[:, :2].mean(0)
        return face

    def detect_faces(self, image: Image) -> list[TrackedFace]:
        """All faces (at most `max_faces`) of a picture, largest first. For stills: use `mode="image"`."""
        return sorted(self._detect(image, None), key=lambda f: -f.size)

    def reset(self) -> None:
        """Forget which face was followed (a new person, a cut in the video)."""
        self._previous_centre = None

    def close(self) -> None:
        """Release the model. The tracker cannot be used afterwards; safe to call twice."""
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None

    def __enter__(self) -> FaceTracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _detect(self, image: Image, timestamp_ms: int | None) -> list[TrackedFace]:
        if self._landmarker is None or not is_picture(image):
            return []
        height, width = image.shape[:2]
        formats = self._mediapipe.ImageFormat
        picture = self._mediapipe.Image(image_format=formats.SRGB, data=np.ascontiguousarray(image))
        if self.mode == "image":
            result = self._landmarker.detect(picture)
        else:
            wanted = self._last_timestamp_ms + 33 if timestamp_ms is None else int(timestamp_ms)
            self._last_timestamp_ms = max(wanted, self._last_timestamp_ms + 1)
            result = self._landmarker.detect_for_video(picture, self._last_timestamp_ms)
        faces = []
        # Faces whose blendshapes are missing (a face leaving the picture) are no faces to us.
        for points, weights in zip(result.face_landmarks, result.face_blendshapes, strict=False):
            landmarks = np.array([(p.x * width, p.y * height, p.z * width) for p in points], np.float32)
            if landmarks.shape == (LANDMARK_COUNT, 3) and np.isfinite(landmarks).all():
                faces.append(TrackedFace(landmarks, _blendshapes(weights), 1.0))
        return faces


def is_picture(image: object) -> bool:
    """Whether `image` is uint8 (H, W, 3) with both sides at least `MIN_IMAGE_SIDE`."""
    return (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and min(image.shape[:2]) >= MIN_IMAGE_SIDE
    )


def _blendshapes(categories: Any) -> FloatArray:
    weights = np.zeros(EXPRESSION_COUNT, np.float32)
    for category in categories:
        index = ARKIT_INDEX.get(category.category_name)
        if index is not None:  # MediaPipe's `_neutral` is no expression
            weights[index] = category.score
    return weights
