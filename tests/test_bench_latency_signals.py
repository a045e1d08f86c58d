"""The detectors of the latency benchmark on pictures and sounds whose truth is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from live.bench.latency_signals import MouthReader, SoundLevel, chunk_times, sound_onsets, steps

SIDE = 32


def face(opening: float, shift: tuple[float, float] = (0.0, 0.0), light: float = 0.0) -> NDArray[np.uint8]:
    """A face-like crop drawn at eight times its size: cheeks, a nose, lips, and a dark opening of given height."""
    big = SIDE * 8
    image = np.full((big, big), 170, np.uint8)
    cv2.circle(image, (big // 2, 20), 26, 120, -1)
    cv2.ellipse(image, (big // 2, big // 2), (80, 16), 0, 0, 360, 105, -1)
    cv2.ellipse(image, (big // 2, big // 2 + 8), (60, 4 + round(40 * opening)), 0, 0, 360, 35, -1)
    cv2.circle(image, (40, big - 50), 14, 190, -1)
    move = np.array([[1.0, 0.0, shift[0] * 8], [0.0, 1.0, shift[1] * 8]])
    moved = cv2.warpAffine(image, move, (big, big), borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(moved, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    return np.clip(np.rint(small + light), 0, 255).astype(np.uint8)


@pytest.fixture
def reader() -> MouthReader:
    return MouthReader(face(0.0), face(1.0))


def test_references_read_as_zero_and_one(reader: MouthReader) -> None:
    closed, opened = reader.read(np.stack([face(0.0), face(1.0)]))
    assert closed == pytest.approx(0.0, abs=0.02)
    assert opened == pytest.approx(1.0, abs=0.1)


def test_reading_grows_with_the_opening(reader: MouthReader) -> None:
    values = reader.read(np.stack([face(o) for o in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]))
    assert (np.diff(values) > 0.05).all()


@pytest.mark.parametrize("shift", [(1.5, 0.0), (0.0, 1.5), (-2.0, 1.0), (0.7, -1.2)])
def test_a_moved_head_is_not_an_open_mouth(reader: MouthReader, shift: tuple[float, float]) -> None:
    closed, opened = reader.read(np.stack([face(0.0, shift), face(0.8, shift)]))
    assert abs(closed) < 0.12
    assert opened > 0.5


def test_light_is_not_an_open_mouth(reader: MouthReader) -> None:
    assert abs(float(reader.read(face(0.0, light=-25.0)[None])[0])) < 0.08


def test_nothing_recorded_reads_as_nothing(reader: MouthReader) -> None:
    assert reader.read(np.zeros((0, SIDE, SIDE), np.uint8)).shape == (0,)


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
