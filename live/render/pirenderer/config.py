"""Sizes of the published architecture and of its small test variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COEFFICIENTS: Final = 73
"""Motion coefficients per frame: 64 expression, 3 rotation, 3 translation, 3 crop."""

WINDOW: Final = 27
"""Frames in the coefficient window: the driving frame and 13 on either side."""

COEFFICIENT_SPACE: Final = (
    "73 coefficients per frame: 64 expression (Basel Face Model 2009 with the FaceWarehouse expression basis), "
    "3 rotation (Euler angles, rad), 3 translation, 3 crop (scale and offset of the face crop). "
    "They are not ARKit weights: weights trained in this space cannot be driven by `MotionFrame` directly."
)
"""What the published weights expect as input; stored with every imported checkpoint."""


@dataclass(frozen=True, slots=True)
class PIRendererConfig:
    """Layer counts and widths (§4 of the paper, and the authors' released configuration).

    Attributes:
        image_size: side of the square picture, pixels.
        descriptor: length D of the motion descriptor z.
        mapping_layers: residual dilated convolutions in the mapping network.
        warp_encoder_layers, warp_decoder_layers: depth of the warping hourglass.
        warp_base, warp_max: its narrowest and widest layer, channels.
        edit_layers: down and up steps of the editing network.
        edit_blocks: AdaIN residual blocks per decoder level.
        edit_base, edit_max: its narrowest and widest layer, channels.
    """

    image_size: int
    descriptor: int
    warp_base: int
    warp_max: int
    edit_base: int
    edit_max: int
    mapping_layers: int = 3
    warp_encoder_layers: int = 5
    warp_decoder_layers: int = 3
    edit_layers: int = 3
    edit_blocks: int = 2


FULL: Final = PIRendererConfig(image_size=256, descriptor=256, warp_base=32, warp_max=256, edit_base=64, edit_max=256)
"""The published configuration: 22.52 M parameters, 123.2 GFLOP per 256² frame."""

SMALL: Final = PIRendererConfig(image_size=128, descriptor=32, warp_base=8, warp_max=32, edit_base=8, edit_max=32)
"""Same shape, few channels: what the test vectors were computed with."""
