"""Warping network: portrait and descriptor become a flow field, and the portrait deformed by it (paper §3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from live.render.pirenderer.adain import AdaIN, LayerNorm2d, Modulation, leaky
from live.render.pirenderer.config import PIRendererConfig


class EncoderBlock(nn.Module):
    """AdaIN → LeakyReLU → 4×4 stride 2, AdaIN → LeakyReLU → 3×3: half the resolution."""

    def __init__(self, inputs: int, outputs: int, descriptor: int) -> None:
        super().__init__()
        self.norm_0 = AdaIN(inputs, descriptor)
        self.conv_0 = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
        self.norm_1 = AdaIN(outputs, descriptor)
        self.conv_1 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor, style: Tensor | Modulation) -> Tensor:
        """`x` (N, C, H, W) → (N, C', H/2, W/2)."""
        x = self.conv_0(leaky(self.norm_0(x, style)))
        y: Tensor = self.conv_1(leaky(self.norm_1(x, style)))
        return y


class DecoderBlock(nn.Module):
    """A residual pair that doubles the resolution: 3×3 then transposed 3×3, beside a transposed 3×3 shortcut."""

    def __init__(self, inputs: int, outputs: int, descriptor: int) -> None:
        super().__init__()
        self.norm_0 = AdaIN(inputs, descriptor)
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm_1 = AdaIN(outputs, descriptor)
        self.conv_1 = nn.ConvTranspose2d(outputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.norm_s = AdaIN(inputs, descriptor)
        self.conv_s = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Tensor, style: Tensor | Modulation) -> Tensor:
        """`x` (N, C, H, W) → (N, C', 2H, 2W)."""
        shortcut: Tensor = self.conv_s(leaky(self.norm_s(x, style)))
        x = self.conv_0(leaky(self.norm_0(x, style)))
        main: Tensor = self.conv_1(leaky(self.norm_1(x, style)))
        return shortcut + main


class HourglassEncoder(nn.Module):
    """The 7×7 input layer and the down path."""

    def __init__(self, config: PIRendererConfig) -> None:
        super().__init__()
        self.layers = config.warp_encoder_layers
        self.input_layer = nn.Conv2d(3, config.warp_base, 7, padding=3)
        for i in range(self.layers):
            inputs = min(config.warp_base * 2**i, config.warp_max)
            outputs = min(config.warp_base * 2 ** (i + 1), config.warp_max)
            self.add_module(f"encoder{i}", EncoderBlock(inputs, outputs, config.descriptor))

    def forward(self, first: Tensor, style: Tensor | Modulation) -> list[Tensor]:
        """`first`: what `input_layer` makes of the portrait. Returns it and each block's output, fine to coarse."""
        outputs = [first]
        for i in range(self.layers):
            outputs.append(getattr(self, f"encoder{i}")(outputs[-1], style))
        return outputs


class HourglassDecoder(nn.Module):
    """The up path; each block's result is joined with the encoder's output of that resolution."""

    def __init__(self, config: PIRendererConfig) -> None:
        super().__init__()
        top = config.warp_encoder_layers
        self.order = range(top - 1, top - 1 - config.warp_decoder_layers, -1)
        inputs = min(config.warp_base * 2**top, config.warp_max)
        for i in self.order:
            outputs = min(config.warp_base * 2**i, config.warp_max)
            self.add_module(f"decoder{i}", DecoderBlock(inputs, outputs, config.descriptor))
            inputs = 2 * outputs
        self.outputs = inputs

    def forward(self, encoded: list[Tensor], style: Tensor | Modulation) -> Tensor:
        """`encoded`: all encoder outputs, fine to coarse. Returns (N, outputs, H/4, W/4) in the published sizes."""
        x = encoded[-1]
        for i in self.order:
            x = torch.cat([getattr(self, f"decoder{i}")(x, style), encoded[i]], 1)
        return x


class Hourglass(nn.Module):
    """Encoder and decoder of the flow estimator."""

    def __init__(self, config: PIRendererConfig) -> None:
        super().__init__()
        self.encoder = HourglassEncoder(config)
        self.decoder = HourglassDecoder(config)

    def forward(self, first: Tensor, style: Tensor | Modulation) -> Tensor:
        """From the input layer's output to decoded features."""
        decoded: Tensor = self.decoder(self.encoder(first, style), style)
        return decoded


class WarpingNet(nn.Module):
    """Estimates the flow from the portrait and the descriptor."""

    def __init__(self, config: PIRendererConfig) -> None:
        super().__init__()
        self.hourglass = Hourglass(config)
        channels = self.hourglass.decoder.outputs
        self.flow_out = nn.Sequential(LayerNorm2d(channels), nn.LeakyReLU(0.1), nn.Conv2d(channels, 2, 7, padding=3))

    def first(self, source: Tensor) -> Tensor:
        """The part that depends on the portrait alone: (N, 3, H, W) → (N, base, H, W)."""
        features: Tensor = self.hourglass.encoder.input_layer(source)
        return features

    def flow(self, first: Tensor, style: Tensor | Modulation) -> Tensor:
        """Flow (N, 2, H/4, W/4) in pixels of its own resolution, x first, from `first(source)`."""
        flow: Tensor = self.flow_out(self.hourglass(first, style))
        return flow

    def forward(self, source: Tensor, style: Tensor | Modulation) -> tuple[Tensor, Tensor]:
        """`source` (N, 3, H, W) → (flow (N, 2, H/4, W/4), warped portrait (N, 3, H, W))."""
        flow = self.flow(self.first(source), style)
        return flow, warp(source, flow)


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Sample `image` (N, C, H, W) where `flow` (N, 2, h, w; its own pixels, x first) points; zeros outside.

    The base grid uses the corner convention while resizing and sampling use half-pixel centres. The mismatch (at most
    half a pixel) is kept on purpose: the published weights were trained with it.
    """
    height, width = flow.shape[2:]
    x = torch.linspace(-1, 1, width, dtype=flow.dtype, device=flow.device)
    y = torch.linspace(-1, 1, height, dtype=flow.dtype, device=flow.device)
    base = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
    # Plain numbers: a tensor of them would be copied to the device in every forward, and wait for it.
    grid = base + torch.stack([flow[:, 0] * (2 / (width - 1)), flow[:, 1] * (2 / (height - 1))], 1)
    grid = F.interpolate(grid, size=image.shape[2:], mode="bilinear", align_corners=False)
    return F.grid_sample(image, grid.permute(0, 2, 3, 1), "bilinear", "zeros", align_corners=False)
