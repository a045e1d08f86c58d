"""`live.transport.lip_sync`: sound and picture meet in the browser, and neither waits longer than it must."""

from __future__ import annotations

import pytest

from live.transport.lip_sync import BEYOND, FIRST_LEAD, HELD, LATE, LATEST, LONGEST_HOLD, TOLERATED, LipSync


def listener(buffered: float, natural: float, floor: float, delay: float, seconds: int = 240) -> tuple[LipSync, float]:
    """A browser that buffers sound for `buffered` seconds and never corrects, one report a second. Sound can leave
    `floor` seconds after its capture, its picture is ready after `delay`, and is shown `natural` after it leaves.

    Returns the state, and by how much sound is heard after its picture.
    """
    sync = LipSync()
    late = 0.0
    for _ in range(seconds):
        leaves = delay + sync.hold
        sync.used = max(0.0, min(sync.lead, leaves + sync.slack - floor))
        placed = max(leaves + sync.shift, floor + sync.used)
        sync.placed = placed - leaves
        sync.reported(0.0, 0.0, natural - (buffered - sync.used))
        late = placed - sync.used + buffered - leaves - natural
    return sync, late


def test_sound_leaves_as_much_earlier_as_the_browser_buffers_it_longer() -> None:
    sync, late = listener(buffered=0.09, natural=0.01, floor=0.03, delay=0.1)
    assert sync.used == pytest.approx(0.08, abs=1e-3), "the browser sees them meet"
    assert late == pytest.approx(LATE, abs=1e-3), "and it is heard a little later"


def test_a_browser_that_plays_sound_at_once_gets_it_no_earlier() -> None:
    sync, late = listener(buffered=0.0, natural=0.03, floor=0.03, delay=0.1)
    assert sync.lead < 1e-3
    assert late == pytest.approx(LATE, abs=1e-3)


def test_a_browser_that_holds_the_picture_back_is_given_early_sound_until_it_lets_go() -> None:
    sync = LipSync()
    for _ in range(100):
        sync.used = sync.lead
        sync.reported(2 * HELD, 0.0, sync.used - FIRST_LEAD)
    assert sync.lead == pytest.approx(FIRST_LEAD + BEYOND, abs=1e-3)
    for _ in range(100):
        sync.used = sync.lead
        sync.reported(HELD / 2, 0.0, sync.used - FIRST_LEAD)
    assert sync.lead == pytest.approx(FIRST_LEAD, abs=1e-3), "not held any more: as late as the browser likes"


def test_a_browser_that_holds_the_sound_back_is_given_late_sound_until_it_lets_go() -> None:
    """Else it buffers what is sent earlier and earlier."""
    sync = LipSync()
    for _ in range(100):
        sync.used = sync.lead
        sync.reported(0.0, 2 * HELD, sync.used - FIRST_LEAD)
    assert sync.lead == pytest.approx(FIRST_LEAD - BEYOND, abs=1e-3)


def test_sound_that_is_there_early_enough_holds_no_picture_back() -> None:
    sync, late = listener(buffered=0.07, natural=0.01, floor=0.05, delay=0.1)
    assert sync.hold == 0.0
    assert late == pytest.approx(LATE, abs=1e-3)


def test_pictures_wait_for_sound_that_would_be_later_than_goes_unnoticed() -> None:
    sync, late = listener(buffered=0.07, natural=0.01, floor=0.05, delay=0.05)
    assert late == pytest.approx(TOLERATED, abs=2e-3)
    assert sync.hold == pytest.approx(0.06 - TOLERATED, abs=2e-3), "and no longer"


def test_pictures_wait_no_longer_than_is_bearable() -> None:
    sync, _ = listener(buffered=0.2, natural=0.01, floor=0.05, delay=0.05)
    assert sync.hold == LONGEST_HOLD
    assert sync.placed <= LATEST + 1e-3, "the rest is the browser's, which sees it and holds the picture back"


def test_pictures_are_let_go_when_sound_is_in_time_again() -> None:
    sync, _ = listener(buffered=0.2, natural=0.01, floor=0.05, delay=0.05)
    for _ in range(60):
        sync.placed = LATE
        sync.reported(0.0, 0.0, 0.0)
    assert sync.hold < 1e-3


def test_the_first_reports_are_followed_at_once() -> None:
    _, late = listener(buffered=0.09, natural=0.01, floor=0.05, delay=0.05, seconds=4)
    assert late == pytest.approx(TOLERATED, abs=0.01)


def test_until_a_browser_tells_it_is_taken_for_the_usual_one() -> None:
    sync = LipSync()
    for _ in range(3):
        sync.used = FIRST_LEAD
        sync.placed = 0.06 + sync.used - (0.05 + sync.hold)
        sync.unreported()
    assert sync.hold == pytest.approx(0.06 + FIRST_LEAD - 0.05 - TOLERATED)
    sync.reported(0.0, 0.0, 0.0)
    told = sync.hold
    sync.unreported()
    assert sync.hold == told, "whatever it told counts more"


def test_nonsense_of_the_first_seconds_changes_nothing() -> None:
    sync = LipSync()
    for ahead in (-4e9, 3.0, -1.5):
        sync.reported(0.0, 0.0, ahead)
    assert (sync.lead, sync.shift) == (FIRST_LEAD, 0.0)


def test_without_a_listener_nothing_is_shifted() -> None:
    sync = LipSync()
    sync.reported(0.0, 0.0, 0.02)
    sync.hold = 0.01
    assert sync.shift > 0.0
    sync.unheard()
    assert sync.shift == sync.hold == 0.0
