"""The report of `live bench render --device cuda`: collects results and writes them as they come."""

from __future__ import annotations

import contextlib
import gc
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Report:
    """Results of one run.

    Args:
        folder: where to write; `None`: nowhere.
        name: end of the files' names.

    Attributes:
        data: `machine` (facts, see `render_cuda.describe`), `copy` (bytes per second), `kernels`, `networks` (rows by
            title) and `errors`. Nothing is written before `machine` is known.
    """

    def __init__(self, folder: Path | None, name: str) -> None:
        self._folder = folder
        self._name = name
        self.data: dict[str, Any] = {"machine": None, "copy": None, "kernels": [], "networks": {}, "errors": []}

    def rows(self, title: str) -> list[dict[str, Any]]:
        """Where the figures of a network go."""
        rows: list[dict[str, Any]] = self.data["networks"].setdefault(title, [])
        return rows

    def attempt(self, name: str, work: Callable[[], Any]) -> Any:
        """Do one part and return its result; an error becomes part of the report, and the result `None`."""
        try:
            return work()
        except Exception as error:
            self.failed(name, f"{type(error).__name__}: {str(error)[:600]}", traceback.format_exc()[-3000:])
            return None
        finally:
            self.write()
            with contextlib.suppress(Exception):  # CUDA may be broken; then the rest fails for itself
                _free_memory()

    def failed(self, name: str, reason: str, trace: str = "") -> None:
        """Note that there is no figure, and why."""
        self.data["errors"].append({"part": name, "error": reason, "trace": trace})
        print(f"{name}: {reason}", flush=True)

    def merge(self, part: str, folder: Path) -> None:
        """Add the report that a part's own process wrote into `folder`."""
        written = list(folder.glob("*.json"))
        if not written:
            self.failed(part, "its process left no result")
        for path in written:
            found = json.loads(path.read_text(encoding="utf-8"))
            self.data["machine"] = self.data["machine"] or found["machine"]
            self.data["copy"] = self.data["copy"] or found["copy"]
            self.data["kernels"] += found["kernels"]
            self.data["errors"] += found["errors"]
            for title, rows in found["networks"].items():
                self.rows(title).extend(rows)
        self.write()

    def write(self) -> None:
        """Write JSON and Markdown, if there is a folder."""
        if self._folder is None or self.data["machine"] is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self.data['machine']['slug']}-{self._name}"
        (self._folder / f"{stem}.json").write_text(json.dumps(self.data, indent=1) + "\n", encoding="utf-8")
        (self._folder / f"{stem}.md").write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        """The results for people."""
        machine, copy = self.data["machine"] or {"device": "an unknown device", "dry": False}, self.data["copy"]
        lines = [f"# Rendering on {machine['device']}", ""]
        if machine["dry"]:
            lines += ["**Dry run on the processor with tiny sizes: these times mean nothing.**", ""]
        lines += [f"{key}: {value}  " for key, value in machine.items() if key not in ("device", "slug", "dry")]
        lines += self._networks()
        if self.data["kernels"]:
            lines += self._kernels(copy)
        if self.data["errors"]:
            lines += ["", "## What failed", ""]
            lines += [f"- {item['part']}: {item['error'].partition(chr(10))[0]}" for item in self.data["errors"]]
        return "\n".join(lines) + "\n"

    def _networks(self) -> list[str]:
        lines = []
        for title, part in self.data["networks"].items():
            lines += ["", f"## {title}", ""]
            lines += ["| how | batch | ms | ms per frame | frames/s | arrays to arrays, ms | MiB |", "|---" * 7 + "|"]
            for row in part:
                wall = f"{row['wall_ms']:.3f}" if "wall_ms" in row else "-"
                memory = f"{row['memory_mib']:.0f}" if "memory_mib" in row else "-"
                cells = (row["name"], row["batch"], f"{row['ms']:.3f}", f"{row['ms_per_frame']:.4f}")
                lines.append("| " + " | ".join(map(str, (*cells, f"{row['fps']:.0f}", wall, memory))) + " |")
        return lines

    def _kernels(self, copy: float | None) -> list[str]:
        lines = ["", "## Kernels", "", "Fewest bytes: each input read once, each output written once.", ""]
        if copy:
            lines += [f"Measured copy: {copy / 1e9:.0f} GB/s, read plus written.", ""]
        lines += ["| kernel | work | ms | GB/s | of copy | torch, ms |", "|---|---|---|---|---|---|"]
        for row in self.data["kernels"]:
            share = f"{row['bytes_per_second'] / copy:.0%}" if copy else "-"
            torch_ms = "; ".join(f"{name}: {ms:.4f} ({ms / row['ms']:.1f}x)" for name, ms in row["torch_ms"].items())
            speed = row["bytes_per_second"] / 1e9
            lines.append(
                f"| {row['name']} | {row['what']} | {row['ms']:.4f} | {speed:.0f} | {share} | {torch_ms or '-'} |"
            )
        return lines


def _free_memory() -> None:
    """Give memory of finished parts back to the device."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
