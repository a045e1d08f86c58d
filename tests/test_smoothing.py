from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from live.frames import MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.idle import Blink
from live.motion.one_euro import added_lag_ms
from live.motion.smoothing import MotionSmoother

BLINK = ARKIT_INDEX["eyeBlinkLeft"]
JAW = ARKIT_INDEX["jawOpen"]


def smoothed(times: NDArray[np.float64], index: int, signal: NDArray[np.float64]) -> NDArray[np.float64]:
    smoother = MotionSmoother()
    output = []
    for t, value in zip(times, signal, strict=True):
        frame = MotionFrame.neutral(float(t))
        frame.expression[index] = value
        output.append(smoother(frame).expression[index])
    return np.array(output)


def turned(times: NDArray[np.float64], yaw: NDArray[np.float64]) -> NDArray[np.float64]:
    smoother = MotionSmoother()
    frames = [
        replace(MotionFrame.neutral(float(t)), rotation=np.array([0, v, 0], np.float32))
        for t, v in zip(times, yaw, strict=True)
    ]
    return np.array([smoother(f).rotation[1] for f in frames])


@pytest.mark.parametrize("fps", [25, 30, 60])
@pytest.mark.parametrize("phase", [0.0, 0.01, 0.02])
def test_a_blink_survives(fps: int, phase: float) -> None:
    times = np.arange(0.0, 2.5, 1 / fps)
    blink = Blink(1.0 + phase, 0.11, 0.19, 1.0)
    raw = np.array([blink.at(t) for t in times])
    output = smoothed(times, BLINK, raw)
    assert output.max() > 0.95 * raw.max()
    assert added_lag_ms(times, raw, output) < 10.0


@pytest.mark.parametrize("fps", [25, 30, 60])
def test_lips_meet_in_a_short_closure(fps: int) -> None:
    times = np.arange(0.0, 2.0, 1 / fps)
    closed = (times > 1.0) & (times < 1.09)
    jaw = smoothed(times, JAW, np.where(closed, 0.0, 0.3))
    press = smoothed(times, ARKIT_INDEX["mouthPressLeft"], np.where(closed, 0.4, 0.0))
    assert jaw[(times > 0.9) & (times < 1.2)].min() < 0.03
    assert press.max() > 0.36


def test_syllables_are_hardly_late_nor_damped() -> None:
    times = np.arange(0.0, 3.0, 1 / 30)
    jaw = 0.25 + 0.25 * np.cos(2 * np.pi * 4.0 * times)
    output = smoothed(times, JAW, jaw)
    assert added_lag_ms(times, jaw, output) < 12.0
    assert np.ptp(output[30:]) > 0.85 * 0.5


def test_a_head_turn_is_hardly_late_and_does_not_overshoot() -> None:
    times = np.arange(0.0, 4.0, 1 / 30)
    yaw = 0.3 * np.sin(2 * np.pi * 0.7 * times)
    output = turned(times, yaw)
    assert added_lag_ms(times[30:], yaw[30:], output[30:]) < 15.0
    assert np.abs(output).max() < 1.05 * 0.3


def test_a_still_head_becomes_calmer() -> None:
    times = np.arange(0.0, 20.0, 1 / 30)
    noise = 0.002 * np.random.default_rng(0).normal(size=len(times))
    output = turned(times, noise)
    assert np.std(np.diff(output)) < 0.5 * np.std(np.diff(noise))


def test_stamps_and_keeps_the_rest_of_the_frame() -> None:
    frame = replace(MotionFrame.neutral(1.5), confidence=0.7)
    output = MotionSmoother()(frame)
    assert (output.pts, output.confidence, output.trace) == (1.5, 0.7, frame.trace)
    assert [s[0] for s in frame.trace.stages] == ["smooth"]
    assert output.expression.dtype == output.rotation.dtype == output.residual.dtype == np.float32


def test_bad_coefficients_do_not_spread() -> None:
    smoother = MotionSmoother()
    bad = MotionFrame.neutral(0.0)
    bad.expression[:] = np.nan
    bad.rotation[0] = np.inf
    assert np.isfinite(smoother(bad).expression).all()
    assert np.isfinite(smoother(MotionFrame.neutral(0.1)).rotation).all()
