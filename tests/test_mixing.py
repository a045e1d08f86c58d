from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from live.frames import MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.mixing import blend, interpolate_rotation, overlay, smoothstep
from live.motion.pose import rotation_matrix


def motion(seed: int) -> MotionFrame:
    g = np.random.default_rng(seed)
    return replace(
        MotionFrame.neutral(float(seed)),
        expression=g.uniform(0, 1, 52).astype(np.float32),
        rotation=g.uniform(-0.5, 0.5, 3).astype(np.float32),
        translation=g.uniform(-1, 1, 3).astype(np.float32),
        residual=g.normal(size=16).astype(np.float32),
        confidence=float(g.uniform()),
    )


def test_smoothstep() -> None:
    assert [smoothstep(x) for x in (-1.0, 0.0, 0.5, 1.0, 2.0)] == [0.0, 0.0, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_the_ends_of_a_blend_are_exact(weight: float) -> None:
    a, b = motion(1), motion(2)
    expected, got = (a, b)[int(weight)], blend(a, b, weight)
    for name in ("expression", "rotation", "translation", "residual"):
        assert np.allclose(getattr(got, name), getattr(expected, name), atol=1e-6)
    assert got.pts == b.pts and got.trace is b.trace


def test_halfway_is_the_same_turn_from_both_sides() -> None:
    a, b = motion(3), motion(4)
    middle = rotation_matrix(interpolate_rotation(a.rotation, b.rotation, 0.5))
    left = rotation_matrix(a.rotation).T @ middle
    right = middle.T @ rotation_matrix(b.rotation)
    assert np.allclose(left, right, atol=1e-5)


def test_overlay_of_nothing_changes_nothing() -> None:
    base = motion(5)
    got = overlay(base, MotionFrame.neutral())
    assert np.allclose(got.expression, base.expression)
    assert np.allclose(got.rotation, base.rotation, atol=1e-6)
    assert np.allclose(overlay(base, motion(6), 0.0).expression, base.expression)


def test_overlay_closes_half_closed_lids_completely() -> None:
    lid = ARKIT_INDEX["eyeBlinkLeft"]
    base, blink = MotionFrame.neutral(), MotionFrame.neutral()
    base.expression[lid], blink.expression[lid] = 0.4, 1.0
    assert overlay(base, blink).expression[lid] == pytest.approx(1.0)


def test_overlay_composes_turns() -> None:
    base, nod = motion(7), motion(8)
    expected = rotation_matrix(nod.rotation) @ rotation_matrix(base.rotation)
    assert np.allclose(rotation_matrix(overlay(base, nod).rotation), expected, atol=1e-5)
