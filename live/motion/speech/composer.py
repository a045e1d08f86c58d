"""Puts the mouth, the head, the brows and the eyes of a speaking face together, frame by frame on the media clock."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.frames import EXPRESSION_COUNT, FloatArray, MotionFrame, Trace
from live.motion.arkit import ARKIT_INDEX
from live.motion.idle import IdleMotion
from live.motion.speech.blinks import Blinks
from live.motion.speech.head_flow import BLINK, CHANNELS, FRAME_S, HeadFlow, to_expression
from live.motion.speech.mouth import MouthModel, MouthStep, empty_mouth
from live.motion.speech.network import MOUTH_NAMES, STEP, mouth_matrix

_KEPT: Final = 100
_JAW: Final = MOUTH_NAMES.index(("jawOpen",))
_SEEN: Final = (0.08, 0.14)  # jawOpen that parts the lips just visibly, and clearly; a vowel reaches 0.2
_LIDS: Final = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]


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
        self._idle = IdleMotion(seed, blinks=False)
        self._head = HeadFlow(seed)
        self._blinks = Blinks(seed)
        self._matrix = mouth_matrix()
        self._steps: deque[MouthStep] = deque(maxlen=_KEPT)
        # Head frames, one per two mouth steps; the first is where the head was before the sound began.
        self._heads: deque[FloatArray] = deque([np.zeros(len(CHANNELS), np.float32)], maxlen=_KEPT)
        self._onsets: deque[float] = deque(maxlen=_KEPT)
        self._seen = 0
        self._pair: MouthStep | None = None
        self._last_head = -FRAME_S  # time of the newest head frame

    @property
    def ready_until(self) -> float:
        """The last instant for which `frame` knows the mouth; minus infinity before the first sound."""
        return self._steps[-1].time if self._steps else -np.inf

    def onset(self, after: float, before: float) -> float | None:
        """The first instant between the two (s after the first sample) at which a mouth that was silent opens.

        There are two for each word at most: when the opening begins to be seen, and when it is plain.
        """
        return next((time for time in self._onsets if after < time < before), None)

    def push(self, samples: NDArray[np.int16]) -> None:
        """Take sound: int16 mono 48 kHz, any number of samples."""
        for step in self._mouth.push(samples):
            seen = sum(step.mouth[_JAW] >= level for level in _SEEN)
            if seen > self._seen:
                self._onsets.append(step.time)
            self._seen = 0 if step.speaking == 0.0 else max(self._seen, seen)
            self._steps.append(step)
            if self._pair is None:
                self._pair = step
                continue
            loudness = 0.5 * (self._pair.loudness + step.loudness)
            self._heads.append(self._head.step(loudness, 0.5 * (self._pair.speaking + step.speaking)))
            self._last_head, self._pair = step.time, None
            self._blinks.update(step.time, float(self._heads[-1][BLINK]))

    def reset(self) -> None:
        """Forget all sound; the next sample is the first one. The head goes on from where it is."""
        self._mouth.reset()
        self._steps.clear()
        self._onsets.clear()
        self._seen = 0
        self._pair = None
        self._last_head = -FRAME_S
        self._blinks.restart()

    def frame(self, time_s: float, pts: float, capture_ns: int) -> MotionFrame:
        """The face at `time_s` after the first sample; beyond `ready_until` the mouth rests.

        Args:
            time_s: instant on the sound's clock.
            pts: the same instant as media time; drives blinks and gaze and becomes the frame's `pts`.
            capture_ns: for the trace.
        """
        mouth, speaking = self._mouth_at(time_s)
        idle = self._idle.at(pts, capture_ns=capture_ns)
        head = self._head_at(time_s)
        expression = idle.expression * _idle_share(speaking)
        expression += mouth @ self._matrix
        expression += to_expression(head)
        expression[_LIDS] = self._blinks.at(time_s - FRAME_S)
        return MotionFrame(
            pts=pts,
            expression=np.clip(expression, 0.0, 1.0),
            rotation=np.asarray(head[:3] + 0.3 * idle.rotation, np.float32),
            translation=idle.translation,
            residual=idle.residual,
            confidence=speaking,
            trace=Trace(capture_ns),
        )

    def _head_at(self, time_s: float) -> FloatArray:
        """The head one flow frame earlier than `time_s`, so that there is always a later one to interpolate to."""
        position = (time_s - FRAME_S - self._last_head) / FRAME_S + len(self._heads) - 1
        low = min(max(int(np.floor(position + 1e-6)), 0), len(self._heads) - 1)
        high = min(low + 1, len(self._heads) - 1)
        share = np.float32(min(max(position - low, 0.0), 1.0))
        return np.asarray(self._heads[low] + share * (self._heads[high] - self._heads[low]), np.float32)

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


def _idle_share(speaking: float) -> FloatArray:
    """How much of the idle expression stays: that of the lips, while nobody speaks; the rest is the flow's."""
    share = np.zeros(EXPRESSION_COUNT, np.float32)
    for name, index in ARKIT_INDEX.items():
        if name.startswith("mouth"):
            share[index] = 1.0 - speaking
    return share
