from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from live.motion.arkit import ARKIT_INDEX
from live.motion.idle import BLOCK_S, IdleMotion

LID = ARKIT_INDEX["eyeBlinkLeft"]
HOUR = 3600.0


def test_a_pure_function_of_time_and_seed() -> None:
    times = np.random.default_rng(0).uniform(0, 500, 60)
    once, again = IdleMotion(3), IdleMotion(3)
    forward = {t: once.at(t) for t in np.sort(times)}
    for t in times:  # another order
        got = again.at(t)
        assert np.array_equal(got.expression, forward[t].expression)
        assert np.array_equal(got.rotation, forward[t].rotation)
        assert np.array_equal(got.translation, forward[t].translation)
    assert not np.array_equal(IdleMotion(4).at(10.0).rotation, once.at(10.0).rotation)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_blinks_come_every_four_seconds_with_a_long_tail(seed: int) -> None:
    blinks = IdleMotion(seed).blinks_between(0.0, HOUR)
    intervals = np.diff([b.start for b in blinks])
    assert 3.6 < HOUR / len(blinks) < 4.6
    assert np.mean(intervals) > np.median(intervals)
    assert intervals.max() > 7.0
    assert all(later.start > earlier.end for earlier, later in pairwise(blinks))
    doubles = np.mean(intervals < 0.7)
    assert 0.04 < doubles < 0.2


def test_blinks_have_natural_durations_and_close_the_eye() -> None:
    for blink in IdleMotion(5).blinks_between(0.0, 300.0):
        assert 0.10 <= blink.close <= 0.15
        assert 0.18 <= blink.open <= 0.24
        assert blink.at(blink.start) == 0.0 and blink.at(blink.end) == 0.0
        assert blink.at(blink.start + blink.close) == pytest.approx(blink.depth)
        assert blink.depth > 0.8


def test_a_blink_is_seen_at_frame_rate() -> None:
    idle = IdleMotion(6)
    blink = idle.blinks_between(0.0, 30.0)[0]
    lids = [idle.at(t).expression[LID] for t in np.arange(blink.start - 0.1, blink.end + 0.1, 1 / 30)]
    assert max(lids) > 0.7
    assert lids[0] == 0.0 and lids[-1] == 0.0
    assert IdleMotion(6, blinks=False).at(blink.start + blink.close).expression[LID] == 0.0


def test_never_frozen_never_wild() -> None:
    idle = IdleMotion(7)
    frames = [idle.at(t) for t in np.arange(0.0, 130.0, 1 / 10)]
    rotation = np.degrees([f.rotation for f in frames])
    translation = np.array([f.translation for f in frames])
    assert (np.abs(np.diff(rotation, axis=0)).sum(1) > 1e-4).all()
    assert np.abs(rotation).max() < 4.0
    assert 0.3 < rotation[:, 1].std() < 1.5
    assert np.abs(translation[:, :2]).max() < 0.5
    assert np.abs(translation[:, 2]).max() < 0.02
    expression = np.array([f.expression for f in frames])
    assert expression.min() >= 0.0 and expression.max() <= 1.0
    assert expression[:, ARKIT_INDEX["jawOpen"]].max() == 0.0


def test_sway_is_slow_and_continuous_across_blocks() -> None:
    idle = IdleMotion(8)
    for centre in (20.0, BLOCK_S, 2 * BLOCK_S):
        frames = [idle.at(t) for t in np.arange(centre - 0.5, centre + 0.5, 0.01)]
        assert np.degrees(np.abs(np.diff([f.rotation for f in frames], axis=0))).max() < 0.06
        assert np.abs(np.diff([f.expression for f in frames], axis=0)).max() < 0.25


def test_eyes_wander_together() -> None:
    idle = IdleMotion(9, sway=0.0, blinks=False)
    left, right = ARKIT_INDEX["eyeLookOutLeft"], ARKIT_INDEX["eyeLookInRight"]
    looks = np.array([idle.at(t).expression[[left, right]] for t in np.arange(0, 60, 0.1)])
    assert np.array_equal(looks[:, 0], looks[:, 1])
    assert len(np.unique(looks[:, 0].round(4))) > 8
    assert looks.max() < 0.5


def test_strengths_switch_parts_off() -> None:
    still = IdleMotion(10, sway=0.0, gaze=0.0, blinks=False).at(12.3)
    assert not still.rotation.any() and not still.translation.any() and not still.expression.any()


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), -5.0])
def test_odd_times_do_not_raise(time_s: float) -> None:
    assert np.isfinite(IdleMotion().at(time_s).rotation).all()


def test_long_sessions_are_as_good_as_short_ones() -> None:
    idle = IdleMotion(11)
    assert idle.blinks_between(1e6, 1e6 + 60.0)
    assert np.isfinite(idle.at(1e6).rotation).all()
