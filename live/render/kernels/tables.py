"""Rows of numbers that kernels share: what each place in them means, for the kernels and for Python alike.

A `Table` names the parts of a row; `header` writes the same names as constants for the kernels, so that neither side
counts places by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Table:
    """A row's layout.

    Attributes:
        name: prefix of the constants, in capitals.
        parts: (name, number of values), in order.
    """

    name: str
    parts: tuple[tuple[str, int], ...]

    @cached_property
    def places(self) -> dict[str, slice]:
        """Where each part lies."""
        places, start = {}, 0
        for part, length in self.parts:
            places[part] = slice(start, start + length)
            start += length
        return places

    @property
    def size(self) -> int:
        """Values per row."""
        return sum(length for _, length in self.parts)

    def header(self) -> str:
        """The constants as C++: `NAME_PART` for each part's first place, `NAME_SIZE` for the row's length."""
        lines = [f"    {self.name}_{part.upper()} = {place.start}," for part, place in self.places.items()]
        return "\n".join(["enum {", *lines, f"    {self.name}_SIZE = {self.size}", "};"])

    def fill(self, row: NDArray[np.generic], **values: object) -> None:
        """Write parts into a row, in place. Raises `ValueError` for a wrong length, `KeyError` for a wrong name."""
        for part, value in values.items():
            place = self.places[part]
            numbers = np.asarray(value).reshape(-1)
            if len(numbers) != place.stop - place.start:
                raise ValueError(f"{self.name}.{part} takes {place.stop - place.start} values, not {len(numbers)}")
            row[place] = numbers


LIP_PAIRS: Final = 9
LID_PAIRS: Final = 7
"""Pairs of opposite points on the edge of lips and of one eye's lids."""
PAIRS: Final = LIP_PAIRS + 2 * LID_PAIRS
EDGES: Final = 2 * PAIRS
OUTLINE_MOUTH: Final = 80
OUTLINE_EYE: Final = 64
"""Corners of the openings' outlines."""
OUTLINES: Final = OUTLINE_MOUTH + 2 * OUTLINE_EYE
MOTION_VALUES: Final = 74
"""Expression, rotation, translation, residual of one frame, as `live_network.motion_window.motion_vector`."""
EYE_CHANNELS: Final = 12
"""Of an eye's picture: photo, white, iris times its opacity (three each), that opacity, the photo's opening, unused."""
TEETH_CHANNELS: Final = 4
"""Of the photo's teeth: colour and opacity."""

INDEX: Final = Table(
    "INDEX",
    (
        ("mouth_ring", 20), ("right_ring", 16), ("left_ring", 16),
        ("edges", EDGES), ("looks", 8), ("blinks", 2), ("jaw", 1),
    ),
)  # fmt: skip
"""Numbers of points (mesh first, then landmarks) and of coefficients; int32, the same for everybody. `edges`: upper
lip, lower lip, upper and lower lid of the right eye, of the left eye; `looks`: per eye, the coefficients that turn it
to the image's right, left, up and down."""

MODEL: Final = Table("MODEL", (("skull_mean", 3), ("skull_spread", 6), ("lip_rounding", LIP_PAIRS)))
"""float32, the same for everybody: mean and covariance (xx, xy, xz, yy, yz, zz) of the skull's points, cm; how much
lower the lower lip hangs per `jawOpen`."""

AVATAR: Final = Table(
    "AVATAR",
    (
        ("scale", 1), ("offset", 2),
        ("source_rotation", 9), ("source_scale", 1), ("source_offset", 2), ("anchors", 9),
        ("lips_shut", LIP_PAIRS), ("lips_excess", LIP_PAIRS), ("lips_span", LIP_PAIRS),
        ("lips_correction", LIP_PAIRS), ("lips_photo", LIP_PAIRS), ("jaw_photo", 1),
        ("lids_photo", 2), ("lids_open", 2 * LID_PAIRS),
        ("teeth_mean", 3), ("teeth_spread", 6), ("lips_before", 40), ("cavity", 3),
        ("teeth_shown", 1), ("teeth_origin", 2), ("teeth_size", 2),
        ("eyes_shown", 2), ("eyes_corners", 8), ("eyes_origin", 4), ("eyes_size", 4), ("eyes_lash", 6),
        ("eyes_aperture", 2), ("eyes_look", 8),
    ),
)  # fmt: skip
"""float32, one row per portrait: what `posed`, `contact`, `eyes`, `mouth` and `regions` know of the person."""

FRAME: Final = Table(
    "FRAME", (("rotation", 9), ("scale", 1), ("offset", 2), ("similarity", 6), ("roll", 2))
)  # fmt: skip
"""float32, one row per frame: head pose, and the similarity that moves hair and neck (`prior.rigid_displacement`):
cosine less 1, sine, centre, shift; cosine and sine of the roll."""

LAYER: Final = Table(
    "LAYER",
    (
        ("drawn", 1), ("origin", 2), ("box", 4), ("bounds", 4), ("edge_sigma", 1), ("shadow_sigma", 1),
        ("like", 1), ("front", 1), ("drop", 1), ("affine", 6), ("reach", 1),
        ("composed", 1), ("closed", 1), ("matrix", 4), ("away", 2), ("start", 2), ("shift", 2), ("keep", 1),
        ("lash_width", 1), ("columns", 2),
    ),
)  # fmt: skip
"""float32, three rows per frame: mouth, right eye, left eye. `origin`: the window's first pixel; `box`: pixels that the
layer may touch (left, top, right, bottom); `bounds`: of the outline, crop sides. Of the mouth alone: likeness to the
photo's, depth of the front teeth, rows by which the shadow falls, plane of the teeth, widest slit. Of eyes alone: the
rest."""

TABLES: Final = (INDEX, MODEL, AVATAR, FRAME, LAYER)


def constants() -> str:
    """Everything that the kernels know from here, as C++."""
    plain = {
        "LIP_PAIRS": LIP_PAIRS, "LID_PAIRS": LID_PAIRS, "PAIRS": PAIRS, "EDGES": EDGES,
        "OUTLINE_MOUTH": OUTLINE_MOUTH, "OUTLINE_EYE": OUTLINE_EYE, "OUTLINES": OUTLINES,
        "MOTION_VALUES": MOTION_VALUES, "EYE_CHANNELS": EYE_CHANNELS, "TEETH_CHANNELS": TEETH_CHANNELS,
    }  # fmt: skip
    numbers = "\n".join(f"    {name} = {value}," for name, value in plain.items())
    return "\n".join(["enum {\n" + numbers + "\n};", *(table.header() for table in TABLES)])
