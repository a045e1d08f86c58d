"""The features are causal, the same for every cutting of the sound, and blind to the gain."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from live.frames import AUDIO_RATE
from live.motion.speech.features import FEATURES, HOP, MELS, FeatureExtractor, mel_filters


def sound(seconds: float = 1.5, seed: int = 0) -> NDArray[np.int16]:
    """Bursts of harmonics over faint noise, like syllables."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * AUDIO_RATE)) / AUDIO_RATE
    voice = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 20))
    syllables = np.maximum(np.sin(2 * np.pi * 3.0 * time), 0.0)
    return np.asarray(4000 * voice * syllables + 10 * random.standard_normal(len(time)), np.int16)


@pytest.mark.parametrize("seed", range(4))
def test_rows_do_not_depend_on_the_chunks(seed: int) -> None:
    samples = sound()
    whole = FeatureExtractor().push(samples)
    random = np.random.default_rng(seed)
    extractor, parts, start = FeatureExtractor(), [], 0
    while start < len(samples):
        count = int(random.integers(0, (5, 481, 3000, 40_000)[seed]))
        parts.append(extractor.push(samples[start : start + count]))
        start += count
    assert np.array_equal(np.concatenate(parts), whole)
    assert whole.shape == (len(samples) // HOP, FEATURES)


def test_later_sound_does_not_change_earlier_rows() -> None:
    samples = sound()
    changed = samples.copy()
    changed[30 * HOP :] = 12_345
    before, after = FeatureExtractor().push(samples), FeatureExtractor().push(changed)
    assert np.array_equal(before[:30], after[:30])
    assert not np.array_equal(before[30:], after[30:])


@pytest.mark.parametrize("gain_db", [-30.0, -20.0, -10.0, 0.0])
def test_gain_hardly_matters(gain_db: float) -> None:
    samples = sound().astype(np.float64)
    loudest = np.abs(samples).max()
    reference = FeatureExtractor().push(np.rint(samples * 20_000 / loudest).astype(np.int16))
    scaled = np.rint(samples * 32_767 * 10 ** (gain_db / 20) / loudest).astype(np.int16)
    rows = FeatureExtractor().push(scaled)
    assert np.abs(rows - reference)[20:].mean() < 0.06


def test_values_stay_in_range_for_any_sound() -> None:
    random = np.random.default_rng(1)
    for samples in (
        np.zeros(AUDIO_RATE, np.int16),
        np.full(AUDIO_RATE, -32768, np.int16),
        random.integers(-32768, 32768, AUDIO_RATE).astype(np.int16),
        np.where(np.arange(AUDIO_RATE) == 500, 32767, 0).astype(np.int16),
    ):
        rows = FeatureExtractor().push(samples)
        assert np.isfinite(rows).all()
        assert np.abs(rows).max() < 8.0


def test_a_tone_lights_up_its_band() -> None:
    time = np.arange(AUDIO_RATE // 2) / AUDIO_RATE
    filters = mel_filters()
    for hertz in (300.0, 1000.0, 4000.0):
        rows = FeatureExtractor().push(np.asarray(8000 * np.sin(2 * np.pi * hertz * time), np.int16))
        expected = int(filters[:, round(hertz * 2048 / AUDIO_RATE)].argmax())
        assert abs(int(rows[-1, :MELS].argmax()) - expected) <= 1


def test_muting_does_not_forget_the_levels() -> None:
    extractor = FeatureExtractor()
    extractor.push(sound())
    speech, noise = extractor.level.speech, extractor.level.noise
    extractor.push(np.zeros(3 * AUDIO_RATE, np.int16))
    extractor.push(np.zeros(3 * AUDIO_RATE, np.int16))
    # The window still holds a little sound at first; after that the levels rest.
    assert extractor.level.speech == pytest.approx(speech, abs=1.0)
    assert extractor.level.noise == pytest.approx(noise, abs=6.0)
