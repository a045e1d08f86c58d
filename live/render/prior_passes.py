"""The passes over the pixels of the motion prior, compiled: `live.render.prior` says what they are for."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray
from live.render.grid import ramp
from live.render.rasterise import NO_TRIANGLE, IntArray


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def split_drawn(
    values: FloatArray,
    triangles: IntArray,
    rigid: FloatArray,
    skin: FloatArray,
    known: FloatArray,
    outside: NDArray[np.uint8],
    displacement: FloatArray,
) -> None:
    """Masks of what was drawn, and its displacement without the head's own.

    Args:
        values: (h, w, 5) drawn displacement, visibility and texture coordinates; triangles: (h, w).
        rigid: (h, w, 2) the head's displacement.
        skin: (h, w) written: 1 where the mesh was drawn; outside: its opposite.
        known: (h, w) written: 1 where the photo shows it.
        displacement: (h, w, 2) written.
    """
    for y in range(skin.shape[0]):
        for x in range(skin.shape[1]):
            drawn = triangles[y, x] != NO_TRIANGLE
            skin[y, x] = np.float32(drawn)
            outside[y, x] = not drawn
            known[y, x] = np.float32(drawn and values[y, x, 2] > 0)
            displacement[y, x, 0] = values[y, x, 0] - rigid[y, x, 0]
            displacement[y, x, 1] = values[y, x, 1] - rigid[y, x, 1]


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def keep_known(known: FloatArray, displacement: FloatArray, filled: FloatArray) -> None:
    """Put the known `displacement` (h, w, 2) over what was `filled` in, in place there."""
    for y in range(known.shape[0]):
        for x in range(known.shape[1]):
            if known[y, x] > 0:
                filled[y, x, 0] = displacement[y, x, 0]
                filled[y, x, 1] = displacement[y, x, 1]


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def smooth_outside(
    skin: FloatArray, away: FloatArray, blurred: FloatArray, smooth: float, spread: float, displacement: FloatArray
) -> None:
    """Away from the mesh go over to the `blurred` displacement (h, w, 2) within `smooth`, and to none within `spread`.

    `away`: (h, w) distance from the mesh in the unit of both; `displacement`: (h, w, 2), changed in place.
    """
    zero, reach, far = np.float32(0), np.float32(smooth), np.float32(spread)
    for y in range(skin.shape[0]):
        for x in range(skin.shape[1]):
            if skin[y, x] > 0:
                continue
            share = ramp(away[y, x], zero, reach)
            kept = ramp(away[y, x], far, zero)
            for k in range(2):
                own = displacement[y, x, k]
                displacement[y, x, k] = (own + (blurred[y, x, k] - own) * share) * kept


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def finish_flow(
    head: FloatArray, blurred: FloatArray, rigid: FloatArray, fade: FloatArray, displacement: FloatArray
) -> None:
    """Even out the rim of the `head` (h, w) with the `blurred` displacement, add the `rigid` one, still the border.

    Args:
        head: (h, w) 0..1, blurred mask; fade: (h, w), 0 at the picture's border.
        displacement: (h, w, 2) in; out: where each pixel comes from, crop sides.
    """
    height, width = head.shape
    one, two, half = np.float32(1), np.float32(2), np.float32(0.5)
    for y in range(height):
        for x in range(width):
            rim = max(one - abs(two * head[y, x] - one), np.float32(0))
            for k in range(2):
                own = displacement[y, x, k]
                moved = (own + (blurred[y, x, k] - own) * rim + rigid[y, x, k]) * fade[y, x]
                centre = (
                    (np.float32(x) + half) / np.float32(width)
                    if k == 0
                    else (np.float32(y) + half) / np.float32(height)
                )
                displacement[y, x, k] = centre + moved
