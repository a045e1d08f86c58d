"""From recorded curves to events: when a sound begins, when a mouth jumps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]

SOUND_SHARE: Final = 0.08
"""Share of a recording's loudest level (99th percentile) above which there is sound."""

COVERAGE: Final = 0.9
"""Share of a silence that must have been recorded."""

SMOOTHING_MS: Final = 4
"""Sound energy is averaged over this many milliseconds before the threshold."""


@dataclass(frozen=True, slots=True)
class SoundLevel:
    """Sound energy over time: `level` (RMS of a millisecond, 0..1) at `times` (ms), increasing."""

    times: Series
    level: Series


def sound_onsets(sound: SoundLevel, silence_ms: float = 250.0) -> Series:
    """Instants (ms) at which sound begins after at least `silence_ms` of silence.

    The threshold is relative to the recording's own loudness, so that a gain on the way (automatic gain control) moves
    an onset little; what it moves is part of the stated error.
    """
    if len(sound.level) < 2:
        return np.zeros(0)
    kernel = np.ones(SMOOTHING_MS) / SMOOTHING_MS
    # causal: an onset is never seen before it is there
    smooth = np.convolve(sound.level, kernel)[: len(sound.level)]
    threshold = SOUND_SHARE * np.percentile(smooth, 99)
    loud = np.flatnonzero(smooth > max(threshold, 1e-5))
    if len(loud) == 0:
        return np.zeros(0)
    times = sound.times[loud]
    begins = np.concatenate([[times[0] - sound.times[0] >= silence_ms], np.diff(times) >= silence_ms])
    # Silence must have been heard: a hole in the recording is not one.
    heard = loud - np.searchsorted(sound.times, times - silence_ms)
    found: Series = times[begins & (heard >= COVERAGE * silence_ms)]
    return found


def chunk_times(stamps: Series, ends: Series, window: int = 10) -> Series:
    """When chunks really began to be due, for stamps that are late now and then but never early.

    `ends` counts the milliseconds of sound up to each chunk's end. Within `window` chunks to either side the least late
    stamp counts: lost chunks, which make stamp and count disagree for good, do harm only near by.
    """
    slack = stamps - ends
    padded = np.pad(slack, window, mode="edge")
    least = np.lib.stride_tricks.sliding_window_view(padded, 2 * window + 1).min(axis=1)
    result: Series = ends + least
    return result


def steps(times: Series, opening: Series, threshold: float = 0.5) -> list[tuple[float, bool]]:
    """(instant of the first frame on the other side of `threshold`, is it now above) of every crossing."""
    above = opening > threshold
    changes = np.flatnonzero(np.diff(above.astype(np.int8))) + 1
    return [(float(times[i]), bool(above[i])) for i in changes]
