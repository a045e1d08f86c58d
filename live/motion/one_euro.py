"""The One-Euro filter (Casiez, Roussel and Vogel, CHI 2012), for many signals at once and for irregular time steps.

A first-order low pass whose cut-off rises with the signal's speed: still faces do not tremble, fast motion is hardly
delayed. Two additions serve faces. The speed gain may differ by direction, so that an eyelid that closes or lips that
meet pass almost untouched while the way back is smoothed. And part of the filter's own delay can be cancelled by
extrapolating with the speed that the filter estimates anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64Array = NDArray[np.float64]

MAX_GAP_S = 0.5
"""After a longer pause between two samples the filter starts anew from the next one."""

MIN_STEP_S = 1e-3
"""Shorter time steps (two frames with one timestamp) count as this long."""


@dataclass(frozen=True, slots=True)
class OneEuroSettings:
    """Constants of a group of signals, in Casiez' terms. Units of the signal are written `u`.

    Attributes:
        min_cutoff: cut-off of a signal at rest, Hz: lower = calmer.
        beta: added cut-off per speed, Hz per u/s: higher = less lag in motion.
        beta_rising, beta_falling: `beta` for the two directions when they differ; `None` = `beta`.
        derivative_cutoff: cut-off of the speed estimate, Hz: higher = wakes up sooner, but also on noise.
        prediction: 0..1, share of the low pass's delay to cancel by extrapolation.
        prediction_speed: u/s at which half of that is done; slower signals are extrapolated less, because their speed
            is mostly noise.
    """

    min_cutoff: float = 1.0
    beta: float = 0.0
    beta_rising: float | None = None
    beta_falling: float | None = None
    derivative_cutoff: float = 1.0
    prediction: float = 0.0
    prediction_speed: float = 0.0


class OneEuroFilter:
    """Filters a vector of signals, each with settings of its own.

    The same samples and times always give the same result; nothing depends on the wall clock.

    Args:
        settings: one entry per signal.
    """

    def __init__(self, settings: list[OneEuroSettings]) -> None:
        self._min_cutoff = np.array([s.min_cutoff for s in settings], np.float64)
        self._beta_rising = np.array([s.beta if s.beta_rising is None else s.beta_rising for s in settings])
        self._beta_falling = np.array([s.beta if s.beta_falling is None else s.beta_falling for s in settings])
        self._derivative_cutoff = np.array([s.derivative_cutoff for s in settings], np.float64)
        self._prediction = np.array([s.prediction for s in settings], np.float64)
        self._prediction_speed = np.array([s.prediction_speed for s in settings], np.float64)
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next sample passes unchanged."""
        self._time: float | None = None
        self._raw: Float64Array = np.zeros(len(self._min_cutoff))
        self._smooth: Float64Array = np.zeros(len(self._min_cutoff))
        self._speed: Float64Array = np.zeros(len(self._min_cutoff))

    def __call__(self, sample: ArrayLike, time_s: float) -> Float64Array:
        """Filter the next sample.

        Args:
            sample: (n,) values. A value that is not finite is replaced by that signal's last one (0 at first).
            time_s: when it was taken, seconds. Time that goes back, or stops for more than `MAX_GAP_S`, starts anew.

        Returns:
            float64 (n,), always finite; the caller owns it.
        """
        values = np.asarray(sample, np.float64)
        values = np.where(np.isfinite(values), values, self._raw)
        step = None if self._time is None else time_s - self._time
        if step is None or step < 0.0 or step > MAX_GAP_S or not np.isfinite(step):
            self._time, self._raw, self._smooth = time_s, values, values
            self._speed = np.zeros_like(values)
            return values.copy()
        step = max(step, MIN_STEP_S)
        speed = (values - self._raw) / step
        self._speed = self._speed + _alpha(self._derivative_cutoff, step) * (speed - self._speed)
        beta = np.where(self._speed > 0.0, self._beta_rising, self._beta_falling)
        cutoff = self._min_cutoff + beta * np.abs(self._speed)
        self._smooth = self._smooth + _alpha(cutoff, step) * (values - self._smooth)
        self._time, self._raw = time_s, values
        # On a ramp a first-order low pass trails by exactly its time constant.
        power = self._speed**2
        trust = power / np.maximum(power + self._prediction_speed**2, 1e-12)
        ahead = trust * self._speed * self._prediction / (2.0 * np.pi * cutoff)
        predicted: Float64Array = self._smooth + ahead
        return predicted


def _alpha(cutoff_hz: Float64Array, step_s: float) -> Float64Array:
    """Weight of the new sample: eq. 3 of the paper, `1 / (1 + tau / dt)` with `tau = 1 / (2 pi cutoff)`."""
    turn: Float64Array = 2.0 * np.pi * cutoff_hz * step_s
    weight: Float64Array = turn / (turn + 1.0)
    return weight


def added_lag_ms(times_s: ArrayLike, raw: ArrayLike, filtered: ArrayLike, *, longest_ms: float = 300.0) -> float:
    """How much later `filtered` shows what `raw` showed: the shift in time that makes the two agree best.

    Least squares over shifts from `-longest_ms` to `longest_ms` in steps of 0.5 ms, with linear interpolation between
    samples; negative when the filter predicts too far.

    Args:
        times_s: (n,) increasing, seconds.
        raw: (n,) the filter's input, ideally without noise.
        filtered: (n,) its output.
        longest_ms: largest shift that is tried.
    """
    times = np.asarray(times_s, np.float64)
    before, after = np.asarray(raw, np.float64), np.asarray(filtered, np.float64)
    shifts = np.arange(-longest_ms, longest_ms + 0.25, 0.5)
    errors = [float(np.mean((np.interp(times - s / 1e3, times, before) - after) ** 2)) for s in shifts]
    return float(shifts[int(np.argmin(errors))])


def crossing_time_s(times_s: ArrayLike, values: ArrayLike, level: float) -> float:
    """When a signal first rises through `level`, seconds, with linear interpolation; NaN when it never does."""
    times, signal = np.asarray(times_s, np.float64), np.asarray(values, np.float64)
    above = np.flatnonzero((signal[1:] >= level) & (signal[:-1] < level))
    if len(above) == 0:
        return float("nan")
    i = int(above[0])
    share = (level - signal[i]) / (signal[i + 1] - signal[i])
    return float(times[i] + share * (times[i + 1] - times[i]))
