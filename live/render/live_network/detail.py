"""A network for one region. The few pixels of a mouth are all it sees, so all its capacity and its loss go there."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from live.render.live_network.config import DetailConfig
from live.render.live_network.layers import MappingNet, Pyramid, StyledBlock, activate, conv, double


class DetailNet(nn.Module):
    """U-net over a region's crop of the geometric picture, with its own motion descriptor.

    The crop of the portrait at rest is encoded once per avatar: the colour of lips and lids, the beard, and the teeth
    if the photo shows them.

    Args:
        config: sizes.
        prior_channels: channels of the prior without its flow.
    """

    def __init__(self, config: DetailConfig, prior_channels: int) -> None:
        super().__init__()
        a, b, c = config.widths
        self.portrait = Pyramid(3, (a // 2, b // 2, c // 2), refine=True)
        self.frame = Pyramid(3 + prior_channels, (a, b, c), refine=False)
        self.mapping = MappingNet(config.descriptor)
        self.enter = conv(c + c // 2, c, 1)
        self.block0 = StyledBlock(c, config.descriptor)
        self.block1 = StyledBlock(c, config.descriptor)
        self.up1 = conv(c, b, 1)
        self.join1 = conv(2 * b + b // 2, b)
        self.block2 = StyledBlock(b, config.descriptor)
        self.up0 = conv(b, a, 1)
        self.join0 = conv(2 * a + a // 2, a)
        self.block3 = StyledBlock(a, config.descriptor)
        self.head = conv(a, 16)
        with torch.no_grad():
            self.head.weight.mul_(0.1)
        self.register_buffer("window", soft_window(config.crop), persistent=False)

    def portrait_features(self, crop: Tensor) -> list[Tensor]:
        """`crop` (N, 3, C, C) −1…1 of the portrait at rest → features at 1/2, 1/4, 1/8."""
        features: list[Tensor] = self.portrait(crop)
        return features

    def forward(
        self, features: list[Tensor], composite: Tensor, prior: Tensor, window: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One frame of one region.

        Args:
            features: what `portrait_features` returned.
            composite: crop (N, 3, C, C) of the geometric picture, −1…1.
            prior: crop (N, P − 2, C, C) of the prior without its flow.
            window: (N, 74, 6) relative motion.

        Returns:
            rgb (N, 3, C, C) −1…1 and mask (N, 1, C, C) 0…1 that fades to 0 at the crop's edge.
        """
        z = self.mapping(window)
        f0, f1, f2 = self.frame(torch.cat([composite, prior], 1))
        x = activate(self.enter(torch.cat([f2, features[2]], 1)))
        x = self.block1(self.block0(x, z), z)
        x = activate(self.join1(torch.cat([double(self.up1(x)), f1, features[1]], 1)))
        x = self.block2(x, z)
        x = activate(self.join0(torch.cat([double(self.up0(x)), f0, features[0]], 1)))
        x = self.block3(x, z)
        out = F.pixel_shuffle(self.head(activate(x)), 2)
        return composite + out[:, :3], torch.sigmoid(out[:, 3:]) * self.get_buffer("window")


def soft_window(side: int) -> Tensor:
    """(1, 1, side, side): 1 inside, falling to 0 over the outer eighth, so that pasting leaves no seam."""
    distance = torch.minimum(torch.arange(side), torch.arange(side - 1, -1, -1)).float() / (side / 8)
    ramp = torch.clamp(distance, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return (ramp[:, None] * ramp)[None, None]
