"""`live bench render --device cuda`: kernels, networks and baselines of the GPU backend, measured in one run.

Every part stands alone: one that fails is written down with its error and the rest goes on. Results are written
after every part, so a run that is cut short keeps what it has. `--device cpu` is a dry run of the same code with tiny
sizes on the host build of the kernels: its times mean nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import shutil
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

PARTS: Final = ("kernels", "published", "live", "frames", "baselines", "compile")
"""What can be measured, in this order; `live` is the live network alone, `frames` are whole frames from coefficients,
`baselines` and `compile` are plain torch and torch.compile."""

BATCHES: Final = (1, 4, 16, 64)

DRY_BATCHES: Final = (1, 2)


def add_arguments(options: argparse.ArgumentParser, device: str = "cuda") -> None:
    """Define the options; `device` is the default of `--device`."""
    parser = options.add_argument_group("on a GPU")
    parser.add_argument("--device", default=device, help=f"cuda, cuda:N or cpu (default: {device})")
    parser.add_argument("--batches", default="", help="batch sizes, e.g. 1,4,16,64 (the default)")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"what to measure (default: {','.join(PARTS)})")
    parser.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help="write JSON and Markdown into this folder"
    )
    parser.add_argument("--name", default="render", help="end of the files' names (default: render)")
    parser.add_argument(
        "--seconds", type=float, default=0.6, help="about how long to measure each figure (default: 0.6)"
    )
    parser.add_argument("--budget", type=float, default=480.0, help="begin no new part after so many seconds")


def run(args: argparse.Namespace) -> int:
    """Measure, print and write. Raises `LiveError` where there is no GPU."""
    from live.bench.device_timing import DeviceTimer, copy_bandwidth
    from live.render.cuda.device import open_device

    began = time.monotonic()
    device = open_device(args.device)
    dry = not device.is_gpu
    timer = DeviceTimer(device.torch_device, seconds=0.02 if dry else args.seconds)
    chosen = tuple(int(n) for n in args.batches.split(",") if n) or (DRY_BATCHES if dry else BATCHES)
    report = Report(args.out, describe(device.name, dry=dry), args.name)
    wanted = [part for part in args.parts.split(",") if part]
    report.data["copy"] = report.attempt("copy", lambda: copy_bandwidth(timer, 4 if dry else 1024))
    if "kernels" in wanted:
        _kernels(report, device, timer, dry=dry)
    cases = [part for part in ("published", "live", "frames") if part in wanted]
    for part in cases:
        if part == "frames":
            _frames(report, device, timer, list(chosen))
            continue
        _network(report, device, timer, part, list(chosen), wanted, lambda: time.monotonic() - began < args.budget)
    report.data["seconds"] = round(time.monotonic() - began, 1)
    report.write()
    print(report.markdown())
    return 1 if report.data["errors"] else 0


class Report:
    """Collects results and writes them as they come.

    Args:
        folder: where to write; `None`: nowhere.
        facts: of the machine.
        name: end of the files' names.
    """

    def __init__(self, folder: Path | None, facts: dict[str, Any], name: str) -> None:
        self._folder = folder
        self._name = name
        self.data: dict[str, Any] = {"machine": facts, "kernels": [], "networks": {}, "errors": []}

    def attempt(self, name: str, work: Callable[[], Any]) -> Any:
        """Do one part and return its result; an error becomes part of the report, and the result `None`."""
        try:
            return work()
        except Exception as error:
            summary = f"{type(error).__name__}: {str(error)[:600]}"
            self.data["errors"].append({"part": name, "error": summary, "trace": traceback.format_exc()[-3000:]})
            print(f"{name}: {summary}", flush=True)
            return None
        finally:
            self.write()
            free_memory()

    def write(self) -> None:
        """Write JSON and Markdown, if there is a folder."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        stem = self.data["machine"]["slug"]
        (self._folder / f"{stem}-{self._name}.json").write_text(
            json.dumps(self.data, indent=1) + "\n", encoding="utf-8"
        )
        (self._folder / f"{stem}-{self._name}.md").write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        """The results for people."""
        machine, copy = self.data["machine"], self.data.get("copy")
        lines = [f"# Rendering on {machine['device']}", ""]
        if machine["dry"]:
            lines += ["**Dry run on the processor with tiny sizes: these times mean nothing.**", ""]
        lines += [f"{key}: {value}  " for key, value in machine.items() if key not in ("device", "slug", "dry")]
        if copy:
            lines += ["", f"Measured copy: {copy / 1e9:.0f} GB/s, read plus written."]
        lines += ["", "## Kernels", "", "Fewest bytes: each input read once, each output written once.", ""]
        lines += ["| kernel | work | ms | GB/s | of copy | torch, ms |", "|---|---|---|---|---|---|"]
        for row in self.data["kernels"]:
            share = f"{row['bytes_per_second'] / copy:.0%}" if copy else "-"
            torch_ms = "; ".join(f"{name}: {ms:.4f} ({ms / row['ms']:.1f}x)" for name, ms in row["torch_ms"].items())
            speed = row["bytes_per_second"] / 1e9
            lines.append(
                f"| {row['name']} | {row['what']} | {row['ms']:.4f} | {speed:.0f} | {share} | {torch_ms or '-'} |"
            )
        for title, part in self.data["networks"].items():
            lines += [
                "",
                f"## {title}",
                "",
                "| how | batch | ms | ms per frame | frames/s | arrays to arrays, ms | MiB |",
            ]
            lines.append("|---|---|---|---|---|---|---|")
            for row in part:
                wall = f"{row['wall_ms']:.3f}" if "wall_ms" in row else "-"
                memory = f"{row['memory_mib']:.0f}" if "memory_mib" in row else "-"
                cells = (row["name"], row["batch"], f"{row['ms']:.3f}", f"{row['ms_per_frame']:.4f}")
                lines.append("| " + " | ".join(map(str, (*cells, f"{row['fps']:.0f}", wall, memory))) + " |")
        if self.data["errors"]:
            lines += ["", "## What failed", ""]
            lines += [f"- {item['part']}: {item['error'].splitlines()[0]}" for item in self.data["errors"]]
        return "\n".join(lines) + "\n"


