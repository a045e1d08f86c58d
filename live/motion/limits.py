"""How far a face may go: soft limits on expression, head rotation and position.

A value inside its range is untouched; towards the end of the range it is compressed smoothly instead of being cut, so
that strong motion slows down rather than freezes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from live.frames import EXPRESSION_COUNT, FloatArray
from live.motion.arkit import ARKIT_INDEX

EXPRESSION_KNEE: Final = 0.15
"""Width of the compressed end of an expression's range."""

ROTATION_LIMIT: Final[FloatArray] = np.radians(np.array([25.0, 35.0, 30.0])).astype(np.float32)
"""Largest pitch, yaw and roll, radians: beyond it one photo has too little to show."""

TRANSLATION_LIMIT: Final[FloatArray] = np.array([4.0, 3.0, 0.25], np.float32)
"""Largest shift from the portrait's own place: cm, cm, log size."""

RESIDUAL_LIMIT: Final = 3.0
"""Largest learned-shape coefficient, standard deviations."""

_HIGHEST: Final[dict[str, float]] = {
    # What looks broken on most people above these values; all others may reach 1.
    "jawForward": 0.7,
    "jawLeft": 0.7,
    "jawRight": 0.7,
    "cheekPuff": 0.8,
    "mouthLeft": 0.8,
    "mouthRight": 0.8,
    "noseSneerLeft": 0.9,
    "noseSneerRight": 0.9,
}


def _highest() -> FloatArray:
    top = np.ones(EXPRESSION_COUNT, np.float32)
    for name, value in _HIGHEST.items():
        top[ARKIT_INDEX[name]] = value
    return top


EXPRESSION_LIMIT: Final[FloatArray] = _highest()
"""float32 (52,): largest weight of each expression; the smallest is 0."""


def soft_clip(
    values: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    knee: ArrayLike,
    *,
    low_knee: ArrayLike | None = None,
    fixed: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Keep values within `low`..`high`, smoothly over the last `knee` at either end.

    Args:
        values: (n,) to be limited; not finite ones become `fixed` (or the middle of the range).
        low, high: (n,) or scalars, the range, never left.
        knee: (n,) or scalar >= 0, width of the compressed part in the values' unit; 0 cuts.
        low_knee: the same for the lower end when it differs; `None` = `knee`.
        fixed: (n,) values that must stay what they are (the portrait's rest); the range is widened to hold them, and
            the compressed part begins beyond them.

    Returns:
        float64 (n,). Monotonic in `values`, with a slope of 1 up to the knee.
    """
    x = np.asarray(values, np.float64)
    lo, hi = np.asarray(low, np.float64), np.asarray(high, np.float64)
    above = np.asarray(knee, np.float64)
    below = above if low_knee is None else np.asarray(low_knee, np.float64)
    if fixed is None:
        keep = 0.5 * (lo + hi)
        upper, lower = hi - above, lo + below
    else:
        keep = np.asarray(fixed, np.float64)
        lo, hi = np.minimum(lo, keep), np.maximum(hi, keep)
        upper, lower = np.maximum(hi - above, keep), np.minimum(lo + below, keep)
    x = np.where(np.isfinite(x), x, keep)
    return np.where(x > upper, _bend(x, upper, hi), np.where(x < lower, -_bend(-x, -lower, -lo), x))


def _bend(x: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exponential approach of `end` from `start` on, with slope 1 at the start."""
    room = end - start
    beyond = np.maximum(x - start, 0.0)
    safe = np.maximum(room, 1e-9)
    bent: NDArray[np.float64] = start + room * -np.expm1(-beyond / safe)
    return bent


def limit_expression(expression: ArrayLike, rest: FloatArray) -> FloatArray:
    """Expression weights (52,) within 0..`EXPRESSION_LIMIT`, leaving the portrait's `rest` (52,) reachable.

    The lower end is cut, not softened: 0 is where the lips meet and the eye is open, and must be reached exactly.
    """
    clipped = soft_clip(expression, 0.0, EXPRESSION_LIMIT, _UPPER_KNEE, low_knee=0.0, fixed=rest)
    return clipped.astype(np.float32)


def limit_rotation(rotation: ArrayLike, rest: FloatArray) -> FloatArray:
    """Pitch, yaw, roll (3,) softly within `ROTATION_LIMIT`, both from straight ahead and from the portrait's `rest`.

    A photo taken at 20° of yaw may turn on to 35° in total and back by 35°; every degree away from the photo costs
    quality, in either direction.
    """
    low = np.maximum(-ROTATION_LIMIT, rest - ROTATION_LIMIT)
    high = np.minimum(ROTATION_LIMIT, rest + ROTATION_LIMIT)
    return soft_clip(rotation, low, high, 0.3 * ROTATION_LIMIT, fixed=rest).astype(np.float32)


def limit_translation(translation: ArrayLike) -> FloatArray:
    """Shift (3,) softly within ±`TRANSLATION_LIMIT`."""
    limit = TRANSLATION_LIMIT
    return soft_clip(translation, -limit, limit, 0.5 * limit, fixed=np.zeros(3)).astype(np.float32)


def limit_residual(residual: ArrayLike) -> FloatArray:
    """Learned shapes (16,) softly within ±`RESIDUAL_LIMIT` standard deviations."""
    return soft_clip(residual, -RESIDUAL_LIMIT, RESIDUAL_LIMIT, 1.0, fixed=0.0).astype(np.float32)


def _upper_knee() -> FloatArray:
    knee = np.full(EXPRESSION_COUNT, EXPRESSION_KNEE, np.float32)
    # A closed eye must close: lids reach their end without compression.
    knee[[ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"], ARKIT_INDEX["mouthClose"]]] = 0.0
    return knee


_UPPER_KNEE: Final[FloatArray] = _upper_knee()
