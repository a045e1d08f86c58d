"""The base network: residual flow on the prior, portrait features warped by it, decoder to a masked change."""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from live.render.live_network.config import LiveConfig
from live.render.live_network.layers import MappingNet, PlainBlock, Pyramid, StyledBlock, activate, conv, double


def identity_grid(like: Tensor) -> Tensor:
    """Sampling positions (1, 2, H, W), x first, −1…1 with half-pixel centres, that leave a (…, H, W) map as it is."""
    height, width = int(like.shape[2]), int(like.shape[3])
    x = (torch.arange(width, device=like.device, dtype=torch.float32) * 2 + 1) / width - 1
    y = (torch.arange(height, device=like.device, dtype=torch.float32) * 2 + 1) / height - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])[None]


def sample(x: Tensor, grid: Tensor) -> Tensor:
    """Bilinear sampling of `x` (N, C, h, w) at `grid` (N, 2, H, W); the border is repeated outside."""
    grid = grid.permute(0, 2, 3, 1).to(x.dtype)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def resize(x: Tensor, side: int) -> Tensor:
    """Bilinear resize of a smooth map to (side, side); the mean over blocks when it shrinks."""
    # int(): while a graph is traced, sizes are tensors.
    factor = int(x.shape[-1]) / int(side)
    if factor > 1:
        return F.avg_pool2d(x, int(factor))
    if factor < 1:
        return F.interpolate(x, scale_factor=1 / factor, mode="bilinear", align_corners=False)
    return x


MOVED: Final = 2 / 256
"""Displacement in units of -1…1 from which on geometry counts as moving: a pixel of a 256² picture."""


def moving(prior: Tensor) -> Tensor:
    """Where the geometry moves the picture, or moves it nearby: (N, 1, 64, 64) of 0…1, from the packed prior.

    What does not move needs no correction: there the picture is the photo. So a raised brow leaves the mouth alone, and
    at rest the avatar is its portrait exactly.
    """
    distance = prior[:, :2].square().sum(1, keepdim=True).sqrt()
    near = F.max_pool2d(distance, 3, 1, 1)
    return F.avg_pool2d((near * (1 / MOVED)).clamp(max=1.0), 3, 1, 1, count_include_pad=False)


def only_where(moving: Tensor, head: Tensor) -> Tensor:
    """A decoder head (N, 16, h, w) whose colours, three quarters of its channels, are weighted by `moving`."""
    colours = 3 * head.shape[1] // 4
    return torch.cat([head[:, :colours] * resize(moving, head.shape[-1]).to(head.dtype), head[:, colours:]], 1)


class BaseOutput(NamedTuple):
    """What the base network says about a frame.

    Attributes:
        residual: (N, 2, 64, 64) displacement of the geometric picture's sampling position, in −1…1 units, x first.
        occlusion: (N, 1, 64, 64) 0…1, how much of the warped portrait features to trust.
        change: (N, 3, S, S) what to add to the geometric picture displaced by `residual` (2 = the whole range). It is
            added, not blended, so the picture keeps detail finer than S.
        mask: (N, 1, S, S) 0…1, already multiplied into `change`: where the network wants a say.
    """

    residual: Tensor
    occlusion: Tensor
    change: Tensor
    mask: Tensor


