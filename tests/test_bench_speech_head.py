"""The head figures of `live bench speech` on heads whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from live.bench.speech_head import HeadFigures, compare, head_figures, head_report, loudness, stressed
from live.frames import AUDIO_RATE

SECONDS = 12.0
STRESSES = np.arange(1.0, SECONDS - 0.5, 0.8)


def speech_like() -> NDArray[np.int16]:
    """Steady noise with a louder syllable at each of `STRESSES`."""
    time = np.arange(int(SECONDS * AUDIO_RATE)) / AUDIO_RATE
    level = 0.02 + sum(0.3 * np.exp(-0.5 * ((time - t) / 0.06) ** 2) for t in STRESSES)
    noise = np.random.default_rng(0).standard_normal(len(time))
    return np.clip(6000 * level * noise, -32768, 32767).astype(np.int16)


def head(nods_at: NDArray[np.float64], late_s: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    pts = np.arange(0.0, SECONDS, 1 / 25)
    pitch = sum(0.05 * np.tanh((pts - t - late_s) / 0.06) * (-1) ** k for k, t in enumerate(nods_at))
    return pts, np.stack([pitch, 0.1 * np.sin(pts), np.zeros_like(pts)], 1).astype(np.float32)


def test_stressed_syllables_are_found_where_they_are() -> None:
    found = stressed(*loudness(speech_like()))
    assert len(found) == len(STRESSES)
    # The first falls while the speech level is being learnt.
    assert np.abs(found - STRESSES).max() < 0.06 and np.abs(found - STRESSES)[1:].max() < 0.03


def test_nods_on_stresses_are_told_from_nods_anywhere() -> None:
    sound = speech_like()
    lids = np.zeros(int(SECONDS * 25), np.float32)
    on = head_figures(*head(STRESSES), lids, sound)
    late = head_figures(*head(STRESSES, 0.12), lids, sound)
    random = np.random.default_rng(3)
    anywhere = head_figures(*head(np.sort(random.uniform(0.5, SECONDS, 40))), lids, sound)
    assert on.nod > 1.3
    assert late.nod == pytest.approx(on.nod, abs=0.15)  # sound that is off is corrected
    assert anywhere.nod < on.nod - 0.15
    assert on.coupling > anywhere.coupling


def test_range_speed_and_blinks() -> None:
    pts = np.arange(0.0, 20.0, 1 / 30)
    rotation = np.zeros((len(pts), 3), np.float32)
    rotation[:, 1] = 0.1 * np.sin(2 * np.pi * 0.5 * pts)
    lids = np.zeros(len(pts), np.float32)
    for t in (2.0, 6.0, 11.0, 15.0, 19.0):
        lids[(pts >= t) & (pts < t + 0.15)] = 0.9
    figures = head_figures(pts, rotation, lids, np.zeros(20 * AUDIO_RATE, np.int16))
    assert figures.spread == pytest.approx([0.0, np.degrees(0.1 / np.sqrt(2)), 0.0], abs=0.1)
    assert figures.speed[1] == pytest.approx(np.degrees(0.1 * np.pi / np.sqrt(2)), rel=0.03)
    assert figures.blinks == pytest.approx(15.0, abs=0.2)
    assert np.isnan(figures.nod)


def test_comparison_says_what_is_outside() -> None:
    def figures(pitch: float) -> HeadFigures:
        return HeadFigures(np.array([pitch, 2.0, 2.0]), np.full(3, 10.0), 20.0, 1.1, 0.2)

    rows = compare([figures(p) for p in (1.0, 2.0, 3.0)], [figures(9.0), figures(9.0)], [figures(2.0)])
    assert [row["within"] for row in rows] == [False, *[True] * 8]
    assert "| pitch range ° | 2.0 | 1.2 to 2.8 | 2.0 | 9.0 | no |" in head_report(rows, 3)
