"""Mapping a driver's motion onto an avatar: relative to both faces' neutral, or as is.

People differ from their portraits: in how they sit, smile and hold their eyes. Relative retargeting moves the portrait
by how the driver differs from the driver's own neutral, so that a neutral driver shows the photo unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from live.frames import EXPRESSION_COUNT, FloatArray, MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.limits import limit_expression, limit_residual, limit_rotation, limit_translation
from live.motion.mixing import interpolate_rotation
from live.motion.pose import euler, rotation_matrix

RetargetMode = Literal["relative", "absolute"]

_LIDS: Final = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
_STILL: Final = np.zeros(3, np.float32)


def _ones() -> FloatArray:
    return np.ones(EXPRESSION_COUNT, np.float32)


@dataclass(frozen=True, slots=True)
class RetargetGains:
    """How strongly the avatar follows.

    Attributes:
        expression: float32 (52,), 1 = as much as the driver.
        rotation: share of the driver's turn, 0 = the head stays, 1 = as much.
        translation: share of the driver's shift.
    """

    expression: FloatArray = field(default_factory=_ones)
    rotation: float = 1.0
    translation: float = 0.6


DEFAULT_GAINS: Final = RetargetGains()


def retarget(
    drive: MotionFrame,
    neutral: MotionFrame,
    rest: MotionFrame,
    *,
    mode: RetargetMode = "relative",
    gains: RetargetGains = DEFAULT_GAINS,
    closed_lids: float = 1.0,
) -> MotionFrame:
    """The motion to give to an avatar's renderer.

    Relative: expression = rest + gain (drive - neutral); rotation matrix `R = R_drive R_neutral⁻¹ R_rest`, the turn
    from the neutral being scaled by its gain; translation = rest + gain (drive - neutral). The lids are mapped so that
    neutral gives rest and closed gives closed, whatever the two differ by.

    Absolute: expression and rotation are the driver's own. The position stays relative, because where the driver sits
    before the camera says nothing about where the portrait is in its photo.

    Everything is then limited softly (`live.motion.limits`); values that are not finite become the rest's.

    Args:
        drive: the driver's motion.
        neutral: the driver's motion at rest, from `live.motion.calibration`; for a driver whose coefficients are
            already relative to a neutral face (idle motion, speech) `MotionFrame.neutral()`.
        rest: the motion that reproduces the avatar's photo.
        mode: see above.
        gains: strengths.
        closed_lids: the driver's `eyeBlink` when the eyes are shut (`live.motion.lid_range`); relative mode only.
    """
    shift = gains.translation * (drive.translation - neutral.translation)
    if mode == "absolute":
        expression = drive.expression
        rotation = drive.rotation
        residual = drive.residual
    else:
        expression = rest.expression + gains.expression * (drive.expression - neutral.expression)
        expression[_LIDS] = _lids(
            drive.expression[_LIDS], neutral.expression[_LIDS], rest.expression[_LIDS], closed_lids
        )
        rotation = _turned(drive.rotation, neutral.rotation, rest.rotation, gains.rotation)
        residual = rest.residual + (drive.residual - neutral.residual)
    return MotionFrame(
        pts=drive.pts,
        expression=limit_expression(expression, rest.expression),
        rotation=limit_rotation(rotation, rest.rotation),
        translation=limit_translation(np.where(np.isfinite(shift), rest.translation + shift, rest.translation)),
        residual=limit_residual(residual),
        confidence=drive.confidence,
        trace=drive.trace,
    )


def _turned(drive: FloatArray, neutral: FloatArray, rest: FloatArray, gain: float) -> FloatArray:
    if not (np.isfinite(drive).all() and np.isfinite(neutral).all()):
        return rest
    turn = rotation_matrix(drive) @ rotation_matrix(neutral).T
    if gain != 1.0:
        turn = rotation_matrix(interpolate_rotation(_STILL, euler(np.asarray(turn, np.float32)), gain))
    return euler(np.asarray(turn @ rotation_matrix(rest), np.float32))


def _lids(drive: FloatArray, neutral: FloatArray, rest: FloatArray, closed: float) -> FloatArray:
    """Piecewise linear: neutral → rest, closed → 1, and below neutral with slope 1."""
    closing = (drive - neutral) / np.maximum(closed - neutral, 0.2)
    mapped: FloatArray = np.where(closing > 0.0, rest + closing * (1.0 - rest), rest + (drive - neutral))
    return mapped
