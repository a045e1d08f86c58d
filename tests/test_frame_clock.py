from __future__ import annotations

import pytest

from live.motion.frame_clock import FrameClock


class Time:
    def __init__(self) -> None:
        self.ns = 1_000_000_000

    def __call__(self) -> int:
        return self.ns


def test_ticks_once_per_period() -> None:
    time = Time()
    clock = FrameClock(50.0, time)
    assert clock.tick()
    assert not clock.tick()
    assert clock.remaining() == pytest.approx(0.02)
    time.ns += 20_000_000
    assert clock.remaining() == 0.0
    assert clock.tick() and not clock.tick()


def test_missed_ticks_are_skipped_and_the_beat_is_kept() -> None:
    time = Time()
    clock = FrameClock(50.0, time)
    clock.tick()
    time.ns += 107_000_000
    assert clock.tick() and not clock.tick()
    assert clock.remaining() == pytest.approx(0.013)


def test_postpone() -> None:
    time = Time()
    clock = FrameClock(50.0, time)
    clock.postpone(0.15)
    assert clock.remaining() == pytest.approx(0.15)


def test_a_rate_must_be_positive() -> None:
    with pytest.raises(ValueError):
        FrameClock(0.0)
