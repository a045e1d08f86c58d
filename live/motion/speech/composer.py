"""Puts the mouth, the head, the brows and the eyes of a speaking face together, frame by frame on the media clock."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.frames import EXPRESSION_COUNT, FloatArray, MotionFrame, Trace
from live.motion.idle import IdleMotion
from live.motion.speech.mouth import MouthModel, MouthStep, empty_mouth
from live.motion.speech.network import STEP, mouth_matrix

_KEPT: Final = 100


class MotionComposer:
    """Sound in, motion frames out, without threads or clocks: the same for live and offline use.

    Times are seconds after the first sample. What it returns depends on the sound and the times asked for only, not on
    how the sound was cut.

    Args:
        mouth: makes mouth steps.
        seed: of blinks, gaze and head motion.
    """

    def __init__(self, mouth: MouthModel, seed: int = 0) -> None:
        self._mouth = mouth
        self._idle = IdleMotion(seed)
        self._matrix = mouth_matrix()
        self._steps: deque[MouthStep] = deque(maxlen=_KEPT)

    @property
    def ready_until(self) -> float:
        """The last instant for which `frame` knows the mouth; minus infinity before the first sound."""
        return self._steps[-1].time if self._steps else -np.inf

    def push(self, samples: NDArray[np.int16]) -> None:
        """Take sound: int16 mono 48 kHz, any number of samples."""
        self._steps.extend(self._mouth.push(samples))

    def reset(self) -> None:
        """Forget all sound; the next sample is the first one."""
        self._mouth.reset()
        self._steps.clear()

    def frame(self, time_s: float, pts: float, capture_ns: int) -> MotionFrame:
        """The face at `time_s` after the first sample; beyond `ready_until` the mouth rests.

        Args:
            time_s: instant on the sound's clock.
            pts: the same instant as media time; drives blinks and gaze and becomes the frame's `pts`.
            capture_ns: for the trace.
        """
        mouth, speaking = self._mouth_at(time_s)
        idle = self._idle.at(pts, capture_ns=capture_ns)
        expression = np.zeros(EXPRESSION_COUNT, np.float32)
        expression += mouth @ self._matrix
        expression += idle.expression * _not_mouth_or_quiet(self._matrix, speaking)
        return MotionFrame(
            pts=pts,
            expression=np.clip(expression, 0.0, 1.0),
            rotation=idle.rotation,
            translation=idle.translation,
            residual=idle.residual,
            confidence=speaking,
            trace=Trace(capture_ns),
        )

    def _mouth_at(self, time_s: float) -> tuple[FloatArray, float]:
        if not self._steps or time_s > self._steps[-1].time + 1e-6 or time_s < self._steps[0].time - STEP:
            return empty_mouth(), 0.0
        position = (time_s - self._steps[0].time) / STEP
        low = min(max(int(np.floor(position + 1e-6)), 0), len(self._steps) - 1)
        high = min(low + 1, len(self._steps) - 1)
        share = np.float32(min(max(position - low, 0.0), 1.0))
        before, after = self._steps[low], self._steps[high]
        mouth = before.mouth + share * (after.mouth - before.mouth)
        return np.asarray(mouth, np.float32), before.speaking + float(share) * (after.speaking - before.speaking)


def _not_mouth_or_quiet(matrix: FloatArray, speaking: float) -> FloatArray:
    """Idle lip motion fades out while the mouth speaks; everything else stays."""
    return np.asarray(1.0 - speaking * (matrix.sum(0) > 0), np.float32)
