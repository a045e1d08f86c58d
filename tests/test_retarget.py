from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from live.frames import MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.limits import EXPRESSION_LIMIT, ROTATION_LIMIT, TRANSLATION_LIMIT
from live.motion.pose import rotation_matrix
from live.motion.retarget import RetargetGains, retarget

LID = ARKIT_INDEX["eyeBlinkRight"]


def motion(seed: int, strength: float = 1.0) -> MotionFrame:
    g = np.random.default_rng(seed)
    return replace(
        MotionFrame.neutral(float(seed)),
        expression=(strength * g.uniform(0, 0.4, 52)).astype(np.float32),
        rotation=(strength * g.uniform(-0.15, 0.15, 3)).astype(np.float32),
        translation=(strength * g.uniform(-1, 1, 3) * [1, 1, 0.05]).astype(np.float32),
        residual=(strength * g.normal(0, 0.5, 16)).astype(np.float32),
        confidence=0.5,
    )


def test_a_neutral_driver_shows_the_photo() -> None:
    neutral, rest = motion(1), replace(motion(2), translation=np.zeros(3, np.float32))
    got = retarget(neutral, neutral, rest)
    for name in ("expression", "rotation", "translation", "residual"):
        assert np.allclose(getattr(got, name), getattr(rest, name), atol=1e-5), name


def test_rotations_compose_as_matrices() -> None:
    drive, neutral, rest = motion(3), motion(4), motion(5)
    expected = rotation_matrix(drive.rotation) @ rotation_matrix(neutral.rotation).T @ rotation_matrix(rest.rotation)
    got = retarget(drive, neutral, rest)
    assert np.allclose(rotation_matrix(got.rotation), expected, atol=1e-5)


def test_expression_is_rest_plus_gain_times_difference() -> None:
    drive, neutral, rest = MotionFrame.neutral(), MotionFrame.neutral(), MotionFrame.neutral()
    jaw = ARKIT_INDEX["jawOpen"]
    drive.expression[jaw], neutral.expression[jaw], rest.expression[jaw] = 0.5, 0.1, 0.05
    gains = RetargetGains(expression=np.full(52, 0.5, np.float32))
    assert retarget(drive, neutral, rest).expression[jaw] == pytest.approx(0.45)
    assert retarget(drive, neutral, rest, gains=gains).expression[jaw] == pytest.approx(0.25)


@pytest.mark.parametrize("neutral_lid", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("rest_lid", [0.0, 0.3])
def test_closed_eyes_close_whatever_the_neutrals(neutral_lid: float, rest_lid: float) -> None:
    drive, neutral, rest = MotionFrame.neutral(), MotionFrame.neutral(), MotionFrame.neutral()
    drive.expression[LID], neutral.expression[LID], rest.expression[LID] = 1.0, neutral_lid, rest_lid
    assert retarget(drive, neutral, rest).expression[LID] == pytest.approx(1.0)
    drive.expression[LID] = neutral_lid
    assert retarget(drive, neutral, rest).expression[LID] == pytest.approx(rest_lid)


def test_a_blink_that_reads_less_than_one_closes_the_eyes_too() -> None:
    drive, neutral, rest = MotionFrame.neutral(), MotionFrame.neutral(), MotionFrame.neutral()
    drive.expression[LID], neutral.expression[LID], rest.expression[LID] = 0.6, 0.1, 0.05
    assert retarget(drive, neutral, rest, closed_lids=0.6).expression[LID] == pytest.approx(1.0)
    assert retarget(drive, neutral, rest).expression[LID] < 0.7
    drive.expression[LID] = 0.1
    assert retarget(drive, neutral, rest, closed_lids=0.6).expression[LID] == pytest.approx(0.05)


def test_absolute_mode_ignores_neutral_and_rest_but_for_the_place() -> None:
    drive, neutral, rest = motion(6), motion(7), motion(8)
    got = retarget(drive, neutral, rest, mode="absolute", gains=RetargetGains(translation=1.0))
    assert np.allclose(got.expression, drive.expression, atol=1e-6)
    assert np.allclose(got.rotation, drive.rotation, atol=1e-6)
    shifted = rest.translation + drive.translation - neutral.translation
    assert np.allclose(got.translation, shifted, atol=0.15)


def test_no_rotation_gain_keeps_the_head_still() -> None:
    rest = motion(9)
    got = retarget(motion(10), motion(11), rest, gains=RetargetGains(rotation=0.0))
    assert np.allclose(got.rotation, rest.rotation, atol=1e-6)


def test_wild_motion_is_limited() -> None:
    got = retarget(motion(12, 50.0), MotionFrame.neutral(), MotionFrame.neutral())
    assert (got.expression >= 0).all() and (got.expression <= EXPRESSION_LIMIT).all()
    assert (np.abs(got.rotation) <= ROTATION_LIMIT).all()
    assert (np.abs(got.translation) <= TRANSLATION_LIMIT).all()


@pytest.mark.parametrize("mode", ["relative", "absolute"])
def test_not_finite_motion_is_rest(mode: str) -> None:
    bad = replace(
        MotionFrame.neutral(),
        expression=np.full(52, np.nan, np.float32),
        rotation=np.full(3, np.inf, np.float32),
        translation=np.full(3, np.nan, np.float32),
        residual=np.full(16, np.nan, np.float32),
    )
    rest = motion(13)
    got = retarget(bad, MotionFrame.neutral(), rest, mode=mode)  # type: ignore[arg-type]
    assert np.allclose(got.expression, rest.expression, atol=1e-6)
    assert np.allclose(got.rotation, rest.rotation, atol=1e-6)
    assert np.isfinite(got.translation).all() and np.isfinite(got.residual).all()


def test_time_confidence_and_trace_are_the_drivers() -> None:
    drive = motion(14)
    got = retarget(drive, MotionFrame.neutral(), motion(15))
    assert (got.pts, got.confidence, got.trace) == (drive.pts, drive.confidence, drive.trace)
