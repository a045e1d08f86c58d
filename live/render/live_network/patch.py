"""What a region network makes of its crop: a change that is added, so that the picture's finer detail stays.

Inside the mouth the geometric picture is drawn from a model, and its fine detail is made up: there the network's
picture takes its place instead, all but a part that keeps the photo's teeth visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numba
import numpy as np

from live.frames import FloatArray

DRAWN_GUIDES: Final = (2, None)
"""Number of the guide that says where the picture is drawn, in the mouth's and in the eyes' crops."""

DRAWN_GAIN: Final = 2.5
"""Multiplies that guide, which is coarse, so that the edge of the opening counts as drawn."""

DRAWN_SHOWN: Final = 0.5
"""How much of what is drawn stays. The network's teeth are the mean of many people's; the drawn ones are the photo's
where it shows them, but their detail is made up where it shows none. Judged by eye: more keeps a smile's teeth
sharper, less makes other mouths softer and closer to the truth (0.65 → 0.4: 0.114 → 0.107 inside held-out mouths)."""


@dataclass(frozen=True, slots=True)
class Patch:
    """What a region network makes of a crop, ready to be laid over a picture of any size.

    Attributes:
        change: float32 (C, C, 3), levels to add, times `mask`.
        mask: float32 (C, C) 0…1, how much of what was there is covered.
        own: float32 (C, C) 0…`mask`, how much of the picture itself `change` is added to.
    """

    change: FloatArray
    mask: FloatArray
    own: FloatArray

    @staticmethod
    def of(seen: FloatArray, rgb: FloatArray, mask: FloatArray, guide: int | None) -> Patch:
        """From a crop (3 + guides, C, C) −1…1 and the network's `rgb` (3, C, C) −1…1 and `mask` (C, C) for it.

        `guide` is the number of the guide that is 1 where the picture is drawn, not photographed: its detail finer than
        the crop is not worth keeping there.
        """
        change, covered, own = np.empty((*mask.shape, 3), np.float32), np.empty_like(mask), np.empty_like(mask)
        drawn = None if guide is None else seen[3 + guide]
        _change(seen, rgb, mask, drawn, change, covered, own)
        return Patch(change, covered, own)


@numba.njit(cache=True, nogil=True, fastmath=True)  # type: ignore[untyped-decorator, unused-ignore]
def _change(
    seen: FloatArray,
    rgb: FloatArray,
    mask: FloatArray,
    guide: FloatArray | None,
    change: FloatArray,
    covered: FloatArray,
    own: FloatArray,
) -> None:
    """Fill `change`, `covered` and `own`, see `Patch.of`."""
    one, gain, shown = np.float32(1), np.float32(DRAWN_GAIN), np.float32(DRAWN_SHOWN)
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            drawn = np.float32(0) if guide is None else min(guide[row, column] * gain, one)
            m = mask[row, column] * (one - shown * drawn)
            covered[row, column] = m
            own[row, column] = m * (one - drawn)
            for k in range(3):
                before = seen[k, row, column]
                added = rgb[k, row, column] - before + drawn * (before + one)
                change[row, column, k] = m * added * np.float32(127.5)
