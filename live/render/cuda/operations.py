"""What the networks are made of on the device: torch convolutions without bias, kernels for everything between them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from live.render.cuda.device import ComputeDevice
from live.render.kernels import normalising
from live.render.kernels.sampling import Padding
from live.render.kernels.warping import FlowConvention, flow_warp


@dataclass(frozen=True, slots=True)
class Convolution:
    """Weights on the device: `weight` and `bias` in its dtype, `bias32` for the norms."""

    weight: Tensor
    bias: Tensor
    bias32: Tensor


@dataclass(frozen=True, slots=True)
class Sums:
    """Statistics of a feature map: sums per chunk and channel, and how many pixels they are of."""

    partial: Tensor
    pixels: int


class Operations:
    """Operations on (N, C, H, W) tensors in channels-last memory. All are safe to capture in a CUDA graph."""

    def __init__(self, device: ComputeDevice) -> None:
        self.device = device

    def empty(self, batch: int, channels: int, height: int, width: int) -> Tensor:
        """A picture's memory, not initialised."""
        return torch.empty(
            (batch, channels, height, width),
            dtype=self.device.dtype,
            device=self.device.torch_device,
            memory_format=torch.channels_last,
        )

    def load(self, layer: nn.Conv2d | nn.ConvTranspose2d) -> Convolution:
        """Bring a layer's weights to the device."""
        assert layer.bias is not None
        return self.load_tensors(layer.weight, layer.bias)

    def load_tensors(self, weight: Tensor, bias: Tensor) -> Convolution:
        """Bring weights (O, I, k, k) and (O,) to the device."""
        where, dtype = self.device.torch_device, self.device.dtype
        weight = weight.detach().to(where, dtype).contiguous(memory_format=torch.channels_last)
        return Convolution(weight, bias.detach().to(where, dtype), bias.detach().to(where, torch.float32).contiguous())

    def conv(
        self, x: Tensor, layer: Convolution, *, stride: int = 1, padding: int | None = None, bias: bool = False
    ) -> Tensor:
        """Convolution; without `bias` when the norm that follows takes care of it. Default padding keeps the size."""
        pad = layer.weight.shape[2] // 2 if padding is None else padding
        y = F.conv2d(x, layer.weight, layer.bias if bias else None, stride=stride, padding=pad)
        return y.contiguous(memory_format=torch.channels_last)

    def nhwc(self, x: Tensor) -> object:
        """A channels-last tensor as an NHWC array for the kernels."""
        return self.device.view(x.permute(0, 2, 3, 1))

    def sums(self, x: Tensor, *, phases: bool = False) -> Sums:
        """Statistics of `x`; `phases`: see `kernels.normalising.Picture`."""
        picture = self._picture(x, phases)
        shape = normalising.partial_shape(picture)
        partial = torch.empty(shape, dtype=torch.float32, device=x.device)
        normalising.channel_sums(self.device.kernels, picture, self.device.view(partial))
        return Sums(partial, picture.shape[1] * picture.shape[2])

    def adain(
        self,
        x: Tensor,
        sums: Sums,
        style: tuple[Tensor, Tensor],
        *,
        slope: float,
        residual: Tensor | None = None,
    ) -> Tensor:
        """AdaIN, LeakyReLU, then plus `residual`. `style`: gamma and beta, float32 (N, C, 1, 1).

        A bias before it would cancel out, so there is none.
        """
        gamma, beta = (part[:, :, 0, 0] for part in style)
        affine = self._affine(sums)
        view = self.device.view
        normalising.adain_affine(
            self.device.kernels, view(sums.partial), sums.pixels, view(gamma), view(beta), view(affine)
        )
        return self._apply(x, affine, slope=slope, residual=residual)

    def layer_norm(
        self,
        x: Tensor,
        sums: Sums,
        weight: Tensor,
        shift: Tensor,
        *,
        slope: float,
        bias: Tensor | None = None,
        residual: Tensor | None = None,
        pool: bool = False,
        phases: bool = False,
    ) -> Tensor:
        """Layer norm of `x + bias` over (C, H, W), LeakyReLU, mean over 2×2 if `pool`, then plus `residual`.

        `weight`, `shift`, `bias`: float32 (C,).
        """
        affine = self._affine(sums)
        view = self.device.view
        normalising.layer_affine(
            self.device.kernels,
            view(sums.partial),
            sums.pixels,
            view(weight),
            view(shift),
            view(affine),
            bias=None if bias is None else view(bias),
        )
        return self._apply(x, affine, slope=slope, residual=residual, pool=pool, phases=phases)

    def warp(
        self,
        flow: Tensor,
        levels: list[Tensor],
        *,
        convention: FlowConvention,
        padding: Padding,
        slots: Tensor | None = None,
        trust: bool = False,
    ) -> list[Tensor]:
        """Maps (A, C, H, W) displaced by `flow` (N, 2, h, w), one launch. See `kernels.warping.flow_warp`."""
        outs = [self.empty(len(flow), *level.shape[1:]) for level in levels]
        flow_warp(
            self.device.kernels,
            self.device.view(flow),
            [(self.nhwc(level), self.nhwc(out)) for level, out in zip(levels, outs, strict=True)],
            convention=convention,
            padding=padding,
            layout="nchw",
            slots=None if slots is None else self.device.view(slots),
            trust=trust,
        )
        return outs

    def warp_float(self, flow: Tensor, *maps: Tensor, convention: FlowConvention) -> list[Tensor]:
        """Float32 maps (N, H, W, C) displaced by float32 `flow` (N, 2, h, w), borders repeated."""
        outs = [torch.empty_like(item) for item in maps]
        view = self.device.view
        pairs = [(view(item), view(out)) for item, out in zip(maps, outs, strict=True)]
        flow_warp(self.device.kernels, view(flow), pairs, convention=convention, padding="border", layout="nchw")
        return outs

    def _picture(self, x: Tensor, phases: bool) -> normalising.Picture:
        return normalising.Picture(self.nhwc(x), phases)

    def _affine(self, sums: Sums) -> Tensor:
        batch, _, channels, _ = sums.partial.shape
        return torch.empty((batch, 2, channels), dtype=torch.float32, device=sums.partial.device)

    def _apply(
        self,
        x: Tensor,
        affine: Tensor,
        *,
        slope: float,
        residual: Tensor | None = None,
        pool: bool = False,
        phases: bool = False,
    ) -> Tensor:
        picture = self._picture(x, phases)
        batch, height, width, channels = picture.shape
        out = self.empty(batch, channels, *((height // 2, width // 2) if pool else (height, width)))
        normalising.apply(
            self.device.kernels,
            picture,
            self.device.view(affine),
            self.nhwc(out),
            slope=slope,
            residual=None if residual is None else self.nhwc(residual),
            pool=pool,
        )
        return out
