"""From sound to the mouth, step by step: features, network, closures and the silence gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray
from live.motion.speech.features import FeatureExtractor
from live.motion.speech.network import LOOK_AHEAD, MOUTH_COUNT, STEP


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
    """Opens with the first sign of speech and closes softly after `HANG` steps without any."""

    OPEN_AT: Final = 0.5
    CLOSE_AT: Final = 0.3
    HANG: Final = 5
    _RISE: Final = 0.5  # per step: open within 40 ms
    _FALL: Final = 0.2  # closed within 100 ms

    def __init__(self) -> None:
        self.value = 0.0
        self._quiet = self.HANG

    def update(self, speech: float) -> float:
        """Take the probability of speech (0..1) at the next step, return the gate (0..1)."""
        if speech >= self.OPEN_AT or (self.value > 0.0 and speech >= self.CLOSE_AT):
            self._quiet = 0
        else:
            self._quiet += 1
        if self._quiet < self.HANG:
            self.value = min(1.0, self.value + self._RISE)
        else:
            self.value = max(0.0, self.value - self._FALL)
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
