"""`live.transport.lip_sync`: what the browser leaves between sound and picture is put right."""

from __future__ import annotations

import pytest

from live.transport.lip_sync import MOST, LipSync


def test_sound_leaves_as_much_earlier_as_it_is_buffered_longer() -> None:
    sync = LipSync()
    sync.reported(0.09, 0.06, None)
    assert sync.lead == pytest.approx(0.08), "what the picture waits for the sound does not count"
    assert sync.shift == 0.0
    sync.reported(0.005, 0.01, None)
    assert sync.lead == 0.0


def test_what_the_browser_leaves_is_approached() -> None:
    sync = LipSync()
    for _ in range(30):
        sync.reported(0.05, 0.01, 0.02)
    assert sync.shift == pytest.approx(0.02, abs=1e-4)
    for _ in range(30):
        sync.reported(0.05, 0.01, -0.015)
    assert sync.shift == pytest.approx(-0.015, abs=1e-4)


def test_a_browser_that_is_still_at_it_is_not_chased() -> None:
    sync = LipSync()
    for _ in range(100):
        sync.reported(0.05, 0.01, 3.0)
    assert sync.shift <= MOST


def test_without_a_listener_nothing_is_shifted() -> None:
    sync = LipSync()
    sync.reported(0.09, 0.01, 0.02)
    sync.unheard()
    assert (sync.lead, sync.shift) == (0.0, 0.0)