class ResidualFlowNet(nn.Module):
    """AdaIN hourglass at 64²: what the prior misses (hair, neck, background, cloth), and where not to trust it."""

    def __init__(self, config: LiveConfig) -> None:
        super().__init__()
        fine, middle, coarse = config.warp_widths
        inputs = config.prior_channels + config.composite_widths[1]
        self.enter = conv(inputs, fine)
        self.down0 = conv(fine, middle, stride=2)
        self.down1 = conv(middle, coarse, stride=2)
        self.block0 = StyledBlock(coarse, config.descriptor)
        self.block1 = StyledBlock(coarse, config.descriptor)
        self.up0 = conv(coarse, middle, 1)
        self.join0 = conv(2 * middle, middle)
        self.up1 = conv(middle, fine, 1)
        self.join1 = conv(2 * fine, fine)
        self.head = conv(fine, 3)
        nn.init.zeros_(self.head.weight)
        bias = self.head.bias
        assert bias is not None
        with torch.no_grad():
            bias.copy_(torch.tensor([0.0, 0.0, 2.0]))

    def forward(self, prior: Tensor, composite: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`prior` (N, P, 64, 64), `composite` features at 64² → residual, occlusion, features at 32²."""
        x0 = activate(self.enter(torch.cat([prior, composite], 1)))
        x1 = activate(self.down0(x0))
        x2 = self.block1(self.block0(self.down1(x1), z), z)
        y1 = activate(self.join0(torch.cat([double(self.up0(x2)), x1], 1)))
        y0 = activate(self.join1(torch.cat([double(self.up1(y1)), x0], 1)))
        head = self.head(y0)
        return 0.1 * head[:, :2], torch.sigmoid(head[:, 2:]), y1


class BaseNet(nn.Module):
    """See the module's docstring. `portrait_features` once per avatar, `forward` per frame."""

    def __init__(self, config: LiveConfig) -> None:
        super().__init__()
        p, c, d = config.portrait_widths, config.composite_widths, config.decoder_widths
        self.portrait = Pyramid(3, p, refine=True)
        self.composite = Pyramid(3, c, refine=False)
        self.mapping = MappingNet(config.descriptor)
        self.flow = ResidualFlowNet(config)
        self.enter = conv(p[2] + c[2] + config.warp_widths[1], d[2], 1)
        self.block0 = StyledBlock(d[2], config.descriptor)
        self.block1 = StyledBlock(d[2], config.descriptor)
        self.up1 = conv(d[2], d[2] // 2, 1)
        self.join1 = conv(d[2] // 2 + p[1] + c[1], d[1])
        self.block2 = StyledBlock(d[1], config.descriptor)
        self.up0 = conv(d[1], d[1] // 2, 1)
        self.join0 = conv(d[1] // 2 + p[0] + c[0], d[0])
        self.block3 = PlainBlock(d[0])
        self.head = conv(d[0], 16)
        with torch.no_grad():
            self.head.weight.mul_(0.1)

    def portrait_features(self, portrait: Tensor) -> list[Tensor]:
        """`portrait` (N, 3, S, S) −1…1 → features at 1/2, 1/4, 1/8."""
        features: list[Tensor] = self.portrait(portrait)
        return features

    def forward(self, features: list[Tensor], composite: Tensor, prior: Tensor, window: Tensor) -> BaseOutput:
        """One frame.

        Args:
            features: what `portrait_features` returned.
            composite: the geometric picture (N, 3, S, S), −1…1.
            prior: (N, P, 64, 64); the first two channels are the prior's flow in −1…1 units, x first.
            window: (N, 74, 6) relative motion.
        """
        z = self.mapping(window)
        c0, c1, c2 = self.composite(composite)
        residual, occlusion, flow_features = self.flow(prior, resize(c1, prior.shape[-1]), z)
        where = moving(prior)
        residual = residual * where
        # The composite at x + r shows the portrait at x + r + prior(x + r): features follow the same path.
        moved = identity_grid(prior) + residual
        grid = moved + sample(prior[:, :2], moved)
        warped = []
        for level in features:
            side = level.shape[-1]
            trust = resize(occlusion, side)
            warped.append(sample(level, resize(grid, side)) * trust)
        x = activate(self.enter(torch.cat([warped[2], c2, resize(flow_features, c2.shape[-1])], 1)))
        x = self.block1(self.block0(x, z), z)
        x = activate(self.join1(torch.cat([double(self.up1(x)), warped[1], c1], 1)))
        x = self.block2(x, z)
        x = activate(self.join0(torch.cat([double(self.up0(x)), warped[0], c0], 1)))
        out = F.pixel_shuffle(only_where(where, self.head(activate(self.block3(x)))), 2)
        mask = torch.sigmoid(out[:, 3:] - 1)
        return BaseOutput(residual, occlusion, mask * out[:, :3], mask)


def displaced(composite: Tensor, residual: Tensor) -> Tensor:
    """The geometric picture (N, 3, S, S), sampled where `residual` (N, 2, h, w; −1…1 units) moves it."""
    side = composite.shape[-1]
    return sample(composite, identity_grid(composite) + resize(residual, side))
