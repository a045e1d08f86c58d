"""Two simple mouths to measure the network against: loudness opens the jaw, and phones by rule."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.motion.speech.features import MELS
from live.motion.speech.mouth import MouthStep, SilenceGate, StepFeatures, empty_mouth, step_time
from live.motion.speech.network import SpeechNetwork
from live.motion.speech.phone_classes import SILENCE
from live.motion.speech.phone_rules import phone_shapes

_JAW: Final = 0
_LOWER_DOWN: Final = 6


class EnergyMouth:
    """Loudness → jaw, what most live avatars without a model do. No look-ahead is used beyond the shared step grid."""

    _FULL_OPEN: Final = 0.35  # jawOpen at the speaker's running level
    _SMOOTHING: Final = 0.5

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all sound."""
        self._features = StepFeatures()
        self._gate = SilenceGate()
        self._jaw = 0.0
        self._index = 0

    def push(self, samples: NDArray[np.int16]) -> list[MouthStep]:
        """Steps that became due."""
        steps = []
        for pair in self._features.push(samples):
            above_speech = float(pair[:, MELS].mean())  # +0.75 at the speech level, 1 unit = 20 dB
            above_noise = float(pair[:, MELS + 1].mean())  # -1 at the noise level
            gate = self._gate.update(1.0 if above_speech > -0.25 and above_noise > -0.3 else 0.0)
            target = gate * self._FULL_OPEN * min(max(above_speech + 0.35, 0.0), 1.3)
            self._jaw += self._SMOOTHING * (target - self._jaw)
            mouth = empty_mouth()
            mouth[_JAW] = self._jaw
            mouth[_LOWER_DOWN] = 0.4 * self._jaw
            steps.append(MouthStep(step_time(self._index), mouth, gate, above_speech))
            self._index += 1
        return steps


class RuleMouth:
    """Phones heard by the network, each with a hand-written shape, smoothed: the classic phone-rule driver."""

    _SMOOTHING: Final = 0.4

    def __init__(self, network: SpeechNetwork | None = None) -> None:
        self._network = network or SpeechNetwork()
        self._shapes = phone_shapes()
        self.reset()

    def reset(self) -> None:
        """Forget all sound."""
        self._features = StepFeatures()
        self._network.reset()
        self._mouth = empty_mouth()
        self._index = 0

    def push(self, samples: NDArray[np.int16]) -> list[MouthStep]:
        """Steps that became due."""
        steps = []
        for pair in self._features.push(samples):
            heard = self._network.step(pair)
            target = heard.phones @ self._shapes
            self._mouth = np.asarray(self._mouth + self._SMOOTHING * (target - self._mouth), np.float32)
            speaking = 1.0 - float(heard.phones[SILENCE])
            steps.append(MouthStep(step_time(self._index), self._mouth, speaking, float(pair[:, MELS].mean())))
            self._index += 1
        return steps
