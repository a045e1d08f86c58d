"""`live.transport.transit`: the local instant of remote media time."""

from __future__ import annotations

import random

import pytest

from live.transport.transit import TransitClock, unwrap


def test_unwrap_follows_a_counter_around_in_both_directions() -> None:
    value: int | None = None
    for expected in range(65_000, 67_000):
        value = unwrap(expected % 65_536, value, 16)
        assert value == expected
    assert unwrap(65_530, 65_540, 16) == 65_530


@pytest.mark.parametrize("ppm", [-200.0, 0.0, 200.0])
def test_mapping_ignores_jitter_and_follows_a_skewed_clock(ppm: float) -> None:
    rng = random.Random(1)
    clock = TransitClock()
    for i in range(60 * 50):
        sent = i * 0.02
        media = sent * (1 + ppm * 1e-6)
        clock.observe(media, 100.0 + sent + rng.expovariate(1 / 0.005))
        if i > 100:
            assert clock.local(media) == pytest.approx(100.0 + sent, abs=0.002)


def test_a_restarted_remote_clock_starts_a_new_mapping() -> None:
    clock = TransitClock()
    clock.observe(1000.0, 5.0)
    clock.observe(3.0, 6.0)
    assert clock.local(3.0) == pytest.approx(6.0)


def test_nothing_can_be_mapped_before_the_first_arrival() -> None:
    with pytest.raises(ValueError):
        TransitClock().local(0.0)
