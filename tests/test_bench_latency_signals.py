"""The detectors of the latency benchmark on sounds and curves whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from live.bench.latency_signals import SoundLevel, chunk_times, sound_onsets, steps


def bursts(*spans: tuple[int, int], length: int = 4000, gain: float = 0.3) -> SoundLevel:
    level = np.full(length, 0.0004)
    for begin, end in spans:
        level[begin:end] = gain
    return SoundLevel(np.arange(length, dtype=np.float64) + 5000.0, level)


def test_onsets_of_separated_bursts() -> None:
    found = sound_onsets(bursts((600, 1000), (1900, 2300), (3100, 3500)))
    assert found == pytest.approx([5600.0, 6900.0, 8100.0], abs=4.0)


def test_onsets_do_not_depend_on_gain() -> None:
    quiet, loud = (sound_onsets(bursts((600, 1000), (2000, 2600), gain=g)) for g in (0.05, 0.9))
    assert quiet == pytest.approx(loud, abs=2.0)


def test_short_pauses_do_not_make_onsets() -> None:
    assert len(sound_onsets(bursts((600, 1000), (1080, 1500), (1600, 2000)))) == 1


def test_sound_from_the_very_beginning_has_no_onset() -> None:
    assert len(sound_onsets(bursts((0, 800), (2000, 2400)))) == 1


def test_a_hole_in_the_recording_is_not_silence() -> None:
    whole = bursts((600, 2000))
    kept = np.r_[0:900, 1300:4000]
    assert sound_onsets(SoundLevel(whole.times[kept], whole.level[kept])) == pytest.approx([5600.0], abs=4.0)


def test_silence_has_no_onsets() -> None:
    assert len(sound_onsets(SoundLevel(np.arange(1000.0), np.zeros(1000)))) == 0
    assert len(sound_onsets(SoundLevel(np.zeros(0), np.zeros(0)))) == 0


def test_late_deliveries_do_not_move_chunks() -> None:
    rng = np.random.default_rng(3)
    ends = 10.0 * np.arange(1, 201)
    late = np.where(rng.random(200) < 0.4, rng.uniform(0.0, 30.0, 200), 0.0)
    found = chunk_times(ends + 777.0 + late, ends)
    assert np.abs(found - ends - 777.0).max() < 1e-9


def test_a_lost_chunk_does_harm_only_near_by() -> None:
    ends = 10.0 * np.arange(1, 201)  # counts what was received: the sound of 50 ms is missing in the middle
    stamps = ends + 777.0 + np.where(np.arange(200) >= 100, 50.0, 0.0)
    error = np.abs(chunk_times(stamps, ends) - stamps)
    assert error[:100].max() == 0.0
    assert error[111:].max() == 0.0


def test_steps() -> None:
    times = np.arange(8.0) * 40.0
    opening = np.array([0.0, 0.1, 0.9, 1.0, 0.8, 0.2, 0.0, 0.7])
    assert steps(times, opening) == [(80.0, True), (200.0, False), (280.0, True)]
