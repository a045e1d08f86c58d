from __future__ import annotations

import numpy as np
import pytest

from live.frames import MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.idle import Blink
from live.motion.lid_range import TYPICAL_CLOSED, LidRange

LIDS = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]


def face(lids: float) -> MotionFrame:
    frame = MotionFrame.neutral()
    frame.expression[LIDS] = lids
    return frame


def blink(lid_range: LidRange, depth: float, times: int = 1, rest: float = 0.1) -> None:
    one = Blink(0.5, 0.12, 0.2, depth)
    for _ in range(times):
        for t in np.arange(0.0, 1.2, 1 / 30):
            lid_range.update(face(max(one.at(t), rest)), face(rest))


@pytest.mark.parametrize("depth", [0.5, 0.8, 0.95])
def test_learns_how_far_a_blink_goes(depth: float) -> None:
    lid_range = LidRange()
    blink(lid_range, depth, times=12)
    assert lid_range.closed == pytest.approx(depth, abs=0.07)


def test_one_odd_peak_moves_it_a_little_only() -> None:
    lid_range = LidRange()
    blink(lid_range, 1.2)
    assert TYPICAL_CLOSED < lid_range.closed < TYPICAL_CLOSED + 0.12


def test_squinting_and_noise_are_no_blinks() -> None:
    lid_range = LidRange()
    noise = np.random.default_rng(0).normal(0, 0.04, 300)
    for value in 0.15 + noise:
        lid_range.update(face(float(value)), face(0.15))
    assert lid_range.closed == TYPICAL_CLOSED


def test_stays_in_a_range_that_eyes_have_and_forgets() -> None:
    lid_range = LidRange()
    blink(lid_range, 5.0, times=20)
    assert lid_range.closed <= 1.0
    lid_range.update(face(float("nan")), face(0.1))
    assert np.isfinite(lid_range.closed)
    lid_range.forget()
    assert lid_range.closed == TYPICAL_CLOSED
