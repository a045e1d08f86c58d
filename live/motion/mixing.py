"""Mixing motions: crossfades between two, and small motion laid over another."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from live.frames import FloatArray, MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.pose import euler, rotation_matrix, small_rotation

_LIDS = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]


def smoothstep(x: float) -> float:
    """0 below 0, 1 above 1, and `3x² - 2x³` between: a crossfade that starts and ends at rest."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)


def interpolate_rotation(start: FloatArray, end: FloatArray, weight: float) -> FloatArray:
    """The rotation `weight` (0..1) of the way from `start` to `end` along the shortest turn; all (3,) radians."""
    first = rotation_matrix(start)
    turn = Rotation.from_matrix(first.T @ rotation_matrix(end)).as_rotvec()
    return euler(first @ small_rotation((turn * weight).astype(np.float32)))


def blend(start: MotionFrame, end: MotionFrame, weight: float) -> MotionFrame:
    """Crossfade: `start` at weight 0, `end` at weight 1. Times and trace are `end`'s."""
    if weight <= 0.0:
        rotation = start.rotation
    elif weight >= 1.0:
        rotation = end.rotation
    else:
        rotation = interpolate_rotation(start.rotation, end.rotation, weight)
    weight = min(max(weight, 0.0), 1.0)
    return MotionFrame(
        pts=end.pts,
        expression=_lerp(start.expression, end.expression, weight),
        rotation=rotation.astype(np.float32),
        translation=_lerp(start.translation, end.translation, weight),
        residual=_lerp(start.residual, end.residual, weight),
        confidence=(1.0 - weight) * start.confidence + weight * end.confidence,
        trace=end.trace,
    )


def overlay(base: MotionFrame, addition: MotionFrame, weight: float = 1.0) -> MotionFrame:
    """Lay `addition` (motion around a face at rest, such as idle motion) over `base`.

    Expressions add up, except the lids, which close the rest of the way so that a blink is a blink on half-closed eyes
    too; the head turns by both rotations. Times, trace and confidence are `base`'s.

    Args:
        base: the motion that is already there.
        addition: motion relative to a neutral face (`MotionFrame.neutral` = nothing).
        weight: 0..1, share of `addition`.
    """
    added = np.asarray(addition.expression * np.float32(weight), np.float32)
    expression = np.asarray(base.expression + added, np.float32)
    lids = base.expression[_LIDS]
    expression[_LIDS] = lids + np.maximum(1.0 - lids, 0.0) * added[_LIDS]
    turn = interpolate_rotation(np.zeros(3, np.float32), addition.rotation, weight)
    return MotionFrame(
        pts=base.pts,
        expression=expression,
        rotation=euler(rotation_matrix(turn) @ rotation_matrix(base.rotation)),
        translation=np.asarray(base.translation + np.float32(weight) * addition.translation, np.float32),
        residual=base.residual,
        confidence=base.confidence,
        trace=base.trace,
    )


def _lerp(start: FloatArray, end: FloatArray, weight: float) -> FloatArray:
    return np.asarray(start + np.float32(weight) * (end - start), np.float32)
