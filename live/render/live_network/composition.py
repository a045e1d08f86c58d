"""What the geometric renderer hands to the networks for one frame."""

from __future__ import annotations

from dataclasses import dataclass

from live.frames import FloatArray, Image, MotionFrame
from live.render.geometric import GeometricRenderer
from live.render.live_network.config import LiveConfig
from live.render.live_network.inputs import (
    DetailArrays,
    FrameArrays,
    detail_arrays,
    frame_arrays,
    pack_prior,
)
from live.render.live_network.regions import RegionFinder, Regions


@dataclass(frozen=True, slots=True)
class Composition:
    """One frame by geometry.

    Attributes:
        picture: uint8 (S, S, 3), what `GeometricRenderer.render` returns.
        prior: float32 (64, 64, 8), see `inputs.pack_prior`.
        regions: where the region networks look.
    """

    picture: Image
    prior: FloatArray
    regions: Regions

    def arrays(self, config: LiveConfig) -> FrameArrays:
        """Network input."""
        return frame_arrays(self.picture, self.prior, self.regions, config)

    def details(self, config: LiveConfig) -> DetailArrays:
        """Network input without that of the base network."""
        return detail_arrays(self.picture, self.prior, self.regions, config)


class Composer:
    """Runs the geometric renderer and keeps what it knows on the way.

    Args:
        geometric: of the avatar.
    """

    def __init__(self, geometric: GeometricRenderer) -> None:
        self.geometric = geometric
        self.finder = RegionFinder(geometric.source.posed)

    @property
    def rest_regions(self) -> Regions:
        """The regions in the portrait."""
        return self.finder.place(self.geometric.source.posed)

    def compose(self, motion: MotionFrame) -> Composition:
        """Draw one frame. Stamps what the geometric renderer stamps."""
        drawing = self.geometric.draw(motion)
        prior = pack_prior(drawing.prior)
        return Composition(drawing.picture, prior, self.finder.place(drawing.driving))
