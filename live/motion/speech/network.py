"""The streaming network: 20 ms of features in, mouth coefficients and phone classes out, state carried.

Causal convolutions and gated recurrent units (Cho et al. 2014), run by ONNX Runtime on one thread, one step at a time,
so that nothing is computed twice and the result does not depend on how the sound was cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from live.errors import ModelError
from live.frames import FloatArray
from live.motion.arkit import ARKIT_INDEX
from live.motion.speech.features import FEATURES

STEP: Final = 0.02
"""Seconds per network step: two feature rows."""
LOOK_AHEAD: Final = 0.04
"""Seconds of sound after the instant that a step describes. Frames between two steps wait for the later one, so the
look-ahead of a frame is 40 ms at 25 and 50 frames per second and at most 60 ms at any other rate."""

MOUTH_NAMES: Final[tuple[tuple[str, ...], ...]] = (
    ("jawOpen",),
    ("jawForward",),
    ("mouthClose",),
    ("mouthDimpleLeft", "mouthDimpleRight"),
    ("mouthFrownLeft", "mouthFrownRight"),
    ("mouthFunnel",),
    ("mouthLowerDownLeft", "mouthLowerDownRight"),
    ("mouthPressLeft", "mouthPressRight"),
    ("mouthPucker",),
    ("mouthRollLower",),
    ("mouthRollUpper",),
    ("mouthShrugLower",),
    ("mouthShrugUpper",),
    ("mouthSmileLeft", "mouthSmileRight"),
    ("mouthStretchLeft", "mouthStretchRight"),
    ("mouthUpperUpLeft", "mouthUpperUpRight"),
    ("cheekPuff",),
    ("cheekSquintLeft", "cheekSquintRight"),
    ("noseSneerLeft", "noseSneerRight"),
)
"""What each mouth output drives. Sound does not tell left from right, so pairs move together."""

MOUTH_COUNT: Final = len(MOUTH_NAMES)


def mouth_matrix() -> FloatArray:
    """float32 (19, 52): spreads mouth outputs over the ARKit coefficients."""
    matrix = np.zeros((MOUTH_COUNT, len(ARKIT_INDEX)), np.float32)
    for row, names in enumerate(MOUTH_NAMES):
        matrix[row, [ARKIT_INDEX[name] for name in names]] = 1.0
    return matrix


@dataclass(frozen=True, slots=True)
class SpeechStep:
    """What the network says about one instant.

    Attributes:
        mouth: float32 (19,), weights of `MOUTH_NAMES`.
        phones: float32 (28,), probabilities of `phone_classes.CLASSES`.
    """

    mouth: FloatArray
    phones: FloatArray


class SpeechNetwork:
    """Runs the network. Not thread-safe; one stream of sound per instance.

    Args:
        path: an ONNX file of `training/speech`; `None` = the weights of the package.

    Raises:
        ModelError: the file is missing, damaged or of another kind.
    """

    def __init__(self, path: Path | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            if path is None:
                with as_file(files("live") / "assets" / "weights" / "speech.onnx") as packaged:
                    model = packaged.read_bytes()
            else:
                model = path.read_bytes()
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            inputs = {i.name: i.shape for i in self._session.get_inputs()}
            if inputs.pop("features") != [1, 2 * FEATURES]:
                raise ValueError("its features have another size")
        except Exception as error:  # ONNX Runtime has no public base class for its errors
            raise ModelError(f"The speech model cannot be loaded: {error}.", "Reinstall the package.") from error
        self._zero = {name: np.zeros(shape, np.float32) for name, shape in inputs.items()}
        self._outputs = [o.name for o in self._session.get_outputs()]
        self.reset()

    def reset(self) -> None:
        """Forget all sound."""
        self._state = dict(self._zero)

    def step(self, features: FloatArray) -> SpeechStep:
        """Take two feature rows, float32 (2, 43) or (86,)."""
        fed = {"features": features.reshape(1, 2 * FEATURES), **self._state}
        results = dict(zip(self._outputs, self._session.run(self._outputs, fed), strict=True))
        self._state = {name: results[f"next_{name}"] for name in self._state}
        return SpeechStep(results["mouth"][0], results["phones"][0])
