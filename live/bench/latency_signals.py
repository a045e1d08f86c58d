"""From recorded crops and sound energy to events: how far a mouth is open, when a sound begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]

BLUR: Final = 1.2
"""Standard deviation in crop pixels of the blur that makes small head motion linear in the pixels."""

ITERATIONS: Final = 3
LARGEST_STEP: Final = 4.0
"""Crop pixels by which one iteration may shift."""

SOUND_SHARE: Final = 0.08
"""Share of a recording's loudest level (99th percentile) above which there is sound."""

COVERAGE: Final = 0.9
"""Share of a silence that must have been recorded."""

SMOOTHING_MS: Final = 4
"""Sound energy is averaged over this many milliseconds before the threshold."""


class MouthReader:
    """Reads the opening of a mouth from small luma crops, in spite of small head motion and changing light.

    A crop is taken apart by least squares into: the face at rest, the difference that an open mouth makes, and what
    shifting, scaling, turning, brightening and contrast make, to first order (image gradients, as in Lucas and Kanade
    1981), three times over, each time after moving the crop back. The share of the second is the opening: 0 as in
    `rest`, 1 as in `opened`. Nothing is learned from the recording that is judged.

    Args:
        rest: (rows, columns) crop of the face with its mouth at rest.
        opened: the same with an open mouth.
    """

    def __init__(self, rest: NDArray[np.uint8], opened: NDArray[np.uint8]) -> None:
        base, wide = _blurred(rest), _blurred(opened)
        vertical, horizontal = np.gradient(base)
        rows, columns = base.shape
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
        y, x = (y - rows / 2) / rows, (x - columns / 2) / columns
        nuisance = [
            horizontal,
            vertical,
            x * horizontal + y * vertical,
            x * vertical - y * horizontal,
            np.ones_like(base),
            base - base.mean(),
        ]
        design = np.stack([wide - base, *nuisance]).reshape(len(nuisance) + 1, -1).T
        self._shape = base.shape
        self._base = base.reshape(-1)
        self._solve = np.linalg.pinv(design, rcond=1e-6)

    def read(self, crops: NDArray[np.uint8]) -> Series:
        """`uint8 (n, rows, columns)` → opening `(n,)`."""
        return np.array([self._opening(_blurred(crop)) for crop in crops])

    def _opening(self, crop: Series) -> float:
        rows, columns = self._shape
        turn = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        opening = 0.0
        for _ in range(ITERATIONS):
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            moved = cv2.warpAffine(crop, turn, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            found = self._solve @ (np.asarray(moved, np.float64).reshape(-1) - self._base)
            opening = float(found[0])
            across, down, grown, turned = found[1:5]
            # crop(p) = base(p + d(p)): look where the base's pixels went, a little further every time
            a, b = grown / columns, turned / columns
            step = np.array([[1 - a, b, -across + (a - b) * columns / 2], [-b, 1 - a, -down + (a + b) * rows / 2]])
            step[:, 2] = np.clip(step[:, 2], -LARGEST_STEP, LARGEST_STEP)
            step[:, :2] = np.clip(step[:, :2], -1.1, 1.1)
            turn = turn @ np.vstack([step, [0.0, 0.0, 1.0]])
        return opening


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


def _blurred(crop: NDArray[np.uint8]) -> Series:
    return np.asarray(cv2.GaussianBlur(crop.astype(np.float64), (0, 0), BLUR), np.float64)
