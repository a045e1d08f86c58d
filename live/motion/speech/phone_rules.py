"""A mouth shape for every phone class, written by hand after Fisher's visemes (1968) and the usual viseme charts."""

from __future__ import annotations

from typing import Final

import numpy as np

from live.frames import FloatArray
from live.motion.speech.network import MOUTH_COUNT, MOUTH_NAMES
from live.motion.speech.phone_classes import CLASSES

_SHAPES: Final[dict[str, dict[str, float]]] = {
    "SIL": {},
    "P": {"mouthPress": 0.25, "mouthRollLower": 0.15, "mouthRollUpper": 0.1},
    "M": {"mouthPress": 0.2, "mouthRollLower": 0.12, "mouthRollUpper": 0.1},
    "F": {"jawOpen": 0.04, "mouthRollLower": 0.35, "mouthUpperUp": 0.15, "mouthShrugLower": 0.1},
    "TH": {"jawOpen": 0.1, "mouthLowerDown": 0.2, "mouthUpperUp": 0.05},
    "T": {"jawOpen": 0.06, "mouthLowerDown": 0.18, "mouthStretch": 0.05},
    "N": {"jawOpen": 0.07, "mouthLowerDown": 0.15},
    "L": {"jawOpen": 0.12, "mouthLowerDown": 0.18},
    "S": {"jawOpen": 0.03, "mouthLowerDown": 0.22, "mouthStretch": 0.12, "mouthSmile": 0.05, "mouthUpperUp": 0.06},
    "SH": {"jawOpen": 0.05, "mouthFunnel": 0.45, "mouthLowerDown": 0.15, "mouthUpperUp": 0.1},
    "K": {"jawOpen": 0.12, "mouthLowerDown": 0.12},
    "NG": {"jawOpen": 0.12, "mouthLowerDown": 0.1},
    "H": {"jawOpen": 0.14, "mouthLowerDown": 0.08},
    "R": {"jawOpen": 0.09, "mouthFunnel": 0.3, "mouthPucker": 0.1},
    "W": {"jawOpen": 0.05, "mouthPucker": 0.6, "mouthFunnel": 0.2},
    "Y": {"jawOpen": 0.07, "mouthStretch": 0.12, "mouthSmile": 0.1, "mouthLowerDown": 0.12},
    "AA": {"jawOpen": 0.38, "mouthLowerDown": 0.2, "mouthUpperUp": 0.08},
    "AE": {"jawOpen": 0.3, "mouthLowerDown": 0.28, "mouthStretch": 0.15, "mouthUpperUp": 0.1},
    "AH": {"jawOpen": 0.2, "mouthLowerDown": 0.15},
    "EH": {"jawOpen": 0.2, "mouthLowerDown": 0.22, "mouthStretch": 0.12},
    "IH": {"jawOpen": 0.13, "mouthLowerDown": 0.2, "mouthStretch": 0.12, "mouthSmile": 0.06},
    "IY": {"jawOpen": 0.08, "mouthLowerDown": 0.22, "mouthStretch": 0.2, "mouthSmile": 0.15, "mouthUpperUp": 0.05},
    "AO": {"jawOpen": 0.3, "mouthFunnel": 0.35, "mouthLowerDown": 0.1},
    "OW": {"jawOpen": 0.2, "mouthFunnel": 0.35, "mouthPucker": 0.2},
    "UH": {"jawOpen": 0.12, "mouthFunnel": 0.25, "mouthPucker": 0.2},
    "UW": {"jawOpen": 0.06, "mouthPucker": 0.5, "mouthFunnel": 0.25},
    "ER": {"jawOpen": 0.12, "mouthFunnel": 0.28},
    "OE": {"jawOpen": 0.1, "mouthPucker": 0.4, "mouthFunnel": 0.25},
}


def phone_shapes() -> FloatArray:
    """Mouth weights of each class, float32 (28, 19)."""
    bases = [names[0].removesuffix("Left") for names in MOUTH_NAMES]
    table = np.zeros((len(CLASSES), MOUTH_COUNT), np.float32)
    for row, name in enumerate(CLASSES):
        for shape, weight in _SHAPES[name].items():
            table[row, bases.index(shape)] = weight
    return table