def _kernels(report: Report, device: Any, timer: Any, *, dry: bool) -> None:
    from live.bench.frame_cases import frame_cases
    from live.bench.kernel_cases import kernel_cases

    makers = list(kernel_cases(device, small=dry))
    makers += report.attempt("frame kernels", lambda: list(frame_cases(device, small=dry))) or []
    for number, maker in enumerate(makers):

        def measure(maker: Any = maker) -> None:
            import torch

            with torch.inference_mode():
                case = maker()
                timing = timer.measure_graph(case.variants)
                row = {"name": case.name, "what": case.what, **timing.to_dict(), "fewest_bytes": case.fewest_bytes}
                row["bytes_per_second"] = case.fewest_bytes / (timing.median / 1e3)
                row["torch_ms"] = {}
                report.data["kernels"].append(row)
                for name, variants in case.torch_variants.items():
                    row["torch_ms"][name] = timer.measure_graph(variants).median

        report.attempt(f"kernel {number}", measure)


def _network(
    report: Report,
    device: Any,
    timer: Any,
    part: str,
    batches: list[int],
    wanted: list[str],
    in_time: Callable[[], bool],
) -> None:
    from live.bench import network_cases as networks

    make = networks.published_case if part == "published" else networks.live_case
    case = report.attempt(part, lambda: make(device, small=not device.is_gpu))
    if case is None:
        return
    rows: list[dict[str, Any]] = report.data["networks"].setdefault(case.name, [])
    for count in batches:
        name = f"{part}, batch {count}"
        report.attempt(name, lambda: rows.extend(networks.time_program(case, timer, [count])))  # noqa: B023
    for baseline in case.baselines:
        compiled = "compile" in baseline
        if ("compile" if compiled else "baselines") not in wanted:
            continue
        # Compiling takes minutes on some versions; large batches say little beyond the middle one.
        for count in batches[:1] if compiled else [n for n in batches if n <= 16]:
            if not in_time():
                report.data["errors"].append({"part": f"{part}: {baseline}", "error": "left out: out of time"})
                break
            name = f"{part}: {baseline}, batch {count}"
            report.attempt(name, lambda: rows.extend(networks.time_baseline(case, baseline, timer, [count])))  # noqa: B023


def _frames(report: Report, device: Any, timer: Any, batches: list[int]) -> None:
    """Whole frames from coefficients to I420: with the live network, and by geometry alone."""
    from live.bench import network_cases as networks

    for make in (networks.live_frame_case, networks.face_case):
        report.attempt(make.__name__, lambda: _frame_rows(report, device, timer, make, batches))  # noqa: B023


def _frame_rows(report: Report, device: Any, timer: Any, make: Any, batches: list[int]) -> None:
    from live.bench.network_cases import time_program

    case = make(device, small=not device.is_gpu)
    rows: list[dict[str, Any]] = report.data["networks"].setdefault(case.name, [])
    for count in batches:
        report.attempt(f"{case.name}, batch {count}", lambda: rows.extend(time_program(case, timer, [count])))  # noqa: B023


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


def free_memory() -> None:
    """Give memory of finished parts back to the device."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def main() -> int:
    """`python -m live.bench.render_cuda`: the same without the command line's other parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
