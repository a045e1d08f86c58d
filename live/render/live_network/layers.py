"""Building blocks of the live network. Instance statistics only where pictures are small; fine levels are plain."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from live.render.live_network.config import MOTION, WINDOW

LEAK = 0.1


def activate(x: Tensor) -> Tensor:
    """LeakyReLU, the only non-linearity inside the networks."""
    return F.leaky_relu(x, LEAK)


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution padded to keep the size (or to divide it by `stride`)."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


def double(x: Tensor) -> Tensor:
    """Twice the resolution, bilinear, half-pixel centres."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class MappingNet(nn.Module):
    """Motion window (N, 74, 6) → descriptor (N, D): two convolutions over time that use up the window."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(MOTION, 128, 3)
        self.second = nn.Conv1d(128, descriptor, WINDOW - 2)
        # Head angles (rad) and log size move far less than expression weights do; make one unit mean as much.
        gain = torch.ones(MOTION, 1)
        gain[52:58] = torch.tensor([4.0, 4.0, 4.0, 0.5, 0.5, 4.0])[:, None]
        gain[58:] = 0.3
        self.register_buffer("gain", gain, persistent=False)

    def forward(self, window: Tensor) -> Tensor:
        """`window` is relative to the portrait's own motion."""
        hidden = activate(self.first(window * self.get_buffer("gain")))
        return activate(self.second(hidden)).flatten(1)


class AdaIN(nn.Module):
    """Instance norm, then scale and shift from the descriptor (one linear layer)."""

    def __init__(self, channels: int, descriptor: int) -> None:
        super().__init__()
        self.affine = nn.Linear(descriptor, 2 * channels)
        with torch.no_grad():
            self.affine.weight.mul_(0.5)
            self.affine.bias.zero_()

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """`x` (N, C, H, W) under `z` (N, D)."""
        affine: Tensor = self.affine(z)
        gamma, beta = affine[:, :, None, None].chunk(2, 1)
        return F.instance_norm(x, eps=1e-5) * (1 + gamma) + beta


class StyledBlock(nn.Module):
    """Residual pair of 3×3 convolutions under AdaIN."""

    def __init__(self, channels: int, descriptor: int) -> None:
        super().__init__()
        self.norm0 = AdaIN(channels, descriptor)
        self.conv0 = conv(channels, channels)
        self.norm1 = AdaIN(channels, descriptor)
        self.conv1 = conv(channels, channels)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(N, C, H, W) → same shape."""
        y = self.conv0(activate(self.norm0(x, z)))
        change: Tensor = self.conv1(activate(self.norm1(y, z)))
        return x + change


class PlainBlock(nn.Module):
    """Residual pair of 3×3 convolutions without normalisation, for the fine levels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = conv(channels, channels)
        self.conv1 = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → same shape."""
        change: Tensor = self.conv1(activate(self.conv0(activate(x))))
        return x + change


class Pyramid(nn.Module):
    """An encoder to 1/2, 1/4 and 1/8. Full resolution is folded into channels first, which costs nothing.

    Args:
        inputs: image channels.
        widths: channels of the three outputs.
        refine: a second convolution per level; for what is computed once per avatar.
    """

    def __init__(self, inputs: int, widths: tuple[int, int, int], *, refine: bool) -> None:
        super().__init__()
        sizes = (4 * inputs, *widths)
        self.downs = nn.ModuleList(conv(sizes[i], sizes[i + 1], stride=1 if i == 0 else 2) for i in range(3))
        self.refines = nn.ModuleList(conv(w, w) for w in widths) if refine else None

    def forward(self, image: Tensor) -> list[Tensor]:
        """`image` (N, inputs, H, W) → features, fine to coarse."""
        x = F.pixel_unshuffle(image, 2)
        levels = []
        for i, down in enumerate(self.downs):
            x = activate(down(x))
            if self.refines is not None:
                x = activate(self.refines[i](x))
            levels.append(x)
        return levels
