"""`live bench render`: how long a picture takes, stage by stage, for every renderer that runs on this CPU.

Method: one avatar (the sample portrait unless another is given) in a fixed motion of head, lids and mouth; pictures are
drawn one after the other, warm-up excluded; medians. The published architecture is run in the same process with weights
of the right shape (speed does not depend on their values), as published and with the exact speed-ups of
`live.render.pirenderer.fast`. Run it on a quiet machine; compare ratios before figures. With `--device cuda` the GPU
path is measured instead, see `live.bench.render_cuda`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import resources
from pathlib import Path
from statistics import median

import numpy as np

from live.bench import render_cuda
from live.errors import LiveError, ModelError
from live.frames import MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.protocols import Renderer
from live.render.avatar import Avatar
from live.render.geometric import GeometricRenderer
from live.render.live_network.onnxruntime_runtime import OnnxRuntimeRuntime
from live.render.live_network.openvino_runtime import OpenVinoRuntime
from live.render.live_network.renderer import NeuralRenderer
from live.render.live_network.runtime import NetworkRuntime, graph_files, shipped_weights

WARM_UP = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--portrait", type=Path, default=None, help="photo to animate (default: the sample portrait)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="sides of the pictures, pixels")
    parser.add_argument("--frames", type=int, default=60, help="pictures per renderer")
    parser.add_argument("--published-frames", type=int, default=5, help="pictures of the published network; 0 skips it")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    render_cuda.add_arguments(parser, device="cpu")


def run(args: argparse.Namespace) -> int:
    """Measure and print the table. With `--device cuda`: `live.bench.render_cuda`."""
    if args.device != "cpu":
        return render_cuda.run(args)
    portrait = args.portrait or Path(str(resources.files("live") / "assets" / "portraits" / "collins.jpg"))
    avatar = Avatar.create(portrait)
    threads = args.threads or os.cpu_count() or 1
    print(f"{threads} CPU threads; medians of {args.frames} pictures\n")
    print(f"{'renderer':<34}{'size':>5}{'fps':>9}{'ms':>9}   ms by stage")
    times: dict[str, float] = {}
    with network_files() as (folder, note):
        makers: dict[str, Callable[[tuple[int, int]], Renderer]] = {
            "geometry alone": lambda size: GeometricRenderer(avatar, size)
        }
        runtimes: list[tuple[str, Callable[[], NetworkRuntime]]] = [
            ("live network, OpenVINO auto", lambda: OpenVinoRuntime(folder, "auto", threads)),
            ("its details only, OpenVINO auto", lambda: OpenVinoRuntime(folder, "auto", threads, base=False)),
            ("live network, OpenVINO f32", lambda: OpenVinoRuntime(folder, "f32", threads)),
            ("live network, ONNX Runtime f32", lambda: OnnxRuntimeRuntime(folder, threads)),
        ]
        for name, make in runtimes:
            makers[name] = partial(_neural, avatar, make)
        for size in args.sizes:
            for name, maker in makers.items():
                renderer = maker((size, size))
                label = f"{name} ({renderer_detail(renderer)})" if "auto" in name else name
                total, stages = measure(renderer, avatar.rest, args.frames)
                renderer.close()
                times.setdefault(name, total)
                detail = "  ".join(f"{stage} {value:.1f}" for stage, value in stages.items())
                print(f"{label:<34}{size:>5}{1000 / total:>9.1f}{total:>9.2f}   {detail}", flush=True)
    if args.published_frames:
        for name, total in published(args.published_frames, threads):
            times[name] = total
            print(f"{name:<34}{256:>5}{1000 / total:>9.1f}{total:>9.2f}   network {total:.1f}", flush=True)
        live = times.get("live network, OpenVINO auto")
        if live is not None:
            reference = times["published network, f32"]
            print(f"\nThe live network at {args.sizes[0]} is {reference / live:.0f}x the published one in float32.")
    if note:
        print(note)
    return 0


def _neural(avatar: Avatar, make: Callable[[], NetworkRuntime], size: tuple[int, int]) -> Renderer:
    return NeuralRenderer(avatar, make(), size)


def renderer_detail(renderer: Renderer) -> str:
    """Number format that the runtime chose."""
    return renderer.runtime_name.rpartition(" ")[2] if isinstance(renderer, NeuralRenderer) else ""


@contextmanager
def network_files() -> Iterator[tuple[Path, str]]:
    """Folder with the network's graphs and a remark: what ships, else graphs of the same size without training."""
    try:
        graph_files(shipped_weights())
        yield shipped_weights(), ""
        return
    except ModelError:
        pass
    try:
        from live.render.live_network.model import LivePIRenderer
        from live.render.live_network.onnx_export import export_onnx
    except ImportError as error:
        raise LiveError(
            "This build ships no network weights, and graphs to measure cannot be made without torch.",
            "pip install 'live-avatar[train]'",
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(LivePIRenderer(), Path(folder))
        yield Path(folder), "This build ships no network weights: its graphs were measured untrained (same arithmetic)."


def measure(renderer: Renderer, rest: MotionFrame, frames: int) -> tuple[float, dict[str, float]]:
    """Median milliseconds per picture, and per stage."""
    totals: list[float] = []
    stages: dict[str, list[float]] = defaultdict(list)
    for i in range(frames + WARM_UP):
        motion = moving(rest, i / 25)
        start = time.perf_counter()
        renderer.render(motion)
        if i >= WARM_UP:
            totals.append((time.perf_counter() - start) * 1e3)
            spent: dict[str, float] = defaultdict(float)
            for stage, begun, ended in motion.trace.stages:
                spent[stage] += (ended - begun) / 1e6
            for stage, value in spent.items():
                stages[stage].append(value)
    return median(totals), {stage: median(values) for stage, values in stages.items()}


def moving(rest: MotionFrame, seconds: float) -> MotionFrame:
    """A talking, nodding, blinking head."""
    motion = MotionFrame.neutral(seconds)
    motion.expression[:] = rest.expression
    motion.rotation[:] = rest.rotation
    motion.residual[:] = rest.residual
    motion.expression[ARKIT_INDEX["jawOpen"]] += 0.3 + 0.3 * np.sin(12 * seconds)
    for side in ("Left", "Right"):
        motion.expression[ARKIT_INDEX[f"eyeBlink{side}"]] += max(0.0, np.sin(3 * seconds)) ** 8
    motion.rotation[:2] += 0.15 * np.sin(2 * seconds), 0.25 * np.sin(1.3 * seconds)
    return motion


def published(frames: int, threads: int) -> Iterator[tuple[str, float]]:
    """Name and median milliseconds of the published network at 256², plain and with exact speed-ups."""
    try:
        import torch
    except ImportError:
        print("The published network needs torch: pip install 'live-avatar[gpu]'.")
        return
    from live.render.pirenderer.config import COEFFICIENTS, FULL, WINDOW
    from live.render.pirenderer.fast import FastPIRenderer
    from live.render.pirenderer.model import PIRenderer

    torch.set_num_threads(threads)
    with torch.inference_mode():
        model = PIRenderer(FULL).eval()
        source = torch.rand(1, 3, FULL.image_size, FULL.image_size) * 2 - 1
        window = torch.rand(1, COEFFICIENTS, WINDOW)
        fast = FastPIRenderer(model)
        portrait = fast.enroll(source)
        variants: list[tuple[str, torch.dtype, Callable[[], object]]] = [
            ("published network, f32", torch.float32, lambda: model(source, window)),
            ("the same, exact speed-ups, f32", torch.float32, lambda: fast(portrait, window)),
            ("the same, exact speed-ups, bf16", torch.bfloat16, lambda: fast(portrait, window)),
        ]
        for name, dtype, draw in variants:
            totals = []
            for i in range(frames + 1):
                with torch.autocast("cpu", dtype, enabled=dtype is torch.bfloat16):
                    start = time.perf_counter()
                    draw()
                if i:
                    totals.append((time.perf_counter() - start) * 1e3)
            yield name, median(totals)
