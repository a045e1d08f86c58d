"""Reads the ICT Face Model Light (USC ICT, MIT licence) and names its expressions as ARKit does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from live.motion.arkit import ARKIT_NAMES

Array = NDArray[np.float64]

FACE_END = 9409
HEAD_END = 11248
MOUTH_SOCKET_END = 13294
EYE_SOCKET_END = 14062
GUMS_END = 17039
LOWER_TEETH = 19247
"""Teeth before this vertex are upper, from it on lower ones."""
TEETH_END = 21451
EYEBALL_LEFT = slice(22221, 23021)
EYEBALL_RIGHT = slice(23791, 24591)
EYEBALL_LEFT_BOTH = slice(21451, 23021)
EYEBALL_RIGHT_BOTH = slice(23021, 24591)

MULTI_PIE = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443, 268, 493, 1914,
    2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360, 1507, 1542, 1537,
    1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732, 5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957,
    5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966,
)  # fmt: skip
"""ICT vertices of the 68 Multi-PIE landmarks."""


@dataclass(frozen=True)
class IctModel:
    """Neutral (V, 3) cm, identity (100, V, 3), ARKit expressions (52, V, 3), triangles (T, 3)."""

    neutral: Array
    identity: Array
    expression: Array
    triangles: NDArray[np.int64]

    @property
    def lower_lip_vertex(self) -> int:
        """A vertex in the middle of the lower lip."""
        return MULTI_PIE[57]

    def expression_of(self, name: str) -> Array:
        """Displacement (V, 3) of one ARKit expression at weight 1."""
        shape: Array = self.expression[ARKIT_NAMES.index(name)]
        return shape


def load_ict(path: Path) -> IctModel:
    """Read `ict_facekit.npz`. ICT splits browInnerUp and cheekPuff; they are added up; `tongueOut` is ours."""
    with np.load(path, allow_pickle=False) as data:
        names = [str(n) for n in data["expression_names"]]
        shapes = data["expression"].astype(np.float64)
        neutral = data["neutral"].astype(np.float64)
        identity = data["identity"].astype(np.float64)
        quads = data["faces"].astype(np.int64)
    expression = np.zeros((52, *neutral.shape))
    for i, name in enumerate(ARKIT_NAMES):
        theirs = name.replace("Left", "_L").replace("Right", "_R") if name not in ("jawLeft", "jawRight") else name
        theirs = name if name in ("mouthLeft", "mouthRight") else theirs
        if name == "tongueOut":
            expression[i] = _tongue_out(neutral)
        elif theirs in names:
            expression[i] = shapes[names.index(theirs)]
        else:
            expression[i] = shapes[names.index(f"{name}_L")] + shapes[names.index(f"{name}_R")]
    _turn_eyeballs(neutral, expression)
    triangles = np.concatenate([quads[:, :3], quads[quads[:, 3] >= 0][:, [0, 2, 3]]])
    return IctModel(neutral, identity, expression, triangles)


GAZE_RADIANS = {"In": 0.52, "Out": 0.52, "Up": 0.44, "Down": 0.52}
"""Eyeball rotation at weight 1 (about 30 and 25 degrees); ICT's gaze shapes move the lids only."""


def _turn_eyeballs(neutral: Array, expression: Array) -> None:
    """Add the linearised rotation of each eyeball about its centre to the eight `eyeLook` shapes, in place."""
    for side, both, towards_nose in (("Left", EYEBALL_LEFT_BOTH, -1.0), ("Right", EYEBALL_RIGHT_BOTH, 1.0)):
        ball = neutral[both]
        away = ball - (ball.min(0) + ball.max(0)) / 2
        axes = {
            "In": (0.0, towards_nose, 0.0),
            "Out": (0.0, -towards_nose, 0.0),
            "Up": (-1.0, 0.0, 0.0),
            "Down": (1.0, 0.0, 0.0),
        }
        for direction, axis in axes.items():
            turn = np.cross(np.array(axis) * GAZE_RADIANS[direction], away)
            expression[ARKIT_NAMES.index(f"eyeLook{direction}{side}"), both] = turn


def _tongue_out(neutral: Array) -> Array:
    """Our own shape: the tongue's front slides forward over the lower lip, more towards the tip.

    The tongue is told from the gums (same vertex range) as the part near the middle and inside the dental arches.
    """
    move = np.zeros_like(neutral)
    ids = np.arange(EYE_SOCKET_END, GUMS_END)
    x, y, z = neutral[ids].T
    tongue = (np.abs(x) < 1.9) & (y < -2.9) & (y > -4.4) & (z < 9.3)
    along = np.clip((z - 4.0) / 5.0, 0, 1)
    move[ids[tongue], 2] = 3.0 * along[tongue] ** 1.5
    move[ids[tongue], 1] = -0.5 * along[tongue] ** 3
    return move
