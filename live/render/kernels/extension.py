"""Push-pull extension on the device: the twin of `live.render.extend`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from live.render.kernels.launch import THREADS, DeviceArray, Kernels, check_contiguous

SMALL_CELLS = 1024
SMALL_CHANNELS = 2
"""Levels of at most so many cells and channels are extended with all coarser ones in one launch."""

Level = tuple[DeviceArray, DeviceArray]
"""A pyramid level: float32 (N, h, w, C) values and (N, h, w) weights."""


def pyramid_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """(height, width) of every level, the given one first, down to one pixel."""
    sizes = [(height, width)]
    while max(sizes[-1]) > 1:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def push_pull(kernels: Kernels, levels: Sequence[Level]) -> None:
    """Fill the gaps of a field, in place.

    Args:
        kernels: where to run.
        levels: work space of `pyramid_sizes`; the first holds the field and its weights (0 = to be filled, 1 = known),
            and the filled field afterwards. All C-contiguous. Small levels' memory is not used.
    """
    for values, weight in levels:
        check_contiguous(values, "values")
        check_contiguous(weight, "weight")
    small = next((i for i, (fine, _) in enumerate(levels) if _is_small(fine)), None)
    levels = levels if small is None else levels[: small + 1]
    for (fine, known), (coarse, coarse_known) in pairwise(levels):
        sizes = _sizes(fine)
        count = coarse_known.size
        kernels.launch("push_level", count, fine, known, coarse, coarse_known, np.uint32(count), *sizes)
    if small is not None:
        fine, known = levels[-1]
        kernels.launch("extend_small", len(known) * THREADS, fine, known, *_sizes(fine))
    for (fine, known), (coarse, _) in zip(levels[-2::-1], levels[:0:-1], strict=True):
        kernels.launch("pull_level", known.size, coarse, fine, known, np.uint32(known.size), *_sizes(fine))


def _is_small(values: DeviceArray) -> bool:
    _, height, width, channels = values.shape
    return bool(height * width <= SMALL_CELLS and channels <= SMALL_CHANNELS)


def _sizes(values: DeviceArray) -> tuple[np.int32, np.int32, np.int32]:
    _, height, width, channels = values.shape
    return np.int32(height), np.int32(width), np.int32(channels)
