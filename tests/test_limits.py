from __future__ import annotations

import numpy as np
import pytest

from live.motion.arkit import ARKIT_INDEX
from live.motion.limits import (
    EXPRESSION_LIMIT,
    ROTATION_LIMIT,
    TRANSLATION_LIMIT,
    limit_expression,
    limit_residual,
    limit_rotation,
    limit_translation,
    soft_clip,
)

REST = np.zeros(52, np.float32)


def test_soft_clip_is_identity_inside_and_bounded_outside() -> None:
    x = np.linspace(-10, 10, 4001)
    y = soft_clip(x, -1.0, 1.0, 0.25)
    inside = np.abs(x) <= 0.75
    assert np.array_equal(y[inside], x[inside])
    assert np.abs(y).max() <= 1.0
    assert (np.diff(y) >= 0).all()
    assert np.abs(np.diff(y, 2)).max() < 2e-4  # no corner at the knee


def test_soft_clip_never_moves_the_fixed_value() -> None:
    fixed = np.array([-2.0, -0.9, 0.0, 0.95, 3.0])
    assert np.allclose(soft_clip(fixed, -1.0, 1.0, 0.5, fixed=fixed), fixed)
    assert soft_clip([np.nan], -1.0, 1.0, 0.5, fixed=[0.3])[0] == 0.3


def test_expression_stays_in_range_and_lids_close_fully() -> None:
    wild = limit_expression(np.full(52, 7.0), REST)
    assert (wild <= EXPRESSION_LIMIT).all()
    assert wild[ARKIT_INDEX["eyeBlinkLeft"]] == 1.0
    assert np.array_equal(limit_expression(np.full(52, -3.0), REST), REST)
    half = np.full(52, 0.5, np.float32)
    assert np.array_equal(limit_expression(half, REST), half)


def test_the_portraits_own_expression_is_always_reachable() -> None:
    rest = np.linspace(-0.1, 1.2, 52).astype(np.float32)
    assert np.allclose(limit_expression(rest, rest), rest)
    assert np.allclose(limit_expression(np.full(52, np.nan), rest), rest)


@pytest.mark.parametrize("yaw", [-2.0, -0.5, 0.0, 0.3, 2.0])
def test_rotation_is_limited_from_straight_and_from_the_photo(yaw: float) -> None:
    rest = np.radians(np.array([0.0, 20.0, 0.0])).astype(np.float32)
    got = limit_rotation(np.array([0.0, yaw, 0.0]), rest)[1]
    assert np.radians(-15.0) - 1e-6 <= got <= np.radians(35.0) + 1e-6


def test_rotation_of_the_photo_is_kept() -> None:
    rest = np.radians(np.array([-30.0, 50.0, 10.0])).astype(np.float32)
    assert np.allclose(limit_rotation(rest, rest), rest)


def test_shift_and_residual_are_bounded() -> None:
    assert (np.abs(limit_translation(np.array([99.0, -99.0, 99.0]))) <= TRANSLATION_LIMIT).all()
    assert np.array_equal(limit_translation(np.zeros(3)), np.zeros(3))
    assert np.abs(limit_residual(np.full(16, 50.0))).max() <= 3.0
    assert np.array_equal(limit_residual(np.full(16, np.nan)), np.zeros(16))
    assert (ROTATION_LIMIT > 0).all()
