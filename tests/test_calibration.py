from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from live.frames import MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.calibration import NeutralEstimator

JAW = ARKIT_INDEX["jawOpen"]
SMILE = ARKIT_INDEX["mouthSmileLeft"]


def face(pts: float, *, yaw: float = 0.0, **weights: float) -> MotionFrame:
    frame = MotionFrame.neutral(pts)
    for name, value in weights.items():
        frame.expression[ARKIT_INDEX[name]] = value
    return replace(frame, rotation=np.array([0.0, yaw, 0.0], np.float32), confidence=1.0)


def test_before_any_face_the_neutral_is_neutral() -> None:
    estimator = NeutralEstimator()
    assert np.array_equal(estimator.neutral.expression, np.zeros(52))
    assert not estimator.calibrate()
    assert not estimator.calibrated


def test_the_first_frame_is_the_first_neutral() -> None:
    got = NeutralEstimator().update(face(5.0, yaw=0.2, mouthSmileLeft=0.3))
    assert got.expression[SMILE] == pytest.approx(0.3)
    assert got.rotation[1] == pytest.approx(0.2)


def test_a_blink_or_a_word_in_the_first_second_is_not_the_neutral() -> None:
    estimator = NeutralEstimator()
    for i in range(60):
        t = i / 30
        speaking = 0.3 if 0.2 < t < 0.7 else 0.05
        blink = 1.0 if 0.4 < t < 0.6 else 0.1
        estimator.update(face(t, jawOpen=speaking, eyeBlinkLeft=blink))
    assert estimator.settled
    assert estimator.neutral.expression[JAW] == pytest.approx(0.05, abs=0.02)
    assert estimator.neutral.expression[ARKIT_INDEX["eyeBlinkLeft"]] == pytest.approx(0.1, abs=0.02)


def test_slow_adaptation_follows_small_changes_and_ignores_large_ones() -> None:
    near, far = NeutralEstimator(), NeutralEstimator()
    for i in range(30 * 120):
        t = i / 30
        near.update(face(t, yaw=0.0 if t < 2 else 0.05))
        far.update(face(t, yaw=0.0 if t < 2 else 0.8))
    assert near.neutral.rotation[1] > 0.03
    assert abs(far.neutral.rotation[1]) < 0.005


def test_calibrate_glides_to_the_present_face_and_stays() -> None:
    estimator = NeutralEstimator()
    for i in range(60):
        estimator.update(face(i / 30, yaw=0.3 if i >= 45 else 0.0))
    before = estimator.neutral.rotation[1]
    assert estimator.calibrate()
    next_one = estimator.update(face(2.0, yaw=0.3)).rotation[1]
    assert before < next_one < 0.3
    for i in range(61, 90):
        estimator.update(face(i / 30, yaw=0.3))
    assert estimator.neutral.rotation[1] == pytest.approx(0.3, abs=1e-3)
    for i in range(90, 3000):
        estimator.update(face(i / 30, yaw=0.25))
    assert estimator.neutral.rotation[1] == pytest.approx(0.3, abs=1e-3)
    assert estimator.calibrated


def test_forget_starts_anew() -> None:
    estimator = NeutralEstimator()
    estimator.update(face(0.0, yaw=0.3))
    estimator.calibrate()
    estimator.forget()
    assert not estimator.calibrated
    assert estimator.update(face(0.1, yaw=-0.1)).rotation[1] == pytest.approx(-0.1)


def test_a_change_of_measure_moves_the_neutral_along() -> None:
    estimator = NeutralEstimator()
    for i in range(40):
        estimator.update(face(i / 30, jawOpen=0.1))
    estimator.shift(face(1.4, jawOpen=0.3), face(1.4, jawOpen=0.35))
    assert estimator.neutral.expression[JAW] == pytest.approx(0.15, abs=1e-3)


def test_bad_frames_are_ignored() -> None:
    estimator = NeutralEstimator()
    estimator.update(face(1.0, yaw=0.1))
    estimator.update(face(2.0, yaw=float("nan")))
    estimator.update(face(0.5, yaw=9.0))
    estimator.update(face(float("nan"), yaw=9.0))
    assert estimator.neutral.rotation[1] == pytest.approx(0.1)
