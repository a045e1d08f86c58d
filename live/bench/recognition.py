"""Who is in a picture, for CSIM: cosine similarity of face recognition features (MobileFaceNet, ONNX)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from live.errors import ModelError
from live.frames import FloatArray, Image
from live.motion.landmark_groups import LEFT_EYE, MOUTH_CORNERS, NOSE_TIP, RIGHT_EYE

_CANONICAL = np.array([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]], np.float32)
"""Eye centres, nose tip and mouth corners in the network's 112 by 112 input, pixels."""
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class FaceRecogniser:
    """Embeds faces.

    Args:
        path: `MobileFaceNet.onnx`, input 1x3x112x112, output 128 numbers. It is a measuring instrument, not shipped.

    Raises:
        ModelError: the file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ModelError(f"The face recognition network {path} is missing.", "Give its folder with --nets DIR.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def embed(self, image: Image, landmarks: FloatArray) -> FloatArray:
        """Unit feature vector, float32 (128,), of the face at landmarks (478, 3) in an RGB image."""
        points = np.array(
            [
                landmarks[list(RIGHT_EYE), :2].mean(0),
                landmarks[list(LEFT_EYE), :2].mean(0),
                landmarks[NOSE_TIP, :2],
                landmarks[MOUTH_CORNERS[0], :2],
                landmarks[MOUTH_CORNERS[1], :2],
            ],
            np.float32,
        )
        move, _ = cv2.estimateAffinePartial2D(points, _CANONICAL, method=cv2.LMEDS)
        face = cv2.warpAffine(image, move, (112, 112), flags=cv2.INTER_LINEAR).astype(np.float32) / 255
        blob = np.ascontiguousarray(((face - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None], np.float32)
        feature = np.asarray(self._session.run(None, {self._input: blob})[0], np.float32).reshape(-1)
        return np.asarray(feature / np.linalg.norm(feature), np.float32)
