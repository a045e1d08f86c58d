"""What `live bench render --device cuda` times as a whole: networks, frames, and torch's own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from live.bench.device_timing import DeviceTimer, Timing
from live.bench.sample_avatar import sample_avatar
from live.render.cuda import face_arrays
from live.render.cuda.device import ComputeDevice
from live.render.cuda.engine import Engine
from live.render.cuda.face_arrays import model_arrays
from live.render.cuda.fused_live import FusedLivePIRenderer
from live.render.cuda.fused_pirenderer import FusedPIRenderer
from live.render.cuda.live_face import FaceProgram, LiveFaceProgram
from live.render.cuda.program import OutputFormat, Program
from live.render.geometric import GeometricRenderer
from live.render.kernels.output import PixelFormat
from live.render.live_network.composition import Composer
from live.render.live_network.config import DetailConfig, LiveConfig
from live.render.live_network.inputs import portrait_arrays
from live.render.live_network.model import Enrolled, FrameInput, LivePIRenderer
from live.render.pirenderer.config import FULL, SMALL, PIRendererConfig
from live.render.pirenderer.fast import FastPIRenderer, Portrait
from live.render.pirenderer.model import PIRenderer

TINY_LIVE = LiveConfig(
    size=64,
    portrait_widths=(8, 16, 16),
    composite_widths=(8, 16, 16),
    warp_widths=(16, 16, 24),
    decoder_widths=(16, 16, 24),
    descriptor=16,
    mouth=DetailConfig(32, (16, 16, 16), 16),
    eyes=DetailConfig(16, (16, 16, 16), 16),
)
"""For dry runs on the processor."""

I420 = OutputFormat(PixelFormat.I420)
"""What encoders take."""

Baseline = Callable[[int], Callable[[], object]]
"""For a batch size: a function that runs the network once in plain torch."""


@dataclass(slots=True)
class NetworkCase:
    """A network to be timed.

    Attributes:
        name: for the table.
        program: ours, with portraits enrolled.
        frame: one frame's inputs as arrays, different with every call.
        baselines: plain torch, by name.
    """

    name: str
    program: Program
    frame: Callable[[], dict[str, np.ndarray]]
    baselines: dict[str, Baseline]


def published_case(device: ComputeDevice, *, small: bool) -> NetworkCase:
    """The published architecture at 256² with random weights: speed does not depend on their values."""
    config: PIRendererConfig = SMALL if small else FULL
    torch.manual_seed(0)
    model = PIRenderer(config).eval().requires_grad_(False)
    program = FusedPIRenderer(model, device, portraits=4)
    source = torch.rand(1, 3, config.image_size, config.image_size) * 2 - 1
    for slot in range(4):
        program.enroll(slot, source)
    rng = np.random.default_rng(0)
    where = device.torch_device

    def inputs(count: int) -> Tensor:
        return torch.randn(count, 73, 27, device=where)

    def plain(dtype: torch.dtype, *, channels_last: bool = False, compiled: bool = False) -> Baseline:
        def prepare(count: int) -> Callable[[], object]:
            network = _copy(model).to(where, dtype, memory_format=_format(channels_last))
            network = _compiled(network) if compiled else network
            picture, window = source.to(where, dtype).expand(count, -1, -1, -1).contiguous(), inputs(count).to(dtype)
            if channels_last:
                picture = picture.contiguous(memory_format=torch.channels_last)
            return lambda: network(picture, window)

        return prepare

    def fast(count: int) -> Callable[[], object]:
        network = FastPIRenderer(_copy(model)).to(where, device.dtype)
        portrait: Portrait = network.enroll(source.to(where, device.dtype))
        window = inputs(count).to(device.dtype)
        return lambda: network(portrait, window)

    baselines: dict[str, Baseline] = {
        "torch eager fp32": plain(torch.float32),
        "torch eager fp16": plain(device.dtype),
        "torch eager fp16, channels last": plain(device.dtype, channels_last=True),
        "torch eager fp16, exact speed-ups": fast,
    }
    if device.is_gpu:
        baselines["torch.compile fp16"] = plain(device.dtype, channels_last=True, compiled=True)
    name = f"published PIRenderer, {config.image_size}²"
    return NetworkCase(
        name, program, lambda: {"coefficients": rng.standard_normal((73, 27)).astype(np.float32)}, baselines
    )


def live_case(device: ComputeDevice, *, small: bool, side: int = 256) -> NetworkCase:
    """LivePIRenderer with random weights; baselines are its three networks alone, without crops and blending."""
    config = TINY_LIVE if small else LiveConfig()
    torch.manual_seed(0)
    model = LivePIRenderer(config).eval().requires_grad_(False)
    side = config.size if small else side
    program = FusedLivePIRenderer(model, device, side=side, portraits=64)
    shapes = ((1, 3, config.size), (1, 3, config.mouth.crop), (2, 3, config.eyes.crop))
    portrait = [torch.rand(n, c, s, s) * 2 - 1 for n, c, s in shapes]
    for slot in range(64):
        program.enroll(slot, *portrait)
    rng = np.random.default_rng(0)
    boxes = np.array(
        [[0.5, 0.7, 0.3, 0.02, -0.02, 0.3], [0.36, 0.42, 0.18, 0, 0, 0.18], [0.64, 0.42, -0.18, 0, 0, 0.18]], np.float32
    )

    def frame() -> dict[str, np.ndarray]:
        return {
            "picture": rng.integers(0, 256, (side, side, 3), np.uint8),
            "prior": (0.05 * rng.standard_normal((64, 64, 8))).astype(np.float32),
            "window": (0.2 * rng.standard_normal((74, 6))).astype(np.float32),
            "boxes": boxes,
        }

    def plain(dtype: torch.dtype, *, channels_last: bool = False, compiled: bool = False) -> Baseline:
        def prepare(count: int) -> Callable[[], object]:
            where = device.torch_device
            network = _copy(model).to(where, dtype, memory_format=_format(channels_last))
            enrolled = _repeat(network.enroll(*(x.to(where, dtype) for x in portrait)), count)
            guides, c, e = config.prior_channels + 1, config.mouth.crop, config.eyes.crop
            sizes = (
                (count, 3, config.size, config.size),
                (count, config.prior_channels, 64, 64),
                (count, 74, 6),
                (count, guides, c, c),
                (2 * count, guides, e, e),
            )
            tensors = FrameInput(*(0.1 * torch.randn(s, device=where).to(dtype) for s in sizes))
            call = _compiled(network) if compiled else network
            return lambda: call(enrolled, tensors)

        return prepare

    baselines = {
        "torch eager fp32, networks only": plain(torch.float32),
        "torch eager fp16, networks only": plain(device.dtype, channels_last=True),
    }
    if device.is_gpu:
        baselines["torch.compile fp16, networks only"] = plain(device.dtype, channels_last=True, compiled=True)
    return NetworkCase(f"LivePIRenderer, {side}²", program, frame, baselines)


def live_frame_case(
    device: ComputeDevice, *, small: bool, side: int = 256, portraits: int = 64, output: OutputFormat = I420
) -> NetworkCase:
    """Whole frames, coefficients to I420, of the sample portrait with the live network (random weights)."""
    config = TINY_LIVE if small else LiveConfig()
    side = config.size if small else side
    torch.manual_seed(0)
    model = LivePIRenderer(config).eval().requires_grad_(False)
    network = FusedLivePIRenderer(model, device, side=side, portraits=portraits, output=output)
    geometric = sample_geometric(side)
    program = LiveFaceProgram(network, model_arrays(geometric))
    picture, mouth, eyes = portrait_arrays(geometric.avatar.image, Composer(geometric).rest_regions, config)
    features = [torch.from_numpy(part) for part in (picture[None], mouth[None], eyes)]
    return _frame_case(f"whole frame, live network, {side}²", program, geometric, features)


def face_case(
    device: ComputeDevice, *, small: bool, side: int = 256, portraits: int = 64, output: OutputFormat = I420
) -> NetworkCase:
    """Whole frames, coefficients to I420, of the sample portrait by geometry alone."""
    geometric = sample_geometric(64 if small else side)
    side = geometric.size[0]
    program = FaceProgram(model_arrays(geometric), device, side=side, portraits=portraits, output=output)
    return _frame_case(f"whole frame, geometry, {side}²", program, geometric, [])


@cache
def sample_geometric(side: int) -> GeometricRenderer:
    """The sample portrait's geometric renderer; enrolled, not driven."""
    return GeometricRenderer(sample_avatar(), (side, side))


