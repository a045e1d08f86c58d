"""What `live bench render --device cuda` times of kernels: the work, its fewest bytes, torch's way of doing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from live.bench.device_timing import Work
from live.render.cuda.device import ComputeDevice
from live.render.cuda.operations import Operations
from live.render.kernels import extension, live_frames, meshes
from live.render.kernels.output import PixelFormat, frame_output
from live.render.kernels.sampling import grid_sample
from live.render.kernels.warping import NORMALISED_RESIZED, PUBLISHED, flow_warp

CACHE_BYTES = 160 * 2**20
"""Buffers that take turns add up to at least this, three times a large GPU's second-level cache."""


LAYOUTS = ("channels last", "NCHW")
"""How torch is given its maps: one may suit it better than the other."""


@dataclass(frozen=True, slots=True)
class KernelCase:
    """One kernel at one size.

    Attributes:
        name: for the table.
        what: sizes, for the table.
        fewest_bytes: each input read once, each output written once.
        variants: the same work on different memory.
        torch_variants: torch's own operations for the same work, by name.
    """

    name: str
    what: str
    fewest_bytes: int
    variants: list[Work]
    torch_variants: dict[str, list[Work]] = field(default_factory=dict)


def kernel_cases(device: ComputeDevice, *, small: bool) -> Iterator[Callable[[], KernelCase]]:
    """Makers of the cases, one by one, so that one that fails or needs much memory stands alone."""
    batch, side = (1, 32) if small else (16, 256)
    for maker in (_grid_sample, _published_warp, _feature_warp, _norm, _rasterise, _push_pull, _output, _live_finish):
        yield lambda maker=maker: maker(device, batch, side)  # type: ignore[misc]


