"""Head, brows, blinks and gaze of somebody who speaks or listens: a conditional normalising flow over recent motion.

MoGlow (Henter, Alexanderson & Beskow 2020), the causal form of the paper's flow (section 3.4): each 40 ms frame of
motion is an invertible function of Gaussian noise, conditioned on the ten frames before it and on the loudness and the
presence of speech. Affine coupling layers (Dinh et al. 2017) between fixed mixing matrices; trained by
`training/speech/train_head.py` on the tracked clips, and run in plain NumPy: a frame costs some hundred microseconds.
"""

from __future__ import annotations

from collections import deque
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.errors import ModelError
from live.frames import EXPRESSION_COUNT, FloatArray
from live.motion.arkit import ARKIT_INDEX

FRAME_S: Final = 0.04
"""Seconds per frame of the flow."""
HISTORY: Final = 10
"""Frames of motion that the next one depends on."""
SOUND_FRAMES: Final = 6
"""Frames of sound, the present one included."""
CHANNELS: Final = ("pitch", "yaw", "roll", "brow inner", "brow outer", "brow down", "blink", "gaze right", "gaze up")
"""Rotations in radians; brows and blink are ARKit weights, gaze is in weights of `eyeLook*`, image right and up."""

BLINK: Final = CHANNELS.index("blink")

_LIMITS: Final = np.array([0.16, 0.2, 0.1, 0.5, 0.4, 0.3, 1.0, 0.35, 0.35], np.float32)
"""Beyond these (above the 99th percentile of the clips) the motion is bent back."""
_SEEDS: Final = 7919

_LISTENING: Final = 0.6
"""Share of the temperature while nobody speaks. The clips hold little silence, so stillness is not learnt but set."""
_STILLNESS: Final = 0.65
"""Share of the motion that is taken away while nobody speaks."""
_HOME: Final = 0.003
_HOME_LISTENING: Final = 0.025
"""Pull towards the middle per frame, speaking and listening: people come back to face the camera."""
_CALMING: Final = 0.08  # per frame: from speaking to listening in about half a second


class HeadFlow:
    """Generates motion frame by frame. Not thread-safe.

    Args:
        seed: the same sound with the same seed gives the same motion.
        temperature: 0..1, scale of the noise: smaller is calmer.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """

    def __init__(self, seed: int = 0, temperature: float = 1.0) -> None:
        try:
            with (files("live") / "assets" / "weights" / "speech_head.npz").open("rb") as file, np.load(file) as data:
                self._weights = {name: data[name].astype(np.float32) for name in data.files}
            self._steps = int(self._weights["steps"])
            if self._weights["scale"].shape != (len(CHANNELS),):
                raise ValueError("it has other channels")
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"The head motion model cannot be loaded: {error}.", "Reinstall the package.") from error
        self._temperature = temperature
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Back to the first frame."""
        self._random = np.random.default_rng([self._seed, _SEEDS])
        zero = np.zeros(len(CHANNELS), np.float32)
        self._history = deque([zero] * HISTORY, maxlen=HISTORY)
        self._speaking = 0.0
        self._sound = deque([np.array([-2.0, 0.0], np.float32)] * SOUND_FRAMES, maxlen=SOUND_FRAMES)

    def step(self, loudness: float, speaking: float) -> FloatArray:
        """The next frame, float32 (9,), `CHANNELS`.

        Args:
            loudness: `MouthStep.loudness`, mean over the frame.
            speaking: 0..1, mean over the frame.
        """
        self._sound.append(np.array([loudness, speaking], np.float32))
        self._speaking += (speaking - self._speaking) * (_CALMING if speaking < self._speaking else 0.5)
        calm = 1.0 - self._speaking
        temperature = self._temperature * (1.0 - (1.0 - _LISTENING) * calm)
        condition = np.concatenate((*self._history, *self._sound))
        w = self._weights
        context = np.tanh(condition @ w["context_weight"] + w["context_bias"])
        x = (self._random.standard_normal(len(CHANNELS)) * temperature).astype(np.float32)
        for k in reversed(range(self._steps)):
            x = _undo_coupling(x, context, w, k)
            x = x @ w[f"unmix{k}"]
            x = (x - w[f"shift{k}"]) * np.exp(-w[f"log_scale{k}"])
        x *= 1.0 - _HOME - (_HOME_LISTENING - _HOME) * calm
        x = _bend(x * w["scale"], _LIMITS) / w["scale"]
        self._history.append(x.astype(np.float32))
        return np.asarray(x * w["scale"] * (1.0 - _STILLNESS * calm), np.float32)


def _undo_coupling(x: FloatArray, context: FloatArray, w: dict[str, FloatArray], k: int) -> FloatArray:
    half = len(CHANNELS) // 2
    kept, changed = x[:half], x[half:]
    hidden = np.maximum(np.concatenate((kept, context)) @ w[f"in_weight{k}"] + w[f"in_bias{k}"], 0.0)
    hidden = np.maximum(hidden @ w[f"mid_weight{k}"] + w[f"mid_bias{k}"], 0.0)
    shift, log_scale = np.split(hidden @ w[f"out_weight{k}"] + w[f"out_bias{k}"], 2)
    return np.concatenate((kept, (changed - shift) * np.exp(-np.tanh(log_scale))))


def _bend(x: FloatArray, limits: FloatArray) -> FloatArray:
    """Leave what is within 60 % of the limits, and never exceed them."""
    knee = 0.6 * limits
    over = np.maximum(np.abs(x) - knee, 0.0) / (limits - knee)
    return np.asarray(np.where(over > 0.0, np.sign(x) * (knee + (limits - knee) * np.tanh(over)), x), np.float32)


def to_expression(x: FloatArray) -> NDArray[np.float32]:
    """Brows and gaze of a frame (9,) as ARKit weights, float32 (52,); the lids are left to `blinks`."""
    weights = np.zeros(EXPRESSION_COUNT, np.float32)
    right, up = float(x[7]), float(x[8])
    # Positive `right` is the image's right, which is the subject's left.
    for name, value in (
        ("browInnerUp", x[3]),
        ("browOuterUpLeft", x[4]),
        ("browOuterUpRight", x[4]),
        ("browDownLeft", x[5]),
        ("browDownRight", x[5]),
        ("eyeLookOutLeft", right),
        ("eyeLookInRight", right),
        ("eyeLookInLeft", -right),
        ("eyeLookOutRight", -right),
        ("eyeLookUpLeft", up),
        ("eyeLookUpRight", up),
        ("eyeLookDownLeft", -up),
        ("eyeLookDownRight", -up),
    ):
        weights[ARKIT_INDEX[name]] = min(max(float(value), 0.0), 1.0)
    return weights
