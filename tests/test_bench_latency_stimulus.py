"""Film and speech of the latency benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from live.bench.latency_lips import read_wav, sound_level
from live.bench.latency_signals import sound_onsets
from live.bench.latency_stimulus import (
    HOLD,
    SILENCE,
    Box,
    luma_crop,
    mouth_states,
    speech_with_silences,
    trim,
    write_film,
    write_wav,
)
from live.frames import AUDIO_RATE


def tone(seconds: float) -> np.ndarray:
    t = np.arange(round(seconds * AUDIO_RATE)) / AUDIO_RATE
    return np.rint(12000 * np.sin(2 * np.pi * 180 * t)).astype(np.int16)


def test_mouth_jumps_at_irregular_instants_and_is_closed_at_both_ends() -> None:
    states = mouth_states(300, 25, np.random.default_rng(1))
    jumps = np.flatnonzero(np.diff(states.astype(int))) + 1
    holds = np.diff(jumps) / 25
    assert not states[:25].any() and not states[-25:].any()
    assert len(jumps) >= 10
    assert holds[:-1].min() >= HOLD[0] - 0.04 and holds.max() <= HOLD[1] + 0.04
    assert len(set(holds.round(2))) > 3


def test_film_is_a_y4m_that_shows_the_pictures(tmp_path: Path) -> None:
    dark, light = (np.full((48, 64, 3), v, np.uint8) for v in (40, 200))
    write_film(tmp_path / "film.y4m", [dark, dark, light], 25, np.random.default_rng(1))
    data = (tmp_path / "film.y4m").read_bytes()
    header, _, rest = data.partition(b"\n")
    size = len(b"FRAME\n") + 64 * 48 * 3 // 2
    assert header == b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg"
    assert len(rest) == 3 * size
    means = [np.frombuffer(rest[i * size + 6 : i * size + 6 + 64 * 48], np.uint8).mean() for i in range(3)]
    assert means[1] == pytest.approx(means[0], abs=1.0)
    assert means[2] - means[0] > 100


def test_speech_has_the_onsets_it_should(tmp_path: Path) -> None:
    samples = speech_with_silences([tone(0.4), tone(0.6)], 10.0, np.random.default_rng(2))
    write_wav(tmp_path / "speech.wav", samples)
    assert (read_wav(tmp_path / "speech.wav") == samples).all()
    onsets = sound_onsets(sound_level(samples))
    assert onsets[0] == pytest.approx(1000.0, abs=6.0)
    gaps = np.diff(onsets) / 1e3
    assert len(onsets) >= 5
    assert gaps.min() > 0.4 + SILENCE[0] - 0.01 and gaps.max() < 0.6 + SILENCE[1] + 0.01


def test_trim_cuts_silence_and_sets_the_level() -> None:
    padded = np.concatenate([np.zeros(5000, np.int16), tone(0.2), np.zeros(7000, np.int16)])
    cut = trim(padded)
    assert abs(len(cut) - round(0.2 * AUDIO_RATE)) < 200
    assert np.abs(cut).max() == round(0.6 * 32767)


def test_crop_is_the_box() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[20:40, 50:100] = 255
    assert luma_crop(picture, Box(0.25, 0.2, 0.25, 0.2), 8, 8).min() == 255
    assert luma_crop(picture, Box(0.6, 0.2, 0.25, 0.2), 8, 8).max() == 0
