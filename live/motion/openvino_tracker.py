"""MediaPipe's face networks in OpenVINO: the same landmarks in about half the time, and without its built-in filter.

MediaPipe's own video mode smooths the landmarks of a single face, which delays them by 10 to 25 ms and cannot be
turned off. Here each frame's landmarks are what the network saw in that frame; `live.motion.smoothing` filters the
motion once.
The region of interest follows MediaPipe's graph: the bounds of the last frame's landmarks, turned by the eye line and
enlarged 1.5 times; the detector runs only when there is no face to follow. The detector sees 128 pixels and misses
faces below a sixth of the picture's width, so parts of the picture are searched too.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np

from live.errors import ModelError
from live.frames import EXPRESSION_COUNT, FloatArray, Image
from live.motion import blazeface
from live.motion.arkit import ARKIT_NAMES
from live.motion.face_networks import FaceNetwork, load_face_networks
from live.motion.face_region import FaceRegion
from live.motion.tracker import LANDMARK_COUNT, TrackedFace, is_picture

SIDE: Final = 256
"""Input size of the landmark network, pixels."""

BLENDSHAPE_LANDMARKS: Final = np.array(
    [
        0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
        81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
        154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249,
        251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314,
        317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382,
        384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473,
        474, 475, 476, 477,
    ]
)  # fmt: skip
"""The 146 landmarks that the blendshape network reads."""

_Part = tuple[int, int, int, int]  # left, top, width, height
_NO_BLENDSHAPES: Final = np.zeros(EXPRESSION_COUNT, np.float32)


class OpenVinoFaceTracker:
    """Follows one face through a video, or finds the faces of single pictures; `FaceTracker`'s methods and results.

    `TrackedFace.presence` is the network's own score. One tracker belongs to one thread at a time and to one video.

    Args:
        model_path: `face_landmarker.task`; `None` takes the engine's own copy, which is downloaded when missing.
        mode: "video" looks where the face was in the frame before; "image" detects in every picture.
        blendshapes: whether to run the network for MediaPipe's 52 weights too; otherwise they are 0.
        min_confidence: 0..1, threshold of the detection and presence scores.
        threads: processor threads for the landmark network.

    Raises:
        ModelError: the model file is missing or damaged.
    """

    def __init__(
        self,
        model_path: Path | None = None,
        *,
        mode: Literal["video", "image"] = "video",
        blendshapes: bool = True,
        min_confidence: float = 0.5,
        threads: int = 1,
    ) -> None:
        if model_path is None:
            from live.models import face_landmarker  # deferred: may download

            model_path = face_landmarker()
        self.mode = mode
        self._threshold = min_confidence
        self._region: FaceRegion | None = None
        self._turn = 0
        self._closed = False
        try:
            detector, landmarks, weights = load_face_networks(model_path, threads)
        except FileNotFoundError as error:
            raise ModelError(
                f"The face tracking model {model_path} is missing.", "Run `live doctor` to download it."
            ) from error
        except (OSError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
            raise ModelError(
                f"The face tracking model {model_path} cannot be loaded: {error}.",
                "Delete the file and run `live doctor` to download it again.",
            ) from error
        self._detector, self._landmarks = detector, landmarks
        self._weights: FaceNetwork | None = weights if blendshapes else None

    def track(self, image: Image, timestamp_ms: int | None = None) -> TrackedFace | None:
        """The face in the next picture of the video: the one that was followed before, otherwise the largest.

        Args:
            image: uint8 (H, W, 3) RGB; anything else holds no face.
            timestamp_ms: not used, since nothing is filtered over time.
        """
        if not is_picture(image) or self._closed:
            return None
        face = None
        if self.mode == "video" and self._region is not None:
            face = self._read(image, self._region)
        if face is None:
            parts = _parts(image)
            # A video has time: beside the whole picture, each frame searches one part of it.
            self._turn = (self._turn + 1) % (len(parts) - 1)
            chosen = parts if self.mode == "image" else [parts[0], parts[1 + self._turn]]
            faces = self._find(image, chosen)
            face = max(faces, key=lambda f: f.size) if faces else None
        self._region = None if face is None else FaceRegion.of_landmarks(face.landmarks)
        return face

    def detect_faces(self, image: Image) -> list[TrackedFace]:
        """All faces of a picture, largest first."""
        if not is_picture(image) or self._closed:
            return []
        return sorted(self._find(image, _parts(image)), key=lambda f: -f.size)

    def reset(self) -> None:
        """Forget which face was followed (a new person, a cut in the video)."""
        self._region = None

    def close(self) -> None:
        """Release the networks. Nothing is found afterwards; safe to call twice."""
        if not self._closed:
            self._closed = True
            del self._detector, self._landmarks, self._weights

    def __enter__(self) -> OpenVinoFaceTracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find(self, image: Image, parts: Sequence[_Part]) -> list[TrackedFace]:
        """The faces that the detector sees in the given parts of the picture."""
        found: list[blazeface.Detection] = []
        for x, y, width, height in parts:
            picture, scale, corner = blazeface.network_input(image[y : y + height, x : x + width])
            self._detector.input[...] = picture
            regressors, logits = self._detector.run()
            place = np.array([x, y], np.float32)
            for face in blazeface.decode(
                regressors[0], logits[0, :, 0], scale, corner - place / scale, threshold=self._threshold
            ):
                if not any(_same(face, other) for other in found):
                    found.append(face)
        faces = []
        for face in found:
            region = FaceRegion.around(face.low, face.high, face.points[0], face.points[1])
            first = self._read(image, region)
            if first is not None:
                # The detector places the region roughly; a second look from where the landmarks are is what the
                # following frames of a video get too.
                faces.append(self._read(image, FaceRegion.of_landmarks(first.landmarks)) or first)
        return faces

    def _read(self, image: Image, region: FaceRegion) -> TrackedFace | None:
        if not region.usable:
            return None
        region.crop(image, self._landmarks.input[0])
        points, logit, _ = self._landmarks.run()
        presence = 1.0 / (1.0 + math.exp(-min(max(logit.item(), -80.0), 80.0)))
        if not presence >= self._threshold:
            return None
        landmarks = region.to_picture(points.reshape(LANDMARK_COUNT, 3), SIDE)
        if not np.isfinite(landmarks).all():
            return None
        return TrackedFace(landmarks, self._blendshapes(landmarks), presence)

    def _blendshapes(self, landmarks: FloatArray) -> FloatArray:
        if self._weights is None:
            return _NO_BLENDSHAPES.copy()
        self._weights.input[0] = landmarks[BLENDSHAPE_LANDMARKS, :2]
        (answer,) = self._weights.run()
        weights = np.zeros(EXPRESSION_COUNT, np.float32)
        # MediaPipe begins with `_neutral` and knows all of ARKit but the last, the tongue.
        weights[: len(ARKIT_NAMES) - 1] = answer.reshape(-1)[1:]
        return weights


def _parts(image: Image) -> list[_Part]:
    """The whole picture, then nine overlapping parts of half its width and height, the middle ones first."""
    height, width = image.shape[:2]
    half = (width // 2, height // 2)
    steps = (1, 0, 2)
    return [(0, 0, width, height)] + [(x * half[0] // 2, y * half[1] // 2, *half) for y in steps for x in steps]


def _same(one: blazeface.Detection, other: blazeface.Detection) -> bool:
    """Whether two detections share most of the smaller one's area (a part may cut a face)."""
    shared = np.maximum(np.minimum(one.high, other.high) - np.maximum(one.low, other.low), 0.0).prod()
    return bool(shared > 0.4 * min(one.area, other.area))
