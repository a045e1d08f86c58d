"""Exact speed-ups of the published network: the same function of the same weights, in fewer operations.

* The dead branch of the residual blocks is skipped (`editing.ResidualBlock` does so already).
* The first 7×7 convolution of the warping encoder, and the portrait's half of the editing network's first 6-channel
  convolution (it is linear), are computed once per portrait.
* Nearest ×2 followed by a 3×3 convolution sees only 2×2 different pixels: it equals four 2×2 convolutions at the low
  resolution, 16 instead of 36 multiply-adds per input pixel and channel pair.
* Scale and shift of all AdaIN layers come from one product per frame for the hidden layers, and one batched product per
  channel count for the outputs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from live.render.pirenderer.adain import HIDDEN, AdaIN, Modulation
from live.render.pirenderer.editing import UpBlock
from live.render.pirenderer.model import PIRenderer, PIRendererOutput
from live.render.pirenderer.warping import warp


class Portrait(NamedTuple):
    """What depends on the portrait alone: `image` (1, 3, S, S), `warp_first` and `edit_first` (1, base, S, S)."""

    image: Tensor
    warp_first: Tensor
    edit_first: Tensor


class SubPixelUp(nn.Module):
    """An `UpBlock` as one 2×2 convolution with four times the output channels, interleaved."""

    def __init__(self, block: UpBlock) -> None:
        super().__init__()
        self.block = block
        weight = block.conv.weight.detach()
        phases = [sub_pixel_kernel(weight, row, column) for row in (0, 1) for column in (0, 1)]
        self.register_buffer("weight", torch.cat(phases), persistent=False)
        bias = block.conv.bias
        assert bias is not None
        self.register_buffer("bias", bias.detach().repeat(4), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C', 2H, 2W)."""
        height, width = x.shape[2:]
        # With one pixel of padding all round, entry (p, q) sees input rows p−1, p: phase 0 reads it at p = i, phase 1
        # at p = i + 1. Zeros outside agree with the zero padding of the 3×3 convolution.
        y = F.conv2d(x, self.get_buffer("weight"), self.get_buffer("bias"), padding=1)
        a, b, c, d = y.chunk(4, 1)
        rows = [
            torch.stack([a[:, :, :height, :width], b[:, :, :height, 1:]], -1).flatten(3),
            torch.stack([c[:, :, 1:, :width], d[:, :, 1:, 1:]], -1).flatten(3),
        ]
        finished: Tensor = self.block.finish(torch.stack(rows, 3).flatten(2, 3))
        return finished


def sub_pixel_kernel(weight: Tensor, row: int, column: int) -> Tensor:
    """The 2×2 kernel (C', C, 2, 2) that a 3×3 `weight` (C', C, 3, 3) is for output phase (row, column) after ×2."""

    def fold(w: Tensor, axis: int, phase: int) -> Tensor:
        first, middle, last = w.unbind(axis)
        halves = (first, middle + last) if phase == 0 else (first + middle, last)
        return torch.stack(halves, axis)

    return fold(fold(weight, 2, row), 3, column)


class ModulationBank(nn.Module):
    """Scale and shift of many AdaIN layers from few matrix products."""

    def __init__(self, layers: list[AdaIN]) -> None:
        super().__init__()
        self.adains = layers
        self.groups: dict[int, list[int]] = {}
        for i, layer in enumerate(layers):
            self.groups.setdefault(layer.channels, []).append(i)
        shared = [first for layer in layers if isinstance(first := layer.mlp_shared[0], nn.Linear)]
        self.register_buffer("hidden_weight", torch.cat([m.weight.detach() for m in shared]), persistent=False)
        self.register_buffer("hidden_bias", torch.cat([m.bias.detach() for m in shared]), persistent=False)
        for channels, members in self.groups.items():
            outs = [(layers[i].mlp_gamma, layers[i].mlp_beta) for i in members]
            weight = torch.stack([torch.cat([g.weight, b.weight]).detach().T for g, b in outs])
            bias = torch.stack([torch.cat([g.bias, b.bias]).detach() for g, b in outs])
            self.register_buffer(f"weight{channels}", weight.contiguous(), persistent=False)
            self.register_buffer(f"bias{channels}", bias[:, None], persistent=False)
            # A list as an index would be copied to the device in every forward, which a CUDA graph cannot capture.
            self.register_buffer(f"members{channels}", torch.tensor(members), persistent=False)

    def forward(self, descriptor: Tensor) -> Modulation:
        """`descriptor` (N, D) → scale and shift per layer, each (N, C, 1, 1)."""
        hidden = F.linear(descriptor, self.get_buffer("hidden_weight"), self.get_buffer("hidden_bias")).relu()
        hidden = hidden.view(-1, len(self.adains), HIDDEN).transpose(0, 1)
        table: Modulation = {}
        for channels, members in self.groups.items():
            bias, weight = self.get_buffer(f"bias{channels}"), self.get_buffer(f"weight{channels}")
            both = torch.baddbmm(bias, hidden.index_select(0, self.get_buffer(f"members{channels}")), weight)
            for row, i in enumerate(members):
                gamma, beta = both[row].chunk(2, 1)
                table[self.adains[i]] = (gamma[:, :, None, None], beta[:, :, None, None])
        return table


class FastPIRenderer(nn.Module):
    """Runs a `PIRenderer` for inference with all exact speed-ups. Build it anew after the weights change."""

    def __init__(self, model: PIRenderer) -> None:
        super().__init__()
        self.model = model
        self.ups = nn.ModuleList(
            SubPixelUp(getattr(model.editing_net.decoder, f"up{i}")) for i in range(model.config.edit_layers)
        )
        alive = [m for name, m in model.named_modules() if isinstance(m, AdaIN) and not name.endswith("norm1")]
        self.bank = ModulationBank(alive)

    def enroll(self, source: Tensor) -> Portrait:
        """Precompute for a portrait (1, 3, S, S), RGB in −1…1."""
        conv = self.model.editing_net.encoder.first.conv
        edit_first = F.conv2d(source, conv.weight[:, :3], conv.bias, padding=3)
        return Portrait(source, self.model.warpping_net.first(source), edit_first)

    def forward(self, portrait: Portrait, coefficients: Tensor) -> PIRendererOutput:
        """Render `coefficients` (N, 73, 27) for an enrolled portrait: what `PIRenderer.forward` returns."""
        count = len(coefficients)
        descriptor = self.model.mapping_net(coefficients)
        style = self.bank(descriptor)
        flow = self.model.warpping_net.flow(portrait.warp_first.expand(count, -1, -1, -1), style)
        warped = warp(portrait.image.expand(count, -1, -1, -1), flow)
        return PIRendererOutput(descriptor, flow, warped, self._edit(portrait, warped, style))

    def _edit(self, portrait: Portrait, warped: Tensor, style: Modulation) -> Tensor:
        encoder, decoder = self.model.editing_net.encoder, self.model.editing_net.decoder
        first = portrait.edit_first + F.conv2d(warped, encoder.first.conv.weight[:, 3:], padding=3)
        encoded = encoder.down(encoder.first.finish(first))
        x = encoded[-1]
        for i in reversed(range(decoder.layers)):
            x = self.ups[i](getattr(decoder, f"res{i}")(x, style)) + getattr(decoder, f"jump{i}")(encoded[i])
        rgb: Tensor = decoder.final(x)
        return rgb
