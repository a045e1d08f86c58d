"""How far a mouth is open, read from small luma crops of a face whose head may turn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from live.bench.latency_signals import Series

Crop = NDArray[np.uint8]

BLUR: Final = 1.2
"""Standard deviation in crop pixels of the blur that makes small head motion linear in the pixels."""

ITERATIONS: Final = 3
LARGEST_STEP: Final = 4.0
"""Crop pixels by which one iteration may shift."""

WORTH_SHARING: Final = 4000
"""Pictures from which on all cores read them: those of a soak take one core minutes."""

DECISION: Final = 8
"""Power of a reference's mean squared misfit by which its reading counts less: the best one or two decide."""

FINEST: Final = 1e-6
"""Mean squared misfit (grey levels²) below which references are equally good."""


class MouthReader:
    """Reads the opening of a mouth in spite of head motion and changing light.

    A crop is taken apart by least squares into: the face at rest, the difference that an open mouth makes, and what
    shifting, scaling, turning, brightening and contrast make, to first order (image gradients, as in Lucas and Kanade
    1981), three times over, each time after moving the crop back. The share of the second is the opening: 0 as in
    `rest`, 1 as in `opened`. Nothing is learned from the recording that is judged.

    A head that nods or turns does more than that: the chin moves against the collar, lips and teeth foreshorten. By one
    reference alone three degrees of pitch read like a third of an opening, or halve a real one. So every reference
    pair, one per head rotation, takes the crop apart, and the pair that leaves the least unexplained is believed.

    Args:
        references: one or more pairs of (rows, columns) crops: the face with its mouth at rest and open.
    """

    def __init__(self, references: Sequence[tuple[Crop, Crop]]) -> None:
        self._references = [_Reference(rest, opened) for rest, opened in references]

    def read(self, crops: NDArray[np.uint8]) -> Series:
        """`uint8 (n, rows, columns)` → opening `(n,)`."""
        workers = os.cpu_count() or 1
        if workers == 1 or len(crops) < WORTH_SHARING:
            return self._alone(crops)
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            return np.concatenate(list(pool.map(self._alone, np.array_split(crops, 4 * workers))))

    def _alone(self, crops: NDArray[np.uint8]) -> Series:
        return np.array([self._opening(_blurred(crop)) for crop in crops])

    def _opening(self, crop: Series) -> float:
        found = np.array([reference.read(crop) for reference in self._references])
        trust = np.power(1.0 / (found[:, 1] / max(found[:, 1].min(), FINEST) + FINEST), DECISION)
        return float(np.average(found[:, 0], weights=trust))


class _Reference:
    """A face at rest and with an open mouth, seen with one head rotation."""

    def __init__(self, rest: Crop, opened: Crop) -> None:
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
        self._design = np.stack([wide - base, *nuisance]).reshape(len(nuisance) + 1, -1).T
        self._shape = base.shape
        self._base = base.reshape(-1)
        self._solve = np.linalg.pinv(self._design, rcond=1e-6)

    def read(self, crop: Series) -> tuple[float, float]:
        """The opening in a blurred crop, and the mean square (grey levels²) of what the reference cannot explain."""
        rows, columns = self._shape
        turn = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        opening = misfit = 0.0
        for _ in range(ITERATIONS):
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            moved = cv2.warpAffine(crop, turn, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            difference = np.asarray(moved, np.float64).reshape(-1) - self._base
            found = self._solve @ difference
            left = difference - self._design @ found
            opening, misfit = float(found[0]), float(left @ left) / len(left)
            across, down, grown, turned = found[1:5].tolist()
            # crop(p) = base(p + d(p)): look where the base's pixels went, a little further every time
            a, b = grown / columns, turned / columns
            a, b = min(2.1, max(-0.1, a)), min(1.1, max(-1.1, b))
            right, below = -across + (a - b) * columns / 2, -down + (a + b) * rows / 2
            step = np.array([[1 - a, b, _limited(right)], [-b, 1 - a, _limited(below)], [0.0, 0.0, 1.0]])
            turn = turn @ step
        return opening, misfit


def _limited(shift: float) -> float:
    return min(LARGEST_STEP, max(-LARGEST_STEP, shift))


def _blurred(crop: Crop) -> Series:
    return np.asarray(cv2.GaussianBlur(crop.astype(np.float64), (0, 0), BLUR), np.float64)