def _frame_case(name: str, program: Program, geometric: GeometricRenderer, features: list[Tensor]) -> NetworkCase:
    parts = [torch.from_numpy(part) for part in face_arrays.portrait_arrays(geometric).parts]
    for slot in range(program.portraits):
        program.enroll(slot, *parts, *features)
    rng = np.random.default_rng(0)
    rest = face_arrays.motion_values(geometric.rest)

    def frame() -> dict[str, np.ndarray]:
        motion = rest.copy()
        motion[:52] = np.clip(motion[:52] + rng.uniform(-0.1, 0.4, 52), 0, 1)
        motion[52:55] += rng.uniform(-0.25, 0.25, 3)
        values = {"motion": motion, "window": (0.2 * rng.standard_normal((74, 6))).astype(np.float32)}
        return {key: values[key] for key in program.inputs}

    return NetworkCase(name, program, frame, {})


def time_program(case: NetworkCase, timer: DeviceTimer, batches: list[int]) -> list[dict[str, Any]]:
    """Our network: device time of the graph, and wall time from arrays to arrays, per batch size."""
    engine = Engine(case.program, max_batch=max(batches), prepare=False)
    rows = []
    for count in batches:
        if engine.program.device.is_gpu:
            torch.cuda.reset_peak_memory_stats()
        frames = [(i % case.program.portraits, case.frame()) for i in range(count)]
        engine.render(frames)  # captures the graph, fills the inputs
        graph = timer.measure([engine.graph_runner(count)], stream=engine.compute_stream)
        wall = timer.measure_wall(lambda: engine.render(frames))  # noqa: B023
        memory = torch.cuda.max_memory_allocated() / 2**20 if engine.program.device.is_gpu else None
        rows.append(_row("this engine (graph)", count, graph, memory_mib=memory, wall_ms=wall.median))
    return rows


