"""Sizes and tensor conventions of LivePIRenderer. No torch here: the CPU runtime reads it too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

WINDOW: Final = 6
"""Frames of motion that the mapping networks see: the newest and five before it (0.2 s at 25 fps)."""

MOTION: Final = 52 + 3 + 3 + 16
"""Coefficients per frame: expression, rotation, translation, residual, all minus the portrait's own."""

PRIOR_SIZE: Final = 64
"""Side of the motion prior, pixels."""


@dataclass(frozen=True, slots=True)
class DetailConfig:
    """A network for one region (mouth, or an eye) that sees nothing else.

    Attributes:
        crop: side of its square crop, pixels; a multiple of 16.
        widths: channels at 1/2, 1/4 and 1/8 of the crop.
        descriptor: length of its own motion descriptor.
    """

    crop: int
    widths: tuple[int, int, int]
    descriptor: int


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """Widths of all parts. The defaults are what ships: see `live bench render` for GFLOP and speed.

    Attributes:
        size: side of the pictures the base network sees, pixels; a multiple of 32. Half of 256 is enough: its change is
            added to the full-resolution picture, and the region networks bring the detail.
        prior_channels: channels of the motion prior as `live.render.live_network.inputs` packs them, flow first.
        portrait_widths: portrait feature channels at 1/2, 1/4, 1/8.
        composite_widths: channels of the per-frame encoder of the geometric picture at 1/2, 1/4, 1/8.
        warp_widths: channels of the residual-flow hourglass at 64², 32², 16².
        decoder_widths: channels of the decoder at 1/2, 1/4, 1/8.
        descriptor: length of the base network's motion descriptor.
        mouth, eyes: the region networks.
    """

    size: int = 128
    prior_channels: int = 8
    portrait_widths: tuple[int, int, int] = (16, 48, 96)
    composite_widths: tuple[int, int, int] = (16, 32, 64)
    warp_widths: tuple[int, int, int] = (32, 64, 96)
    decoder_widths: tuple[int, int, int] = (16, 48, 96)
    descriptor: int = 96
    mouth: DetailConfig = DetailConfig(crop=96, widths=(40, 64, 112), descriptor=96)
    eyes: DetailConfig = DetailConfig(crop=64, widths=(24, 48, 80), descriptor=64)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a weights file's metadata."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> LiveConfig:
        """The inverse of `to_dict`, also after a round trip through JSON."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        for part in ("mouth", "eyes"):
            sizes = values[part]
            plain[part] = DetailConfig(sizes["crop"], tuple(sizes["widths"]), sizes["descriptor"])
        return LiveConfig(**plain)
