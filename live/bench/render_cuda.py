"""`live bench render --device cuda`: kernels, networks and baselines of the GPU backend, measured in one run.

On a GPU every part runs in a process of its own, most important first: one that fails, hangs or leaves CUDA broken is
written down with its error and the rest goes on. Results are written after every figure, so a run that is cut short
keeps what it has. `--device cpu` is a dry run of the same code with tiny sizes on the host build of the kernels: its
times mean nothing.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from live.bench.render_cuda_report import Report

PARTS: Final = ("live", "frames", "published", "kernels", "baselines", "compile")
"""What can be measured, in this order; `live` is the live network alone, `frames` are whole frames from coefficients,
`baselines` and `compile` are plain torch and torch.compile."""

LONGEST: Final = {"live": 80, "frames": 100, "published": 90, "kernels": 110, "baselines": 120, "compile": 150}
"""Seconds that a part may take on a GPU."""

LEAST: Final = 15.0
"""Seconds below which no part is begun."""

BATCHES: Final = (1, 4, 16, 64)

DRY_BATCHES: Final = (1, 2)


def add_arguments(options: argparse.ArgumentParser, device: str = "cuda") -> None:
    """Define the options; `device` is the default of `--device`."""
    parser = options.add_argument_group("on a GPU")
    parser.add_argument("--device", default=device, help=f"cuda, cuda:N or cpu (default: {device})")
    parser.add_argument("--batches", default="", help="batch sizes, e.g. 1,4,16,64 (the default)")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"what to measure (default: {','.join(PARTS)})")
    parser.add_argument("--apart", action="store_true", help="each part in its own process, as always on a GPU")
    parser.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help="write JSON and Markdown into this folder"
    )
    parser.add_argument("--name", default="render", help="end of the files' names (default: render)")
    parser.add_argument(
        "--seconds", type=float, default=0.6, help="about how long to measure each figure (default: 0.6)"
    )
    parser.add_argument("--budget", type=float, default=480.0, help="begin no new figure after so many seconds")


def run(args: argparse.Namespace) -> int:
    """Measure, print and write. Raises `LiveError` where there is no GPU."""
    wanted = [part for part in args.parts.split(",") if part]
    if len(wanted) > 1 and (args.apart or args.device != "cpu"):
        return _one_by_one(args, wanted)
    from live.bench.device_timing import DeviceTimer
    from live.render.cuda.device import open_device

    began = time.monotonic()
    device = open_device(args.device)
    dry = not device.is_gpu
    timer = DeviceTimer(device.torch_device, seconds=0.02 if dry else args.seconds)
    batches = [int(n) for n in args.batches.split(",") if n] or list(DRY_BATCHES if dry else BATCHES)
    report = Report(args.out, args.name)
    report.data["machine"] = describe(device.name, dry=dry)

    until = began + float(args.budget)

    def in_time() -> bool:
        return time.monotonic() < until

    for part in wanted:
        report.attempt(part, lambda: MEASURE[part](report, device, timer, batches, in_time))  # noqa: B023
    report.data["seconds"] = round(time.monotonic() - began, 1)
    return _finished(report)


def _one_by_one(args: argparse.Namespace, parts: list[str]) -> int:
    """Each part in a process of its own; together they make one report."""
    began = time.monotonic()
    report = Report(args.out, args.name)
    for part in parts:
        limit = min(LONGEST.get(part, args.budget), args.budget - (time.monotonic() - began))
        if limit < LEAST:
            report.failed(part, "left out: out of time")
            continue
        with tempfile.TemporaryDirectory() as folder:
            options = ["--device", args.device, "--batches", args.batches, "--parts", part, "--out", folder]
            options += ["--seconds", str(args.seconds), "--budget", str(limit - LEAST / 2)]
            try:
                subprocess.run([sys.executable, "-m", "live.bench.render_cuda", *options], timeout=limit, check=False)
            except subprocess.TimeoutExpired:
                report.failed(part, f"stopped after {limit:.0f} s")
            report.merge(part, Path(folder))
    report.data["seconds"] = round(time.monotonic() - began, 1)
    return _finished(report)


def _finished(report: Report) -> int:
    report.write()
    print(report.markdown())
    return 1 if report.data["errors"] else 0


def _kernels(report: Report, device: Any, timer: Any, _batches: list[int], in_time: Callable[[], bool]) -> None:
    """Every kernel alone, against a plain copy and torch's own operations."""
    import torch

    from live.bench.device_timing import copy_bandwidth
    from live.bench.kernel_cases import kernel_cases

    dry = not device.is_gpu
    report.data["copy"] = report.attempt("copy", lambda: copy_bandwidth(timer, 4 if dry else 1024))
    makers = list(kernel_cases(device, small=dry))
    makers += report.attempt("frame kernels", lambda: _frame_kernels(device, dry=dry)) or []
    for number, maker in enumerate(makers):

        def measure(maker: Any = maker) -> None:
            with torch.inference_mode():
                case = maker()
                timing = timer.measure_graph(case.variants)
                row = {"name": case.name, "what": case.what, **timing.to_dict(), "fewest_bytes": case.fewest_bytes}
                row["bytes_per_second"] = case.fewest_bytes / (timing.median / 1e3)
                row["torch_ms"] = {}
                report.data["kernels"].append(row)
                for name, variants in case.torch_variants.items():
                    row["torch_ms"][name] = timer.measure_graph(variants).median

        if not in_time():
            report.failed(f"kernels from number {number} on", "left out: out of time")
            break
        report.attempt(f"kernel {number}", measure)


