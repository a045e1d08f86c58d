"""From sound to the mouth, step by step: features, network, closures and the silence gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray
from live.motion.speech.features import MELS, FeatureExtractor
from live.motion.speech.network import LOOK_AHEAD, MOUTH_COUNT, MOUTH_NAMES, STEP, SpeechNetwork
from live.motion.speech.phone_classes import BILABIAL, SILENCE

_LIP_SHAPES: Final = ("mouthFunnel", "mouthPucker", "mouthSmile", "mouthStretch", "mouthDimple")


@dataclass(frozen=True, slots=True)
class MouthStep:
    """The mouth at one instant.

    Attributes:
        time: seconds after the first sample that was pushed; steps are `STEP` apart.
        mouth: float32 (19,), weights of `network.MOUTH_NAMES`, 0..1; all zero is a closed mouth at rest.
        speaking: 0..1, how sure it is that somebody speaks.
        loudness: level above the speaker's own running level, about -2 (silence) to 1 (stressed).
    """

    time: float
    mouth: FloatArray
    speaking: float
    loudness: float


class MouthModel(Protocol):
    """Anything that turns a stream of sound into mouth steps. Not thread-safe."""

    def push(self, samples: NDArray[np.int16]) -> list[MouthStep]:
        """Steps that became due with these samples (int16 mono 48 kHz, any number of them)."""
        ...

    def reset(self) -> None:
        """Forget all sound; time starts at 0 again."""
        ...


def step_time(index: int) -> float:
    """Instant that step `index` (from 0) depicts, seconds after the first sample."""
    return (index + 1) * STEP - LOOK_AHEAD


class SilenceGate:
    """Opens wholly at the first sign of speech; closes softly `HANG` steps after the last one, or at once if nothing
    came of it.

    The first 20 ms of a word look like many other sounds. Waiting to be sure would cost two steps at every onset, so a
    mere suspicion opens already, and a suspicion that is not confirmed (a click, a breath) is dropped within two steps.
    """

    SUSPECT: Final = 0.3
    """Probability of speech that opens, and that keeps open."""
    SURE: Final = 0.8
    """Probability of speech that confirms."""
    HANG: Final = 5
    _FALL: Final = 0.2  # per step: closed within 100 ms
    _DROP: Final = 0.5  # per step, unconfirmed: closed within 40 ms

    def __init__(self) -> None:
        self.value = 0.0
        self._quiet = self.HANG
        self._confirmed = False

    def update(self, speech: float) -> float:
        """Take the probability of speech (0..1) at the next step, return the gate (0..1)."""
        self._quiet = 0 if speech >= self.SUSPECT else self._quiet + 1
        self._confirmed = self._confirmed or speech >= self.SURE
        if self._quiet < (self.HANG if self._confirmed else 1):
            self.value = 1.0
        else:
            self.value = max(0.0, self.value - (self._FALL if self._confirmed else self._DROP))
        self._confirmed = self._confirmed and self.value > 0.0
        return self.value


class StepFeatures:
    """Feature rows two by two, one pair per network step."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all sound."""
        self._extractor = FeatureExtractor()
        self._rows: list[FloatArray] = []

    def push(self, samples: NDArray[np.int16]) -> list[FloatArray]:
        """Pairs that became complete, each float32 (2, 43)."""
        self._rows.extend(self._extractor.push(samples))
        count = len(self._rows) // 2
        pairs = [np.stack(self._rows[2 * i : 2 * i + 2]) for i in range(count)]
        del self._rows[: 2 * count]
        return pairs


def empty_mouth() -> FloatArray:
    """A closed mouth at rest."""
    return np.zeros(MOUTH_COUNT, np.float32)


class NetworkMouth:
    """The network's mouth, with closures made sure of and silence kept closed.

    Args:
        network: to share or replace the package's weights.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """

    CLOSURE_FROM: Final = 0.2
    """Probability of a bilabial (p, b, m) at which the lips begin to be pulled together..."""
    CLOSURE_FULL: Final = 0.4
    """...and at which they touch whatever the mouth weights say."""
    GAIN: Final = 1.1
    """Least squares shrink what is uncertain; this gives the range of the tracked mouths back."""
    LIP_GAIN: Final = 2.0
    """The same for rounded and spread lips, of which sound says less than of the jaw."""

    def __init__(self, network: SpeechNetwork | None = None) -> None:
        self._network = network or SpeechNetwork()
        self._closed = _closed_lips()
        shaped = [names[0].startswith(_LIP_SHAPES) for names in MOUTH_NAMES]
        self._gain = np.where(shaped, self.LIP_GAIN, self.GAIN).astype(np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget all sound."""
        self._features = StepFeatures()
        self._network.reset()
        self._gate = SilenceGate()
        self._index = 0

    def push(self, samples: NDArray[np.int16]) -> list[MouthStep]:
        """Steps that became due."""
        steps = []
        for pair in self._features.push(samples):
            heard = self._network.step(pair)
            gate = self._gate.update(1.0 - float(heard.phones[SILENCE]))
            lips = float(heard.phones[list(BILABIAL)].sum())
            closure = min(max((lips - self.CLOSURE_FROM) / (self.CLOSURE_FULL - self.CLOSURE_FROM), 0.0), 1.0)
            mouth = close_lips(np.clip(self._gain * heard.mouth, 0.0, 1.0), np.float32(closure), self._closed)
            mouth = np.asarray(mouth * np.float32(gate), np.float32)
            loudness = float(pair[:, MELS].mean())
            steps.append(MouthStep(step_time(self._index), mouth, gate, loudness))
            self._index += 1
        return steps


def close_lips(mouth: FloatArray, closure: np.float32, closed: FloatArray) -> FloatArray:
    """Blend `mouth` (19,) towards touching lips by `closure` (0..1); rounding and spreading of the lips stay."""
    return np.asarray(mouth + closure * (np.where(np.isnan(closed), mouth, closed) - mouth), np.float32)


def _closed_lips() -> FloatArray:
    """Weights of touching lips, float32 (19,); not a number where closing the lips changes nothing."""
    bases = [names[0].removesuffix("Left") for names in MOUTH_NAMES]
    closed = np.full(MOUTH_COUNT, np.nan, np.float32)
    for name in ("jawOpen", "mouthClose", "mouthFunnel", "mouthLowerDown", "mouthUpperUp", "mouthShrugUpper"):
        closed[bases.index(name)] = 0.0
    closed[bases.index("noseSneer")] = 0.0
    # A jaw held slightly open behind closed lips, as people do, and the lips pressed together.
    closed[bases.index("jawOpen")] = 0.04
    closed[bases.index("mouthClose")] = 0.045
    closed[bases.index("mouthPress")] = 0.2
    closed[bases.index("mouthRollLower")] = 0.12
    closed[bases.index("mouthRollUpper")] = 0.0
    return closed
