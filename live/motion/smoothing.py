"""One-Euro filtering of a whole `MotionFrame`, with constants per part of the face."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from live.frames import EXPRESSION_COUNT, RESIDUAL_COUNT, MotionFrame
from live.motion.arkit import ARKIT_NAMES
from live.motion.one_euro import OneEuroFilter, OneEuroSettings

# Speeds are per second: an eyelid closes at about 8/s, a syllable moves the jaw at 2..5/s, trembling is below 0.5/s.
LIDS: Final = OneEuroSettings(min_cutoff=2.0, beta_rising=6.0, beta_falling=3.0, derivative_cutoff=15.0)
"""Blinks: closing passes almost untouched, opening nearly so."""

GAZE: Final = OneEuroSettings(min_cutoff=1.5, beta=4.0, derivative_cutoff=6.0)
"""Gaze: calm fixations, quick saccades."""

OPENING: Final = OneEuroSettings(min_cutoff=3.0, beta_rising=3.0, beta_falling=6.0, derivative_cutoff=10.0)
"""Shapes that part the lips: a closure (falling) is fastest, so that p, b and m meet."""

CLOSING: Final = OneEuroSettings(min_cutoff=3.0, beta_rising=6.0, beta_falling=3.0, derivative_cutoff=10.0)
"""Shapes that press the lips together: mirror image of `OPENING`."""

MOUTH: Final = OneEuroSettings(min_cutoff=2.5, beta=3.0, derivative_cutoff=8.0)
"""The rest of the mouth, jaw, cheeks and tongue."""

BROWS: Final = OneEuroSettings(min_cutoff=1.5, beta=2.0, derivative_cutoff=4.0)
"""Brows and nose: slow and easily trembling."""

ROTATION: Final = OneEuroSettings(
    min_cutoff=2.0, beta=8.0, derivative_cutoff=3.0, prediction=0.7, prediction_speed=0.12
)
"""Head rotation, radians; a lively turn is 1..3 rad/s."""

POSITION: Final = OneEuroSettings(min_cutoff=1.5, beta=1.0, derivative_cutoff=3.0, prediction=0.7, prediction_speed=1.5)
"""Head position, cm; a lively shift is 10..30 cm/s."""

SIZE: Final = OneEuroSettings(min_cutoff=1.5, beta=8.0, derivative_cutoff=3.0, prediction=0.7, prediction_speed=0.1)
"""Logarithm of the apparent size."""

RESIDUAL: Final = OneEuroSettings(min_cutoff=2.0, beta=0.7, derivative_cutoff=6.0)
"""Learned shapes, standard deviations."""

_OPENING_NAMES: Final = ("jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthFunnel")
_CLOSING_NAMES: Final = ("mouthClose", "mouthPress", "mouthRoll", "mouthShrug")


def expression_settings(name: str) -> OneEuroSettings:
    """The constants for one ARKit expression."""
    if name.startswith(("eyeBlink", "eyeSquint", "eyeWide")):
        return LIDS
    if name.startswith("eyeLook"):
        return GAZE
    if name.startswith(("brow", "nose")):
        return BROWS
    if name.startswith(_OPENING_NAMES):
        return OPENING
    if name.startswith(_CLOSING_NAMES):
        return CLOSING
    return MOUTH


class MotionSmoother:
    """Smooths successive `MotionFrame`s by their `pts`."""

    def __init__(self) -> None:
        self._filter = OneEuroFilter(
            [expression_settings(n) for n in ARKIT_NAMES]
            + [ROTATION] * 3
            + [POSITION, POSITION, SIZE]
            + [RESIDUAL] * RESIDUAL_COUNT
        )

    def __call__(self, motion: MotionFrame) -> MotionFrame:
        """The smoothed frame; stamps `smooth`. Coefficients that are not finite keep their last value."""
        start_ns = time.monotonic_ns()
        parts = [motion.expression, motion.rotation, motion.translation, motion.residual]
        values = self._filter(np.concatenate(parts), motion.pts).astype(np.float32)
        e = EXPRESSION_COUNT
        smooth = MotionFrame(
            pts=motion.pts,
            expression=values[:e],
            rotation=values[e : e + 3],
            translation=values[e + 3 : e + 6],
            residual=values[e + 6 :],
            confidence=motion.confidence,
            trace=motion.trace,
        )
        motion.trace.stamp("smooth", start_ns)
        return smooth

    def reset(self) -> None:
        """Forget the past, for a face that was lost."""
        self._filter.reset()
