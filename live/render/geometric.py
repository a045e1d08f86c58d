"""The renderer that needs no network: motion prior, full-resolution warp, eyes and mouth drawn from geometry."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from live.frames import FloatArray, Image, MotionFrame
from live.motion.face_model import FaceModel
from live.one_thread import compute_in_one_thread
from live.render.avatar import Avatar
from live.render.eyes import EyeLayer
from live.render.mouth import MouthLayer
from live.render.opening import without_openings
from live.render.posed import FacePoser, PosedFace
from live.render.prior import MotionPrior, SourceView, motion_prior
from live.render.surface import Surface
from live.render.warp import sampling_map, warp

FLOW_GRID: Final = 128
"""Side of the flow's grid; the flow is smooth, and lips and lids get their edges from outlines, not from it."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture and where it comes from.

    Attributes:
        picture: uint8 (H, W, 3), owned by the receiver.
        driving: the posed face.
        prior: on the (`FLOW_GRID`, `FLOW_GRID`) grid.
    """

    picture: Image
    driving: PosedFace
    prior: MotionPrior


class GeometricRenderer:
    """Draws an avatar by geometry alone. Implements `live.protocols.Renderer`.

    Args:
        avatar: the portrait.
        size: (width, height) of the pictures; must be square (the portrait is), even.
        model: the face model; default: the one that ships.

    Raises:
        ValueError: `size` is not square or odd.
    """

    def __init__(self, avatar: Avatar, size: tuple[int, int] = (512, 512), *, model: FaceModel | None = None) -> None:
        width, height = size
        if width != height or width % 2 or width < 32:
            raise ValueError(f"the picture must be square with an even side of at least 32 pixels, not {size}")
        compute_in_one_thread()
        self._size = size
        self.avatar = avatar
        model = model or FaceModel.load()
        self.surface = Surface.of(model)
        self.poser: FacePoser = avatar.poser(model)
        self.rest = avatar.rest
        posed = avatar.posed(self.poser, self.rest)
        self.source = SourceView.of(self.surface, posed)
        side = avatar.image.shape[0]
        # Shrink first when the output is smaller: a bicubic warp that skips pixels would alias.
        self.portrait = avatar.image
        if width < side:
            self.portrait = np.ascontiguousarray(cv2.resize(avatar.image, size, interpolation=cv2.INTER_AREA))
        self.skin = without_openings(self.portrait, posed.landmarks)
        self.eyes = EyeLayer(self.portrait, posed.landmarks, posed.scale, self.rest.expression)
        self.mouth = MouthLayer(self.surface, self.portrait, posed)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures, pixels."""
        return self._size

    def render(self, motion: MotionFrame) -> Image:
        """Draw; see `live.protocols.Renderer`. Stamps `prior`, `warp` and `mouth` (with the eyes)."""
        return self.draw(motion).picture

    def draw(self, motion: MotionFrame) -> Drawing:
        """Draw, and keep what was known on the way, for networks that refine the picture. Stamps as `render`."""
        start = time.monotonic_ns()
        motion = self.finite(motion)
        driving = self.avatar.posed(self.poser, motion)
        prior = self.prior(driving, FLOW_GRID)
        motion.trace.stamp("prior", start)
        start = time.monotonic_ns()
        positions = sampling_map(prior.flow, self._size, self.portrait.shape[0])
        canvas = warp(self.skin, positions)
        motion.trace.stamp("warp", start)
        start = time.monotonic_ns()
        self.eyes.draw(canvas, driving, motion.expression)
        self.mouth.draw(canvas, driving, positions)
        motion.trace.stamp("mouth", start)
        return Drawing(canvas, driving, prior)

    def prior(self, driving: PosedFace, side: int) -> MotionPrior:
        """The motion prior on a (side, side) grid."""
        return motion_prior(self.surface, self.source, driving, (side, side))

    def finite(self, motion: MotionFrame) -> MotionFrame:
        """`motion` with coefficients that are not finite replaced by the photo's own."""
        return finite(motion, self.rest)

    def close(self) -> None:
        """Nothing to release."""


def finite(motion: MotionFrame, rest: MotionFrame) -> MotionFrame:
    """`motion` with coefficients that are not finite replaced by those of `rest`."""
    if all(np.isfinite(a).all() for a in (motion.expression, motion.rotation, motion.translation, motion.residual)):
        return motion
    return replace(
        motion,
        expression=_or(motion.expression, rest.expression),
        rotation=_or(motion.rotation, rest.rotation),
        translation=_or(motion.translation, rest.translation),
        residual=_or(motion.residual, rest.residual),
    )


def _or(given: FloatArray, otherwise: FloatArray) -> FloatArray:
    return np.where(np.isfinite(given), given, otherwise).astype(np.float32)