def _frame_kernels(device: Any, *, dry: bool) -> list[Any]:
    from live.bench.frame_cases import frame_cases

    return list(frame_cases(device, small=dry))


def _published(report: Report, device: Any, timer: Any, batches: list[int], in_time: Callable[[], bool]) -> None:
    from live.bench.network_cases import published_case

    _program(report, published_case, device, timer, batches, in_time)


def _live(report: Report, device: Any, timer: Any, batches: list[int], in_time: Callable[[], bool]) -> None:
    from live.bench.network_cases import live_case

    _program(report, live_case, device, timer, batches, in_time)


def _frames(report: Report, device: Any, timer: Any, batches: list[int], in_time: Callable[[], bool]) -> None:
    """Whole frames from coefficients to I420: with the live network, and by geometry alone."""
    from live.bench.network_cases import face_case, live_frame_case

    for make in (live_frame_case, face_case):
        report.attempt(make.__name__, lambda: _program(report, make, device, timer, batches, in_time))  # noqa: B023


def _program(
    report: Report, make: Any, device: Any, timer: Any, batches: list[int], in_time: Callable[[], bool]
) -> None:
    """Our own program of one case at each batch size."""
    from live.bench.network_cases import time_program

    case = make(device, small=not device.is_gpu)
    rows = report.rows(case.name)
    for count in batches:
        name = f"{case.name}, batch {count}"
        if not in_time():
            report.failed(name, "left out: out of time")
            break
        report.attempt(name, lambda: rows.extend(time_program(case, timer, [count])))  # noqa: B023


def _baselines(report: Report, device: Any, timer: Any, batches: list[int], in_time: Callable[[], bool]) -> None:
    # Large batches say little beyond the middle one.
    _torch(report, device, timer, [n for n in batches if n <= 16], in_time, compiled=False)


def _compile(report: Report, device: Any, timer: Any, batches: list[int], in_time: Callable[[], bool]) -> None:
    # Compiling takes minutes on some versions.
    _torch(report, device, timer, batches[:1], in_time, compiled=True)


def _torch(
    report: Report, device: Any, timer: Any, batches: list[int], in_time: Callable[[], bool], *, compiled: bool
) -> None:
    """The same networks in plain torch, or compiled by it."""
    from live.bench import network_cases as networks

    for make in (networks.live_case, networks.published_case):
        case = report.attempt(make.__name__, lambda: make(device, small=not device.is_gpu))  # noqa: B023
        for baseline in () if case is None else case.baselines:
            if ("compile" in baseline) != compiled:
                continue
            for count in batches:
                name = f"{case.name}: {baseline}, batch {count}"
                if not in_time():
                    report.failed(name, "left out: out of time")
                    break
                rows = report.rows(case.name)
                report.attempt(name, lambda: rows.extend(networks.time_baseline(case, baseline, timer, [count])))  # noqa: B023


MEASURE: Final[dict[str, Callable[..., None]]] = {
    "live": _live,
    "frames": _frames,
    "published": _published,
    "kernels": _kernels,
    "baselines": _baselines,
    "compile": _compile,
}
"""How each of `PARTS` is measured."""


def describe(device_name: str, *, dry: bool) -> dict[str, Any]:
    """Facts of the machine for a report; `slug` names its files."""
    import torch

    facts: dict[str, Any] = {"device": device_name, "dry": dry, "date": time.strftime("%Y-%m-%d")}
    slug = "".join(c if c.isalnum() else "-" for c in ("dry-run" if dry else device_name).lower()).strip("-")
    facts |= {"slug": "-".join(filter(None, slug.split("-"))), "python": platform.python_version()}
    facts["torch"] = torch.__version__
    if not dry:
        import cupy

        cudnn: Any = torch.backends.cudnn

        facts |= {"cupy": cupy.__version__, "cuda": torch.version.cuda, "cudnn": cudnn.version()}
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        facts |= {
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
        }
        facts["memory_gib"] = round(properties.total_memory / 2**30, 1)
        query = "driver_version,clocks.sm,clocks.mem,power.limit"
        if smi := shutil.which("nvidia-smi"):
            command = [smi, f"--query-gpu={query}", "--format=csv,noheader"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            facts[query] = done.stdout.strip().splitlines()[0] if done.stdout.strip() else "unknown"
    return facts


def main() -> int:
    """`python -m live.bench.render_cuda`: the same without the command line's other parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
