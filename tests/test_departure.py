"""`live.transport.departure`: when pictures leave, and which instant they stand for."""

from __future__ import annotations

from itertools import pairwise

import pytest

from live.transport.departure import WORTH_IT, Departure
from live.transport.lip_sync import LipSync


def test_latency_is_a_median_that_starts_over_with_another_clock() -> None:
    departure = Departure(LipSync())
    for k in range(60):
        departure.schedule(k * 0.04, k * 0.04 + (0.08 if k % 10 else 0.5))
    assert departure.latency == departure.delay == pytest.approx(0.08)
    departure.schedule(1000.0, 2.4)
    assert departure.latency == pytest.approx(2.4 - 1000.0)


def test_pictures_that_need_not_wait_leave_at_once_under_even_instants() -> None:
    sync = LipSync()
    sync.hold = WORTH_IT / 2
    departure = Departure(sync)
    planned = [departure.schedule(k * 0.04, k * 0.04 + 0.07 + 0.005 * (7 * k % 5)) for k in range(100)]
    assert all(wait == 0.0 for _, wait in planned)
    steps = [b[0] - a[0] for a, b in pairwise(planned[50:])]
    assert max(steps) - min(steps) < 1e-9


def test_held_pictures_leave_in_the_rhythm_of_their_media_time() -> None:
    sync = LipSync()
    departure = Departure(sync)
    for k in range(200):
        departure.schedule(k * 0.04, k * 0.04 + 0.07)
    sync.hold = 0.03
    for k, late in enumerate((0.0, 0.01, -0.01, 0.02), start=200):
        instant, wait = departure.schedule(k * 0.04, k * 0.04 + 0.07 + late)
        assert instant == pytest.approx(k * 0.04 + 0.1)
        assert k * 0.04 + 0.07 + late + wait == pytest.approx(instant)
    _, wait = departure.schedule(204 * 0.04, 204 * 0.04 + 0.25)
    assert wait == 0.0, "one that is late anyway"
    _, wait = departure.schedule(206 * 0.04, 206 * 0.04 - 0.5)
    assert wait == pytest.approx(0.06), "a strange clock holds nothing up"


def test_what_the_listener_needs_counts_in_the_delay() -> None:
    sync = LipSync()
    departure = Departure(sync)
    departure.schedule(1.0, 1.07)
    sync.hold = 0.03
    assert departure.delay == pytest.approx(0.1)
