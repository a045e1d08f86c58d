"""Causal log-mel features with a running gain normalisation: what the speech network hears.

The spectrum is taken at 48 kHz and only its part below 8 kHz is used, which is the same as resampling to 16 kHz first
but needs no resampling filter and has none of its delay. Every 10 ms hop is computed by itself from the same fixed-size
arrays, so the result is bit-identical however the sound is cut into chunks.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from live.frames import AUDIO_RATE, FloatArray

HOP: Final = AUDIO_RATE // 100
"""Samples from one feature row to the next: 10 ms."""
WINDOW: Final = AUDIO_RATE // 40
"""Samples under the (periodic Hann) window: 25 ms, ending with the hop's last sample."""
MELS: Final = 40
FEATURES: Final = MELS + 3
"""Columns: 40 normalised log-mel bands, level above the speech level, above the noise, and speech above noise."""

_FFT: Final = 2048
_LOWEST_HZ: Final = 60.0
_HIGHEST_HZ: Final = 7800.0

_QUIETEST_DB: Final = -68.0  # speech level below which nothing is amplified further; full-scale sine = about 0
_FLOOR_DB: Final = -60.0  # bands this far below the speech level count as empty
_ABOVE_NOISE_DB: Final = 10.0  # the speech level is at least this far above the noise
_PEAK_RANGE_DB: Final = 20.0  # sound within this range of the speech level lowers it

_ATTACK: Final = 1.0 - np.exp(-0.01 / 0.05)
_RELEASE: Final = 1.0 - np.exp(-0.01 / 1.5)
_LEAK_DB: Final = 0.01 * 1.0  # per hop: a cough is forgotten at 1 dB/s
_NOISE_FALL: Final = 1.0 - np.exp(-0.01 / 0.05)
_NOISE_RISE_DB: Final = 0.01 * 2.5


def mel_filters() -> FloatArray:
    """Triangular filters on the mel scale (O'Shaughnessy 1987), float32 (40, bins below 8 kHz).

    Each averages its bins and lifts them by the power (1 + f/700 Hz)², about the spectral tilt of speech, so that
    fricatives are not lost under the floor.
    """

    edges = _mel_edges()
    bins = np.arange(_bins()) * AUDIO_RATE / _FFT
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters = np.maximum(np.minimum(rising, falling), 0.0)
    lift = (1.0 + edges[1:-1, None] / 700.0) ** 2
    return np.asarray(lift * filters / filters.sum(1, keepdims=True), np.float32)


def mel_centres() -> FloatArray:
    """Centre frequencies of the bands, float32 (40,), Hz."""
    return np.asarray(_mel_edges()[1:-1], np.float32)


def _mel_edges() -> NDArray[np.float64]:
    def mel(hertz: float) -> float:
        return 1127.0 * float(np.log1p(hertz / 700.0))

    return np.asarray(700.0 * np.expm1(np.linspace(mel(_LOWEST_HZ), mel(_HIGHEST_HZ), MELS + 2) / 1127.0))


def _bins() -> int:
    return int(np.ceil(_HIGHEST_HZ * _FFT / AUDIO_RATE)) + 1


class LevelTracker:
    """Follows the levels of speech and noise, so that whisper and shout look alike to the network.

    The speech level rises within 50 ms and falls slowly, only while something is heard; the noise level is a minimum
    tracker. Decibels relative to full scale.
    """

    def __init__(self) -> None:
        self.speech = _QUIETEST_DB
        self.noise = float("nan")

    def update(self, level: float) -> None:
        """Take the level (dB) of the next hop."""
        if np.isnan(self.noise):
            self.noise = level
        elif level < self.noise:
            self.noise += _NOISE_FALL * (level - self.noise)
        else:
            self.noise += min(_NOISE_RISE_DB, level - self.noise)
        self.noise = max(self.noise, _QUIETEST_DB + _FLOOR_DB)
        if level > self.speech:
            self.speech += _ATTACK * (level - self.speech)
        elif level > self.speech - _PEAK_RANGE_DB:
            self.speech += _RELEASE * (level - self.speech)
        else:
            self.speech -= _LEAK_DB
        self.speech = max(self.speech, self.noise + _ABOVE_NOISE_DB, _QUIETEST_DB)


class FeatureExtractor:
    """Turns 48 kHz sound into feature rows, one per 10 ms."""

    def __init__(self) -> None:
        self._filters = mel_filters()
        self._hann = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
        # So that a full-scale sine is about 0 dB when the bands are added up.
        self._hann *= np.float32(2.0 / (32768.0 * float(self._hann.sum())))
        self.reset()

    def reset(self) -> None:
        """Forget all sound and levels."""
        self.level = LevelTracker()
        self._window = np.zeros(WINDOW, np.float32)
        self._pending: NDArray[np.int16] = np.zeros(0, np.int16)

    def push(self, samples: NDArray[np.int16]) -> FloatArray:
        """Feature rows that became complete, float32 (n, 43), roughly -3..1.5 each.

        Args:
            samples: int16 (m,), mono 48 kHz, any m.
        """
        self._pending = np.concatenate((self._pending, samples))
        count = len(self._pending) // HOP
        rows = np.empty((count, FEATURES), np.float32)
        for i in range(count):
            self._window[:-HOP] = self._window[HOP:].copy()
            self._window[-HOP:] = self._pending[i * HOP : (i + 1) * HOP]
            self._row(rows[i])
        self._pending = self._pending[count * HOP :].copy()
        return rows

    def _row(self, row: FloatArray) -> None:
        spectrum = fft.rfft(self._window * self._hann, _FFT)[: self._filters.shape[1]]
        power = spectrum.real**2 + spectrum.imag**2
        bands = 10.0 * np.log10(self._filters @ power + 1e-13)
        level = float(10.0 * np.log10(power.sum() + 1e-11)) - 2.5
        if self._window.any():  # digital silence (a muted microphone, a gap) says nothing about the room
            self.level.update(level)
        speech = self.level.speech
        noise = level if np.isnan(self.level.noise) else self.level.noise
        # The bands of speech lie around 25 dB below its level (energy spread over some 100 bins).
        row[:MELS] = (np.clip(bands - speech, _FLOOR_DB, 10.0) + 30.0) / 20.0
        row[MELS] = (max(level - speech, _FLOOR_DB) + 15.0) / 20.0
        row[MELS + 1] = (min(level - noise, 60.0) - 20.0) / 20.0
        row[MELS + 2] = (min(speech - noise, 60.0) - 30.0) / 20.0
