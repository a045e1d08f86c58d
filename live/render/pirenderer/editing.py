"""Editing network: from the portrait and its warped copy to the final picture (paper §3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from live.render.pirenderer.adain import LEAK, AdaIN, LayerNorm2d, Modulation, leaky
from live.render.pirenderer.config import PIRendererConfig


class NormedConv(nn.Module):
    """Convolution → layer norm → LeakyReLU, with same-size padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.model = nn.Sequential(conv, LayerNorm2d(outputs), nn.LeakyReLU(LEAK))

    @property
    def conv(self) -> nn.Conv2d:
        """The convolution."""
        layer = self.model[0]
        assert isinstance(layer, nn.Conv2d)
        return layer

    def finish(self, convolved: Tensor) -> Tensor:
        """Norm and activation of a convolution result computed elsewhere."""
        return leaky(self.model[1](convolved))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C', H, W)."""
        return self.finish(self.model[0](x))


class DownBlock(NormedConv):
    """3×3, layer norm, LeakyReLU, then the mean over 2×2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C', H/2, W/2)."""
        return F.avg_pool2d(super().forward(x), 2)


class UpBlock(NormedConv):
    """Nearest ×2, then 3×3, layer norm, LeakyReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C', 2H, 2W)."""
        return super().forward(F.interpolate(x, scale_factor=2, mode="nearest"))


class ResidualBlock(nn.Module):
    """`x + AdaIN2(conv2(x))`, as released: `conv1` and `norm1` are in the checkpoint, but their result is unused."""

    def __init__(self, channels: int, descriptor: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = AdaIN(channels, descriptor)
        self.norm2 = AdaIN(channels, descriptor)

    def forward(self, x: Tensor, style: Tensor | Modulation) -> Tensor:
        """(N, C, H, W) → same shape."""
        change: Tensor = self.norm2(self.conv2(x), style)
        return x + change


class ResidualStack(nn.Module):
    """The AdaIN residual blocks of one decoder level."""

    def __init__(self, channels: int, descriptor: int, blocks: int) -> None:
        super().__init__()
        self.blocks = blocks
        for i in range(blocks):
            self.add_module(f"res{i}", ResidualBlock(channels, descriptor))

    def forward(self, x: Tensor, style: Tensor | Modulation) -> Tensor:
        """(N, C, H, W) → same shape."""
        for i in range(self.blocks):
            x = getattr(self, f"res{i}")(x, style)
        return x


class FinalConv(nn.Module):
    """7×7 to RGB, tanh."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Conv2d(inputs, 3, 7, padding=3), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, 3, H, W) in −1…1."""
        rgb: Tensor = self.model(x)
        return rgb


class EditingEncoder(nn.Module):
    """Portrait and warped portrait, side by side in six channels, down to 1/8 (in the published sizes)."""

    def __init__(self, config: PIRendererConfig) -> None:
        super().__init__()
        self.layers = config.edit_layers
        self.first = NormedConv(6, config.edit_base, 7)
        for i in range(self.layers):
            inputs = min(config.edit_base * 2**i, config.edit_max)
            outputs = min(config.edit_base * 2 ** (i + 1), config.edit_max)
            self.add_module(f"down{i}", DownBlock(inputs, outputs))

    def down(self, first: Tensor) -> list[Tensor]:
        """From the first layer's output: it and every down block's output, fine to coarse."""
        outputs = [first]
        for i in range(self.layers):
            outputs.append(getattr(self, f"down{i}")(outputs[-1]))
        return outputs

    def forward(self, pair: Tensor) -> list[Tensor]:
        """`pair` (N, 6, H, W) → features, fine to coarse."""
        return self.down(self.first(pair))


class EditingDecoder(nn.Module):
    """AdaIN residual blocks and up blocks, with a jump from the encoder at each resolution."""

    def __init__(self, config: PIRendererConfig) -> None:
        super().__init__()
        self.layers = config.edit_layers
        for i in range(self.layers):
            fine = min(config.edit_base * 2**i, config.edit_max)
            coarse = min(config.edit_base * 2 ** (i + 1), config.edit_max)
            self.add_module(f"up{i}", UpBlock(coarse, fine))
            self.add_module(f"res{i}", ResidualStack(coarse, config.descriptor, config.edit_blocks))
            self.add_module(f"jump{i}", NormedConv(fine, fine, 3))
        self.final = FinalConv(config.edit_base)

    def forward(self, encoded: list[Tensor], style: Tensor | Modulation) -> Tensor:
        """`encoded`: features, fine to coarse → picture (N, 3, H, W) in −1…1."""
        x = encoded[-1]
        for i in reversed(range(self.layers)):
            x = getattr(self, f"up{i}")(getattr(self, f"res{i}")(x, style))
            x = x + getattr(self, f"jump{i}")(encoded[i])
        rgb: Tensor = self.final(x)
        return rgb


class EditingNet(nn.Module):
    """Refines the warped portrait."""

    def __init__(self, config: PIRendererConfig) -> None:
        super().__init__()
        self.encoder = EditingEncoder(config)
        self.decoder = EditingDecoder(config)

    def forward(self, source: Tensor, warped: Tensor, style: Tensor | Modulation) -> Tensor:
        """Both pictures (N, 3, H, W) in −1…1 → the same shape."""
        rgb: Tensor = self.decoder(self.encoder(torch.cat([source, warped], 1)), style)
        return rgb