def _rotation(fewest_bytes: int, device: ComputeDevice) -> range:
    """How many sets of buffers to take turns."""
    return range(1 if not device.is_gpu else max(2, min(16, -(-CACHE_BYTES // fewest_bytes))))


def _random(device: ComputeDevice, *shape: int, dtype: torch.dtype | None = None, scale: float = 1.0) -> Tensor:
    return (torch.randn(shape, device=device.torch_device) * scale).to(dtype or device.dtype)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _size(*tensors: Tensor) -> int:
    return sum(x.numel() * x.element_size() for x in tensors)


def _smooth_flow(device: ComputeDevice, batch: int, side: int, scale: float) -> Tensor:
    """A displacement (N, 2, side, side) as faces have, float32: neighbours move alike."""
    return F.interpolate(_random(device, batch, 2, 4, 4, dtype=torch.float32, scale=scale), side, mode="bilinear")


def _smooth_grid(device: ComputeDevice, batch: int, side: int) -> Tensor:
    """A grid (N, side, side, 2) of a smooth warp, float32."""
    axis = (torch.arange(side, device=device.torch_device) * 2 + 1) / side - 1
    grid = torch.stack([axis.expand(side, side), axis[:, None].expand(side, side)], -1)
    return (grid + _smooth_flow(device, batch, side, 0.05).permute(0, 2, 3, 1)).contiguous()


def _grid_sample(device: ComputeDevice, batch: int, side: int) -> KernelCase:
    ops, channels, half = Operations(device), 64, side // 2
    grid = _smooth_grid(device, batch, half)
    fewest = 2 * batch * channels * half * half * ops.empty(1, 8, 1, 1).element_size() + _size(grid)
    ours: list[Work] = []
    theirs: dict[str, list[Work]] = {"torch grid_sample, channels last": [], "torch grid_sample, NCHW": []}
    cast = grid.to(device.dtype)
    for _ in _rotation(fewest, device):
        source = _channels_last(_random(device, batch, channels, half, half))
        out = torch.empty_like(source)
        planar = source.contiguous()
        a, b, c = ops.nhwc(source), device.view(grid), ops.nhwc(out)
        ours.append(lambda a=a, b=b, c=c: grid_sample(device.kernels, a, b, c, padding="border"))  # type: ignore[misc]
        for name, x in zip(theirs, (source, planar), strict=True):
            theirs[name].append(
                lambda x=x: F.grid_sample(x, cast, padding_mode="border", align_corners=False)  # type: ignore[misc]
            )
    return KernelCase("grid-sample", f"{batch}x{channels}x{half}²", fewest, ours, theirs)


def _published_warp(device: ComputeDevice, batch: int, side: int) -> KernelCase:
    ops = Operations(device)
    axis = torch.linspace(-1, 1, side // 4, device=device.torch_device, dtype=device.dtype)
    base = torch.stack([axis.expand(len(axis), len(axis)), axis[:, None].expand(len(axis), len(axis))])
    flow = _smooth_flow(device, batch, side // 4, 2.0).to(device.dtype)
    fewest = 2 * batch * 8 * side * side * flow.element_size() + _size(flow)
    ours: list[Work] = []
    theirs: dict[str, list[Work]] = {name: [] for name in LAYOUTS}
    for _ in _rotation(fewest, device):
        source = _channels_last(_random(device, batch, 8, side, side))
        out = torch.empty_like(source)
        pair, f = [(ops.nhwc(source), ops.nhwc(out))], device.view(flow)
        ours.append(
            lambda f=f, pair=pair: flow_warp(device.kernels, f, pair, convention=PUBLISHED, layout="nchw")  # type: ignore[misc]
        )
        for name, image in zip(LAYOUTS, (source, source.contiguous()), strict=True):
            theirs[name].append(lambda x=image: _torch_published_warp(x, flow, base))  # type: ignore[misc]
    what = f"{batch}x8x{side}², flow {side // 4}²"
    named = {f"torch upsample + grid_sample, {name}": works for name, works in theirs.items()}
    return KernelCase("fused flow warp (published)", what, fewest, ours, named)


def _torch_published_warp(image: Tensor, flow: Tensor, base: Tensor) -> Tensor:
    """As `live.render.pirenderer.warping.warp`, with the base grid made beforehand."""
    grid = F.interpolate(base + flow * (2 / (flow.shape[-1] - 1)), image.shape[2:], mode="bilinear")
    return F.grid_sample(image, grid.permute(0, 2, 3, 1), align_corners=False)


def _feature_warp(device: ComputeDevice, batch: int, side: int) -> KernelCase:
    ops = Operations(device)
    shapes = [(24, side // 2), (48, side // 4), (96, side // 8)]
    flow = torch.cat(
        [
            _smooth_flow(device, batch, side // 4, 0.05),
            torch.rand(batch, 1, side // 4, side // 4, device=device.torch_device),
        ],
        1,
    )
    unit = ops.empty(1, 8, 1, 1).element_size()
    fewest = 2 * batch * sum(c * s * s for c, s in shapes) * unit + _size(flow)
    ours: list[Work] = []
    theirs: dict[str, list[Work]] = {name: [] for name in LAYOUTS}
    for _ in _rotation(fewest, device):
        maps = [_channels_last(_random(device, batch, c, s, s)) for c, s in shapes]
        pairs = [(ops.nhwc(x), ops.nhwc(torch.empty_like(x))) for x in maps]
        f = device.view(flow)
        ours.append(
            lambda f=f, pairs=pairs: flow_warp(  # type: ignore[misc]
                device.kernels, f, pairs, convention=NORMALISED_RESIZED, padding="border", layout="nchw", trust=True
            )
        )
        for name, kept in zip(LAYOUTS, (maps, [x.contiguous() for x in maps]), strict=True):
            theirs[name].append(lambda maps=kept: _torch_feature_warp(maps, flow))  # type: ignore[misc]
    what = f"{batch} frames, three scales in one launch"
    named = {f"torch per scale, {name}": works for name, works in theirs.items()}
    return KernelCase("feature warp (live)", what, fewest, ours, named)


def _torch_feature_warp(maps: list[Tensor], flow: Tensor) -> list[Tensor]:
    from live.render.live_network.base import identity_grid, resize, sample

    grid = identity_grid(flow) + flow[:, :2]
    return [sample(x, resize(grid, x.shape[-1])) * resize(flow[:, 2:], x.shape[-1]).to(x.dtype) for x in maps]


def _norm(device: ComputeDevice, batch: int, side: int) -> KernelCase:
    ops, channels = Operations(device), 64
    where = device.torch_device
    gamma, beta = torch.randn(2, batch, channels, 1, 1, device=where)
    fewest = 0
    ours: list[Work] = []
    theirs: list[Work] = []
    probe = ops.empty(1, 8, 1, 1).element_size() * batch * channels * side * side
    fewest = 3 * probe  # read for the statistics, read again, written
    for _ in _rotation(fewest, device):
        x = _channels_last(_random(device, batch, channels, side, side))
        ours.append(lambda x=x: ops.adain(x, ops.sums(x), (gamma, beta), slope=0.1))  # type: ignore[misc]
        theirs.append(lambda x=x: _torch_adain(x, gamma, beta))  # type: ignore[misc]
    what = f"{batch}x{channels}x{side}², three kernels"
    return KernelCase("AdaIN + LeakyReLU", what, fewest, ours, {"torch": theirs})


def _torch_adain(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    y = F.instance_norm(x, eps=1e-5) * (1 + gamma.to(x.dtype)) + beta.to(x.dtype)
    return F.leaky_relu(y, 0.1)


def _rasterise(device: ComputeDevice, batch: int, side: int) -> KernelCase:
    cells = 12 if side < 64 else 60
    axis = torch.linspace(0.1, 0.9, cells + 1, device=device.torch_device)
    flat = torch.stack([axis.expand(cells + 1, cells + 1), axis[:, None].expand(cells + 1, cells + 1)], -1)
    bump = torch.exp(-((flat - 0.5) ** 2).sum(-1, keepdim=True) / 0.1)
    points = torch.cat([flat, bump], -1).view(1, -1, 3).repeat(batch, 1, 1).contiguous()
    corner = (torch.arange(cells)[:, None] * (cells + 1) + torch.arange(cells)).flatten()
    first = torch.stack([corner, corner + cells + 1, corner + 1], 1)
    second = torch.stack([corner + 1, corner + cells + 1, corner + cells + 2], 1)
    faces = torch.cat([first, second]).to(device.torch_device, torch.int32).contiguous()
    size = min(64, side)
    keys = torch.empty((batch, size, size), dtype=torch.int64, device=device.torch_device)
    values = torch.empty((batch, size, size, 5), device=device.torch_device)
    attributes = torch.rand(batch, points.shape[1], 5, device=device.torch_device)
    view, extent = device.view, (float(size), float(size), float(size))
    packed: Any = view(keys).view("uint64")
    mesh, corners, table, result = view(points), view(faces), view(attributes), view(values)

    def run() -> None:
        meshes.rasterise_keys(device.kernels, mesh, corners, packed, extent)
        meshes.resolve(device.kernels, packed, mesh, corners, attributes=table, values=result, extent=extent)

    fewest = _size(points, faces, keys, attributes, values)
    return KernelCase("rasteriser", f"{batch} meshes of {len(faces)} faces at {size}²", fewest, [run])


def _push_pull(device: ComputeDevice, batch: int, side: int) -> KernelCase:
    size = min(64, side)
    levels = [
        (torch.rand(batch, h, w, 2, device=device.torch_device), torch.rand(batch, h, w, device=device.torch_device))
        for h, w in extension.pyramid_sizes(size, size)
    ]
    views = [(device.view(values), device.view(weight)) for values, weight in levels]
    fewest = 2 * _size(*levels[0])
    return KernelCase(
        "push-pull extension", f"{batch}x{size}²x2", fewest, [lambda: extension.push_pull(device.kernels, views)]
    )


def _output(device: ComputeDevice, batch: int, side: int) -> KernelCase:
    shape = PixelFormat.I420.shape(side, side)
    out = torch.empty((batch, *shape), dtype=torch.uint8, device=device.torch_device)
    fewest = 7 * batch * side * side * Operations(device).empty(1, 8, 1, 1).element_size() + _size(out)
    ours: list[Work] = []
    theirs: list[Work] = []
    for _ in _rotation(fewest, device):
        picture, warp = (_channels_last(_random(device, batch, 3, side, side)) for _ in range(2))
        mask = torch.rand(batch, 1, side, side, device=device.torch_device).to(device.dtype)
        p, w, m, o = (device.view(x) for x in (picture, warp, mask, out))
        ours.append(
            lambda p=p, w=w, m=m, o=o: frame_output(  # type: ignore[misc]
                device.kernels, p, o, size=(side, side), mask=m, warp=w, pixel_format=PixelFormat.I420
            )
        )
        theirs.append(lambda p=picture, w=warp, m=mask: _torch_output(p, w, m))  # type: ignore[misc]
    return KernelCase("blend + I420", f"{batch}x{side}²", fewest, ours, {"torch": theirs})


def _torch_output(picture: Tensor, warp: Tensor, mask: Tensor) -> Tensor:
    rgb = ((mask * picture + (1 - mask) * warp) * 127.5 + 127.5).clamp(0, 255)
    red, green, blue = rgb.unbind(1)
    y = 16 + (0.299 * red + 0.587 * green + 0.114 * blue) * (219 / 255)
    small = F.avg_pool2d(rgb, 2)
    luma = 0.299 * small[:, 0] + 0.587 * small[:, 1] + 0.114 * small[:, 2]
    u = 128 + (small[:, 2] - luma) * (112 / 255 / 0.886)
    v = 128 + (small[:, 0] - luma) * (112 / 255 / 0.701)
    return torch.cat([part.flatten(1) for part in (y, u, v)], 1).to(torch.uint8)


def _live_finish(device: ComputeDevice, batch: int, side: int) -> KernelCase:
    ops, where = Operations(device), device.torch_device
    residual = _random(device, batch, 2, 64, 64, dtype=torch.float32, scale=0.01)
    boxes = torch.tensor(
        [[0.5, 0.7, 0.3, 0.0, 0.0, 0.3], [0.35, 0.4, 0.18, 0, 0, 0.18], [0.65, 0.4, -0.18, 0, 0, 0.18]]
    )
    boxes = boxes.to(where).repeat(batch, 1, 1).contiguous()
    out = torch.empty((batch, side, side, 3), dtype=torch.uint8, device=where)
    channels = live_frames.PATCH_CHANNELS
    base = _random(device, batch, 4, side, side)
    mouth, eyes = (_random(device, n, channels, s, s) for n, s in ((batch, 96), (2 * batch, 64)))
    fewest = _size(residual, boxes, out, base) + batch * side * side * 3
    variants: list[Work] = []
    kept = [_channels_last(x) for x in (base, mouth, eyes)]
    b, m, e = (ops.nhwc(x) for x in kept)
    for _ in _rotation(fewest, device):
        picture = device.view(torch.randint(0, 256, (batch, side, side, 3), dtype=torch.uint8, device=where))
        r, x, o = device.view(residual), device.view(boxes), device.view(out)
        variants.append(
            lambda p=picture, r=r, x=x, o=o: live_frames.finish(device.kernels, p, r, b, m, e, x, o)  # type: ignore[misc]
        )
    return KernelCase("live frame's end", f"{batch}x{side}², mouth and eyes laid over, RGB", fewest, variants)
