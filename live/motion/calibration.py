"""Learning a driver's neutral face: on request, by itself over the first second, and slowly ever after."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.frames import EXPRESSION_COUNT, RESIDUAL_COUNT, FloatArray, MotionFrame
from live.motion.arkit import ARKIT_NAMES

FIRST_ESTIMATE_S: Final = 1.0
"""Length of the automatic estimate when a face appears."""

CLICK_WINDOW_S: Final = 0.4
"""How far back one press of the calibration key looks: longer than a blink, short enough to be held still."""

ADAPTATION_S: Final = 60.0
"""Time constant of slow adaptation, for faces that stay near the neutral."""

GLIDE_S: Final = 0.1
"""Time constant with which the neutral in use follows a new estimate, so that a calibration does not jump."""

_MEMORY_S: Final = 2.0
_TURN_SCALE: Final = np.radians(12.0)
_EXPRESSION_SCALE: Final = 0.15
_DIMENSIONS: Final = EXPRESSION_COUNT + 3 + 3 + RESIDUAL_COUNT

_OPENING: Final = np.array([n.startswith(("eyeBlink", "jawOpen", "mouthFunnel", "mouthPucker")) for n in ARKIT_NAMES])
"""Shapes that a speaking or blinking face visits on one side of rest only: their neutral is a low quantile."""


class NeutralEstimator:
    """Keeps the driver's neutral `MotionFrame`.

    The estimate is the median over the first second of a face (a lower quantile for lids and jaw, which only ever leave
    rest in one direction). Later it drifts towards what it sees with a time constant of `ADAPTATION_S`, and only while
    the face is near the neutral, so that talking or looking away does not count as rest. After `calibrate` it stays
    fixed until `forget`. One estimator belongs to one thread.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, NDArray[np.float64]]] = deque()
        self._target: NDArray[np.float64] | None = None
        self._neutral: NDArray[np.float64] | None = None
        self._started: float | None = None
        self._last: float = 0.0
        self._fixed = False

    @property
    def calibrated(self) -> bool:
        """Whether the neutral was set by `calibrate`."""
        return self._fixed

    @property
    def settled(self) -> bool:
        """Whether the first automatic estimate is complete."""
        return self._fixed or (self._started is not None and self._last - self._started >= FIRST_ESTIMATE_S)

    @property
    def neutral(self) -> MotionFrame:
        """The present estimate; a neutral face straight ahead before the first sample."""
        return _unpack(self._neutral if self._neutral is not None else np.zeros(_DIMENSIONS))

    def update(self, drive: MotionFrame) -> MotionFrame:
        """Take one frame of the driver's motion into account and return the neutral.

        Frames with coefficients that are not finite, or that go back in time, are ignored.
        """
        sample, now = _pack(drive), drive.pts
        if not (np.isfinite(sample).all() and np.isfinite(now)) or (self._recent and now <= self._last):
            return self.neutral
        step = now - self._last if self._recent else 0.0
        self._last = now
        self._recent.append((now, sample))
        while now - self._recent[0][0] > _MEMORY_S:
            self._recent.popleft()
        if self._started is None:
            self._started = now
        if self._target is None or not self.settled:
            self._target = self._typical(FIRST_ESTIMATE_S)
        elif not self._fixed:
            self._adapt(sample, step)
        if self._neutral is None:
            self._neutral = self._target.copy()
        else:
            self._neutral = self._neutral - np.expm1(-step / GLIDE_S) * (self._target - self._neutral)
        return self.neutral

    def calibrate(self) -> bool:
        """Make the face of the last `CLICK_WINDOW_S` the neutral, until `forget`.

        The neutral glides there with the time constant `GLIDE_S`.

        Returns:
            False if no face has been seen yet; the neutral is then unchanged.
        """
        if not self._recent:
            return False
        self._target = self._typical(CLICK_WINDOW_S)
        self._fixed = True
        return True

    def shift(self, before: MotionFrame, after: MotionFrame) -> None:
        """Follow a change of measure: the same face, read as `before` until now, is read as `after` from now on.

        Called when a better identity of the driver moves the coefficients of an unmoved face.
        """
        change = _pack(after) - _pack(before)
        if not np.isfinite(change).all():
            return
        self._recent = deque((t, s + change) for t, s in self._recent)
        if self._neutral is not None and self._target is not None:
            self._neutral, self._target = self._neutral + change, self._target + change

    def forget(self) -> None:
        """Start anew with the automatic estimate (another person, another seat)."""
        self._recent.clear()
        self._target, self._neutral, self._started, self._fixed = None, None, None, False

    def _typical(self, window_s: float) -> NDArray[np.float64]:
        samples = np.stack([s for t, s in self._recent if t >= self._last - window_s])
        typical: NDArray[np.float64] = np.median(samples, axis=0)
        typical[:EXPRESSION_COUNT][_OPENING] = np.quantile(samples[:, :EXPRESSION_COUNT][:, _OPENING], 0.3, axis=0)
        return typical

    def _adapt(self, sample: NDArray[np.float64], step: float) -> None:
        assert self._target is not None
        difference = sample - self._target
        turn = np.linalg.norm(difference[EXPRESSION_COUNT : EXPRESSION_COUNT + 3]) / _TURN_SCALE
        expression = np.sqrt(np.mean(difference[:EXPRESSION_COUNT] ** 2)) / _EXPRESSION_SCALE
        nearness = np.exp(-0.5 * (turn**2 + expression**2))
        self._target = self._target - np.expm1(-min(step, 0.1) / ADAPTATION_S) * nearness * difference


def _pack(motion: MotionFrame) -> NDArray[np.float64]:
    parts = [motion.expression, motion.rotation, motion.translation, motion.residual]
    return np.concatenate(parts).astype(np.float64)


def _unpack(values: NDArray[np.float64]) -> MotionFrame:
    v: FloatArray = values.astype(np.float32)
    base = MotionFrame.neutral()
    e = EXPRESSION_COUNT
    return MotionFrame(0.0, v[:e], v[e : e + 3], v[e + 3 : e + 6], v[e + 6 :], 1.0, base.trace)
