"""LivePIRenderer on the device: convolutions in torch, everything around them in kernels.

A frame comes as the geometric picture with its motion prior (what `composition.Composer` draws on the session's own
thread), and leaves as finished bytes. Mapping networks and modulation stay in float32; they are small.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from live.frames import FloatArray
from live.render.cuda.branches import Branches
from live.render.cuda.device import ComputeDevice
from live.render.cuda.operations import Convolution, Operations
from live.render.cuda.program import InputSpec, OutputFormat
from live.render.kernels import live_frames
from live.render.kernels.warping import NORMALISED, NORMALISED_RESIZED
from live.render.live_network.base import BaseNet, moving, only_where, resize
from live.render.live_network.config import MOTION, PRIOR_SIZE, WINDOW
from live.render.live_network.detail import DetailNet
from live.render.live_network.layers import LEAK, AdaIN, PlainBlock, StyledBlock, activate, double
from live.render.live_network.model import LivePIRenderer
from live.render.live_network.patch import DRAWN_GAIN, DRAWN_GUIDES, DRAWN_SHOWN
from live.render.live_network.regions import Regions

BOXES = 3
"""Mouth, right eye, left eye."""


def box_numbers(regions: Regions) -> FloatArray:
    """Mouth, right eye and left eye as the program reads them: float32 (3, 6)."""
    boxes = (regions.mouth, regions.right_eye, regions.left_eye)
    return np.stack([np.concatenate([box.centre, box.right, box.down]) for box in boxes]).astype(np.float32)


class FusedLivePIRenderer:
    """A `program.Program` of the live network.

    Args:
        model: the weights; copied, in float32, for mapping, modulation and enrolment.
        device: where to run.
        side: of the pictures, pixels; a multiple of the network's own side.
        portraits: how many portraits can be enrolled at once.
        output: how finished pictures are packed.

    Raises:
        ValueError: `side` does not fit.
    """

    def __init__(
        self,
        model: LivePIRenderer,
        device: ComputeDevice,
        *,
        side: int | None = None,
        portraits: int = 8,
        output: OutputFormat | None = None,
    ) -> None:
        model = copy.deepcopy(model)
        self.device = device
        self.output = output or OutputFormat()
        self.config = model.config
        self._side = side or model.config.size
        if self._side % model.config.size:
            raise ValueError(f"the picture's side must be a multiple of {model.config.size}, not {self._side}")
        self._ops = Operations(device)
        self._branches = Branches(device, 3)
        self._model = model.eval().requires_grad_(False).to(device.torch_device)
        self._layers = {module: self._load(module) for module in self._model.modules() if isinstance(module, nn.Conv2d)}
        # The first layers read folded maps with a few channels of zeros.
        self._pad_inputs(model.base.composite.downs[0], live_frames.COMPOSITE_CHANNELS)
        for net in (model.mouth, model.eyes):
            self._pad_inputs(net.frame.downs[0], live_frames.CROP_CHANNELS)
        config = model.config
        self._base_bank = self._bank(config.portrait_widths, config.size, portraits)
        self._mouth_bank = self._bank([w // 2 for w in config.mouth.widths], config.mouth.crop, portraits)
        self._eyes_bank = self._bank([w // 2 for w in config.eyes.widths], config.eyes.crop, 2 * portraits)
        self._windows = [net.get_buffer("window")[0, 0].float().contiguous() for net in (model.mouth, model.eyes)]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures."""
        return self._side, self._side

    @property
    def portraits(self) -> int:
        """How many portraits can be enrolled at once."""
        return len(self._base_bank[0])

    @property
    def inputs(self) -> dict[str, InputSpec]:
        """What a frame reads; float32 except the picture.

        `picture` uint8 (S, S, 3): drawn by geometry; `prior` (64, 64, 8): `inputs.pack_prior`; `window` (74, 6):
        relative motion; `boxes` (3, 6): centre, right and down of mouth, right eye and left eye.
        """
        return {
            "picture": InputSpec((self._side, self._side, 3), torch.uint8),
            "prior": InputSpec((PRIOR_SIZE, PRIOR_SIZE, self.config.prior_channels), torch.float32),
            "window": InputSpec((MOTION, WINDOW), torch.float32),
            "boxes": InputSpec((BOXES, 6), torch.float32),
        }

    def enroll(self, slot: int, *portrait: Tensor) -> None:
        """Encode a portrait: float32 (1, 3, s, s), (1, 3, C, C), (2, 3, c, c); see `inputs.portrait_arrays`."""
        with torch.inference_mode():
            where = self.device.torch_device
            enrolled = self._model.enroll(*(x.to(where, torch.float32) for x in portrait))
            for bank, features in ((self._base_bank, enrolled.base), (self._mouth_bank, enrolled.mouth)):
                for level, feature in zip(bank, features, strict=True):
                    level[slot] = feature[0].to(self.device.dtype)
            for level, feature in zip(self._eyes_bank, enrolled.eyes, strict=True):
                level[2 * slot : 2 * slot + 2] = feature.to(self.device.dtype)

    def draw(self, inputs: dict[str, Tensor], slots: Tensor, out: Tensor) -> None:
        """Render a batch; see `program.Program.draw`."""
        kernels, view, ops = self.device.kernels, self.device.view, self._ops
        picture, prior, window, boxes = (inputs[name] for name in ("picture", "prior", "window", "boxes"))
        batch, side = len(picture), self.config.size
        eye_slots = torch.stack([2 * slots, 2 * slots + 1], 1).flatten()
        windows = window, self._model.eye_windows(window)
        sizes = self.config.mouth.crop, self.config.eyes.crop

        def region(number: int, net: DetailNet, bank: Sequence[Tensor], chosen: Tensor, per_image: int) -> list[Tensor]:
            """A region network's crop and patch; `per_image` crops from box `number` on."""
            half = sizes[number] // 2
            crop = ops.empty(per_image * batch, live_frames.CROP_CHANNELS, half, half)
            live_frames.crops(
                kernels, view(picture), view(prior), view(boxes), ops.nhwc(crop), first=number, per_image=per_image
            )
            head = self._detail(net, crop, bank, chosen, windows[number])
            patch = ops.empty(len(crop), live_frames.PATCH_CHANNELS, 2 * half, 2 * half)
            live_frames.patch(
                kernels, ops.nhwc(crop), ops.nhwc(head), view(self._windows[number]), ops.nhwc(patch),
                guide=DRAWN_GUIDES[number], gain=DRAWN_GAIN, shown=DRAWN_SHOWN,
            )  # fmt: skip
            return [patch]

        def whole() -> list[Tensor]:
            """The base network's residual flow and change."""
            composite = ops.empty(batch, live_frames.COMPOSITE_CHANNELS, side // 2, side // 2)
            live_frames.composite(kernels, view(picture), ops.nhwc(composite))
            residual, head = self._base(composite, prior, window, slots)
            base = ops.empty(batch, 4, side, side)
            live_frames.base_change(kernels, ops.nhwc(head), ops.nhwc(base))
            return [residual, base]

        (mouth,), (eyes,), (residual, base) = self._branches.run(
            [
                lambda: region(0, self._model.mouth, self._mouth_bank, slots, 1),
                lambda: region(1, self._model.eyes, self._eyes_bank, eye_slots, 2),
                whole,
            ]
        )
        live_frames.finish(
            kernels,
            view(picture),
            view(residual),
            ops.nhwc(base),
            ops.nhwc(mouth),
            ops.nhwc(eyes),
            view(boxes),
            view(out),
            pixel_format=self.output.pixel_format,
            matrix=self.output.matrix,
        )

    def _base(self, composite: Tensor, prior: Tensor, window: Tensor, slots: Tensor) -> tuple[Tensor, Tensor]:
        """`BaseNet.forward` up to its head: residual float32 (N, 2, 64, 64), head (N, 16, s/2, s/2)."""
        net: BaseNet = self._model.base
        ops, conv, act = self._ops, self._conv, activate
        z = net.mapping(window)
        c0, c1, c2 = self._pyramid(net.composite.downs, composite)
        flow = net.flow
        grid = prior.permute(0, 3, 1, 2)
        x0 = act(conv(flow.enter, _joined(grid.to(self.device.dtype), resize(c1, grid.shape[-1]))))
        x1 = act(conv(flow.down0, x0, stride=2))
        x2 = self._styled(flow.block0, conv(flow.down1, x1, stride=2), z)
        x2 = self._styled(flow.block1, x2, z)
        y1 = act(conv(flow.join0, _joined(double(conv(flow.up0, x2)), x1)))
        y0 = act(conv(flow.join1, _joined(double(conv(flow.up1, y1)), x0)))
        head = conv(flow.head, y0).float()
        where = moving(grid)
        residual = (0.1 * head[:, :2] * where).contiguous()
        # Features follow the path of the geometric picture: first the residual, then the prior where it leads.
        (there,) = ops.warp_float(residual, prior, convention=NORMALISED)
        path = torch.cat([residual + there[..., :2].permute(0, 3, 1, 2), torch.sigmoid(head[:, 2:])], 1).contiguous()
        warped = ops.warp(
            path, self._base_bank, convention=NORMALISED_RESIZED, padding="border", slots=slots, trust=True
        )
        x = act(conv(net.enter, _joined(warped[2], c2, resize(y1, c2.shape[-1]))))
        x = self._styled(net.block1, self._styled(net.block0, x, z), z)
        x = act(conv(net.join1, _joined(double(conv(net.up1, x)), warped[1], c1)))
        x = self._styled(net.block2, x, z)
        x = act(conv(net.join0, _joined(double(conv(net.up0, x)), warped[0], c0)))
        x = self._plain(net.block3, x)
        return residual, only_where(where, conv(net.head, act(x)))

    def _detail(self, net: DetailNet, crop: Tensor, bank: Sequence[Tensor], slots: Tensor, window: Tensor) -> Tensor:
        """`DetailNet.forward` up to its head, (M, 16, C/2, C/2)."""
        conv, act = self._conv, activate
        z = net.mapping(window)
        f0, f1, f2 = self._pyramid(net.frame.downs, crop)
        p0, p1, p2 = (level.index_select(0, slots) for level in bank)
        x = act(conv(net.enter, _joined(f2, p2)))
        x = self._styled(net.block1, self._styled(net.block0, x, z), z)
        x = act(conv(net.join1, _joined(double(conv(net.up1, x)), f1, p1)))
        x = self._styled(net.block2, x, z)
        x = act(conv(net.join0, _joined(double(conv(net.up0, x)), f0, p0)))
        x = self._styled(net.block3, x, z)
        return conv(net.head, act(x))

    def _pyramid(self, downs: nn.ModuleList, folded: Tensor) -> list[Tensor]:
        x, levels = folded, []
        for i, down in enumerate(downs):
            x = activate(self._conv(down, x, stride=1 if i == 0 else 2))
            levels.append(x)
        return levels

    def _styled(self, block: StyledBlock, x: Tensor, z: Tensor) -> Tensor:
        y = self._ops.conv(self._adain(block.norm0, x, z), self._layers[block.conv0])
        return x + self._conv(block.conv1, self._adain(block.norm1, y, z))

    def _plain(self, block: PlainBlock, x: Tensor) -> Tensor:
        return x + self._conv(block.conv1, activate(self._conv(block.conv0, activate(x))))

    def _adain(self, norm: AdaIN, x: Tensor, z: Tensor) -> Tensor:
        gamma, beta = norm.affine(z)[:, :, None, None].chunk(2, 1)
        return self._ops.adain(x, self._ops.sums(x), (gamma, beta), slope=LEAK)

    def _conv(self, module: nn.Module, x: Tensor, stride: int = 1) -> Tensor:
        assert isinstance(module, nn.Conv2d)
        return self._ops.conv(x, self._layers[module], stride=stride, bias=True)

    def _load(self, module: nn.Conv2d) -> Convolution:
        return self._ops.load(module)

    def _pad_inputs(self, module: nn.Module, channels: int) -> None:
        assert isinstance(module, nn.Conv2d)
        assert module.bias is not None
        weight = F.pad(module.weight, (0, 0, 0, 0, 0, channels - module.weight.shape[1]))
        self._layers[module] = self._ops.load_tensors(weight, module.bias)

    def _bank(self, widths: Sequence[int], side: int, portraits: int) -> list[Tensor]:
        """Features of all portraits at 1/2, 1/4 and 1/8."""
        return [self._ops.empty(portraits, w, side >> (i + 1), side >> (i + 1)).zero_() for i, w in enumerate(widths)]


def _joined(*parts: Tensor) -> Tensor:
    return torch.cat(parts, 1).contiguous(memory_format=torch.channels_last)