def time_baseline(
    case: NetworkCase, name: str, timer: DeviceTimer, batches: list[int], dtype_note: str = ""
) -> list[dict[str, Any]]:
    """One of the case's baselines at each batch size."""
    rows = []
    for count in batches:
        # Baselines get cuDNN's fastest algorithms too.
        backend: Any = torch.backends.cudnn
        with torch.inference_mode(), backend.flags(enabled=True, benchmark=True, allow_tf32=True):
            work = case.baselines[name](count)
            rows.append(_row(name + dtype_note, count, timer.measure([work])))
    return rows


def _row(name: str, count: int, timing: Timing, **extra: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "batch": count, **timing.to_dict()}
    row |= {"ms_per_frame": timing.median / count, "fps": 1e3 * count / timing.median}
    return row | {key: value for key, value in extra.items() if value is not None}


def _repeat(enrolled: Enrolled, count: int) -> Enrolled:
    return Enrolled(*([x.repeat(count, 1, 1, 1) for x in part] for part in enrolled))


def _copy(model: Any) -> Any:
    import copy

    return copy.deepcopy(model)


def _format(channels_last: bool) -> Any:
    return torch.channels_last if channels_last else torch.contiguous_format


def _compiled(model: Any) -> Any:
    return torch.compile(model, mode="reduce-overhead")
