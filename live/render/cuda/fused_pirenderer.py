"""The published network on the device: torch convolutions, kernels between them, the exact speed-ups of `fast.py`.

What differs from `FastPIRenderer` is only who computes: norms, activations, residuals, pooling, the flow's upsampling
and the conversion to bytes are kernels over channels-last memory, and a convolution's bias goes into the norm after it
(where that is instance norm it cancels and is left out). Mapping and modulation stay in float32: they are small, and
everything hangs on them.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from live.render.cuda.device import ComputeDevice
from live.render.cuda.operations import Convolution, Operations, Sums
from live.render.cuda.program import InputSpec, OutputFormat
from live.render.kernels.output import frame_output
from live.render.kernels.warping import PUBLISHED
from live.render.pirenderer.adain import LEAK, AdaIN, LayerNorm2d, Modulation
from live.render.pirenderer.config import COEFFICIENTS, WINDOW
from live.render.pirenderer.editing import NormedConv, ResidualBlock
from live.render.pirenderer.fast import FastPIRenderer, SubPixelUp
from live.render.pirenderer.model import PIRenderer
from live.render.pirenderer.warping import DecoderBlock, EncoderBlock

IMAGE_CHANNELS = 8
"""Portraits have five channels of zeros, so that a pixel is one 16-byte load and convolutions stay aligned."""


class FusedPIRenderer:
    """A `program.Program` of the published network.

    Args:
        model: the weights; copied, in float32, for mapping and modulation.
        device: where to run.
        portraits: how many portraits can be enrolled at once.
        output: how finished pictures are packed.
    """

    def __init__(
        self, model: PIRenderer, device: ComputeDevice, *, portraits: int = 8, output: OutputFormat | None = None
    ) -> None:
        self.device = device
        self.output = output or OutputFormat()
        self._ops = Operations(device)
        self._config = model.config
        self._fast = FastPIRenderer(copy.deepcopy(model).eval().requires_grad_(False)).to(device.torch_device)
        self._model = self._fast.model
        side, config = model.config.image_size, model.config
        self._images = self._ops.empty(portraits, IMAGE_CHANNELS, side, side).zero_()
        self._warp_first = self._ops.empty(portraits, config.warp_base, side, side).zero_()
        self._edit_first = self._ops.empty(portraits, config.edit_base, side, side).zero_()
        self._convolutions: dict[str, Convolution] = {}
        self._norms: dict[LayerNorm2d, tuple[Tensor, Tensor]] = {}
        for name, module in self._model.named_modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)) and not name.endswith("conv1"):
                self._convolutions[name] = self._ops.load(module)
            elif isinstance(module, LayerNorm2d):
                parts = (module.weight, module.bias)
                weight, bias = (part.detach().flatten().float().contiguous() for part in parts)
                self._norms[module] = (weight, bias)
        self._names = {module: name for name, module in self._model.named_modules()}
        self._ups = [self._load_up(up) for up in self._sub_pixel_ups()]
        first = self._model.editing_net.encoder.first.conv
        padded = F.pad(first.weight[:, 3:], (0, 0, 0, 0, 0, IMAGE_CHANNELS - 3))
        assert first.bias is not None
        self._edit_warped = self._ops.load_tensors(padded, first.bias)
        # Eight output channels instead of three: tensor cores work in eights.
        final = cast(torch.nn.Conv2d, self._model.editing_net.decoder.final.model[0])
        assert final.bias is not None
        self._final = self._ops.load_tensors(F.pad(final.weight, (0, 0, 0, 0, 0, 0, 0, 5)), F.pad(final.bias, (0, 5)))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures."""
        return self._config.image_size, self._config.image_size

    @property
    def portraits(self) -> int:
        """How many portraits can be enrolled at once."""
        return len(self._images)

    @property
    def inputs(self) -> dict[str, InputSpec]:
        """`coefficients` (73, 27): the motion window, see `live.render.pirenderer.window`."""
        return {"coefficients": InputSpec((COEFFICIENTS, WINDOW), torch.float32)}

    def enroll(self, slot: int, *portrait: Tensor) -> None:
        """Precompute for a portrait: one tensor (1, 3, S, S) float32, RGB in −1…1."""
        (source,) = portrait
        with torch.inference_mode():
            enrolled = self._fast.enroll(source.to(self.device.torch_device, torch.float32))
            self._images[slot, :3] = enrolled.image[0].to(self.device.dtype)
            self._warp_first[slot] = enrolled.warp_first[0].to(self.device.dtype)
            self._edit_first[slot] = enrolled.edit_first[0].to(self.device.dtype)

    def draw(self, inputs: dict[str, Tensor], slots: Tensor, out: Tensor) -> None:
        """Render a batch: `inputs` as declared, `slots` int32 (N,), `out` uint8 (N, …) written."""
        raw = self.network(inputs["coefficients"], slots)
        view = self.device.view
        frame_output(
            self.device.kernels,
            view(raw),
            view(out),
            size=self.size,
            pixel_format=self.output.pixel_format,
            matrix=self.output.matrix,
            squash=True,
        )

    def network(self, coefficients: Tensor, slots: Tensor) -> Tensor:
        """The picture before tanh, (N, 8, S, S), of which three channels count."""
        style = self._fast.bank(self._model.mapping_net(coefficients))
        flow = self.flow(style, slots)
        (warped,) = self._ops.warp(flow, [self._images], convention=PUBLISHED, padding="zeros", slots=slots)
        return self._edit(warped, style, slots)

    def flow(self, style: Modulation, slots: Tensor) -> Tensor:
        """The warping network: (N, 2, S/4, S/4) in its own pixels."""
        ops, net = self._ops, self._model.warpping_net
        encoder, decoder = net.hourglass.encoder, net.hourglass.decoder
        x = self._chosen(self._warp_first, slots)
        encoded = [x]
        for i in range(encoder.layers):
            x = self._encode(x, getattr(encoder, f"encoder{i}"), style)
            encoded.append(x)
        for i in decoder.order:
            up = self._decode(x, getattr(decoder, f"decoder{i}"), style)
            x = torch.cat([up, encoded[i]], 1).contiguous(memory_format=torch.channels_last)
        norm, head = net.flow_out[0], net.flow_out[2]
        assert isinstance(norm, LayerNorm2d)
        x = ops.layer_norm(x, ops.sums(x), *self._norms[norm], slope=LEAK)
        return ops.conv(x, self._layer(head), bias=True)

    def _encode(self, x: Tensor, block: EncoderBlock, style: Modulation) -> Tensor:
        ops = self._ops
        x = ops.conv(self._adain(x, ops.sums(x), block.norm_0, style), self._layer(block.conv_0), stride=2, padding=1)
        return ops.conv(self._adain(x, ops.sums(x), block.norm_1, style), self._layer(block.conv_1), bias=True)

    def _decode(self, x: Tensor, block: DecoderBlock, style: Modulation) -> Tensor:
        ops = self._ops
        sums = ops.sums(x)  # both branches normalise the same map
        shortcut = self._double(self._adain(x, sums, block.norm_s, style), self._layer(block.conv_s))
        y = ops.conv(self._adain(x, sums, block.norm_0, style), self._layer(block.conv_0))
        return shortcut + self._double(self._adain(y, ops.sums(y), block.norm_1, style), self._layer(block.conv_1))

    def _double(self, x: Tensor, layer: Convolution) -> Tensor:
        y = F.conv_transpose2d(x, layer.weight, layer.bias, stride=2, padding=1, output_padding=1)
        return y.contiguous(memory_format=torch.channels_last)

    def _edit(self, warped: Tensor, style: Modulation, slots: Tensor) -> Tensor:
        ops, encoder, decoder = self._ops, self._model.editing_net.encoder, self._model.editing_net.decoder
        # The portrait's half of the first convolution, with the bias, was computed at enrolment.
        first = ops.conv(warped, self._edit_warped) + self._chosen(self._edit_first, slots)
        encoded = [ops.layer_norm(first, ops.sums(first), *self._norm(encoder.first), slope=LEAK)]
        for i in range(encoder.layers):
            encoded.append(self._normed(encoded[-1], getattr(encoder, f"down{i}"), pool=True))
        x = encoded[-1]
        for i in reversed(range(decoder.layers)):
            stack = getattr(decoder, f"res{i}")
            for k in range(stack.blocks):
                x = self._residual(x, getattr(stack, f"res{k}"), style)
            up = self._up(x, i)
            x = self._normed(encoded[i], getattr(decoder, f"jump{i}"), residual=up)
        return ops.conv(x, self._final, bias=True)

    def _residual(self, x: Tensor, block: ResidualBlock, style: Modulation) -> Tensor:
        y = self._ops.conv(x, self._layer(block.conv2))
        return self._adain(y, self._ops.sums(y), block.norm2, style, slope=1.0, residual=x)

    def _up(self, x: Tensor, level: int) -> Tensor:
        ops, layer = self._ops, self._ups[level]
        phases = ops.conv(x, layer, padding=1)
        norm = self._norm(self._sub_pixel_ups()[level].block)
        sums = ops.sums(phases, phases=True)
        return ops.layer_norm(phases, sums, *norm, slope=LEAK, bias=layer.bias32, phases=True)

    def _normed(self, x: Tensor, block: NormedConv, *, pool: bool = False, residual: Tensor | None = None) -> Tensor:
        ops, layer = self._ops, self._layer(block.conv)
        y = ops.conv(x, layer)
        norm = self._norm(block)
        return ops.layer_norm(y, ops.sums(y), *norm, slope=LEAK, bias=layer.bias32, pool=pool, residual=residual)

    def _adain(
        self,
        x: Tensor,
        sums: Sums,
        norm: AdaIN,
        style: Modulation,
        *,
        slope: float = LEAK,
        residual: Tensor | None = None,
    ) -> Tensor:
        return self._ops.adain(x, sums, style[norm], slope=slope, residual=residual)

    def _chosen(self, bank: Tensor, slots: Tensor) -> Tensor:
        return bank.index_select(0, slots).contiguous(memory_format=torch.channels_last)

    def _layer(self, module: torch.nn.Module) -> Convolution:
        return self._convolutions[self._names[module]]

    def _norm(self, block: NormedConv) -> tuple[Tensor, Tensor]:
        norm = block.model[1]
        assert isinstance(norm, LayerNorm2d)
        return self._norms[norm]

    def _load_up(self, up: SubPixelUp) -> Convolution:
        bias = up.block.conv.bias
        assert bias is not None
        return self._ops.load_tensors(up.get_buffer("weight"), bias)

    def _sub_pixel_ups(self) -> list[SubPixelUp]:
        return [cast(SubPixelUp, up) for up in self._fast.ups]
