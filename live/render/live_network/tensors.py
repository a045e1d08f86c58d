"""Names and shapes of the tensors that cross the border of the exported graphs. No torch here."""

from __future__ import annotations

from typing import Final

from live.render.live_network.config import MOTION, PRIOR_SIZE, WINDOW, LiveConfig

ENROLL_INPUTS: Final = ("portrait", "portrait_mouth", "portrait_eyes")
FEATURES: Final = tuple(f"{part}_features_{level}" for part in ("base", "mouth", "eyes") for level in (2, 4, 8))
"""Outputs of the enrolment graph and inputs of the frame graph: features at 1/2, 1/4 and 1/8."""
FRAME_INPUTS: Final = ("composite", "prior", "window", "mouth", "eyes")
DETAIL_INPUTS: Final = (*FEATURES[3:], "window", "mouth", "eyes")
DETAIL_OUTPUTS: Final = ("mouth_rgb", "mouth_mask", "eyes_rgb", "eyes_mask")
"""What the frame graph without the base network takes and gives."""
FRAME_OUTPUTS: Final = ("residual", "change", "mouth_rgb", "mouth_mask", "eyes_rgb", "eyes_mask")


def input_shapes(config: LiveConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every input of both graphs except the features."""
    size, mouth, eyes, guides = config.size, config.mouth.crop, config.eyes.crop, config.prior_channels + 1
    return {
        "portrait": (1, 3, size, size),
        "portrait_mouth": (1, 3, mouth, mouth),
        "portrait_eyes": (2, 3, eyes, eyes),
        "composite": (1, 3, size, size),
        "prior": (1, config.prior_channels, PRIOR_SIZE, PRIOR_SIZE),
        "window": (1, MOTION, WINDOW),
        "mouth": (1, guides, mouth, mouth),
        "eyes": (2, guides, eyes, eyes),
    }
