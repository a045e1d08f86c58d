"""Tables of the latency benchmark: JSON for machines, Markdown for people."""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from live.bench.latency_analysis import Run

TARGETS: Final[dict[tuple[str, str, str], float]] = {
    ("webcam", "latency_ms", "p50"): 90.0,
    ("webcam", "latency_ms", "p95"): 130.0,
    ("microphone", "latency_ms", "p50"): 150.0,
    ("microphone", "latency_ms", "p95"): 190.0,
    ("webcam", "skew_ms", "abs_p95"): 40.0,
}
"""On the two-core reference machine, browser on the same machine, 256² at 25 pictures per second, no impairment."""

NAMES: Final = {"webcam": "webcam → avatar", "microphone": "microphone → lips"}
ORDER: Final = (
    *("receive", "decode", "track", "fit", "smooth", "speech", "prior", "warp", "mouth"),
    *("encode", "send", "waiting", "network", "browser", "total"),
)
"""Stages in the order of the table; others come last. `waiting` is what the server's stages leave between them."""


def machine_name() -> str:
    """A short name of this machine's processor for file names, e.g. `amd-epyc-9b45-2cpu`."""
    model = platform.processor() or platform.machine()
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        model = re.findall(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)[0]
    except (OSError, IndexError):
        pass
    words = re.sub(r"\(.*?\)|\b(processor|cpu|[0-9]+-core)\b|@.*", " ", model, flags=re.I)
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:40]
    return f"{slug}-{os.cpu_count()}cpu"


def markdown(title: str, conditions: dict[str, Any], runs: Sequence[Run], extra: str = "") -> str:
    """The report."""
    lines = [f"# {title}", "", *(f"- {key}: {value}" for key, value in conditions.items()), ""]
    lines += [
        "All figures in ms, judged in the browser. Method, error and limits: docs/LATENCY.md.",
        "",
        "| pipeline | what | p50 | p95 | p99 | events | unanswered |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        for label, key in ((NAMES[run.driver], "latency_ms"), ("microphone → ear", "sound_latency_ms")):
            q = run.figures[key]
            missed = run.figures["unanswered"] if key == "latency_ms" else ""
            lines.append(
                f"| {run.pipeline} | {label}{'' if key == 'latency_ms' else f' ({run.driver} drives)'} "
                f"| {_n(q['p50'])} | {_n(q['p95'])} | {_n(q['p99'])} | {q['count']} | {missed} |"
            )
    lines += [
        "",
        "| pipeline | driver | sound after picture p50 | abs. p95 | pictures/s | sent, not presented "
        "| freezes > 200 ms | longest gap | sound / picture in the browser's buffer, mean |",
        "|---" * 9 + "|",
    ]
    for run in runs:
        f = run.figures
        lines.append(
            f"| {run.pipeline} | {run.driver} | {_n(f['skew_ms']['p50'])} | {_n(f['skew_ms']['abs_p95'])} "
            f"| {f['avatar_fps']:.1f} | {_percent(f['drops']['share'])} | {f['freezes']['count']} "
            f"| {_n(f['freezes']['longest_gap_ms'])} "
            f"| {_n(f['browser_buffer_ms']['audio'])} / {_n(f['browser_buffer_ms']['video'])} |"
        )
    for run in runs:
        if "lip_timing_ms" in run.figures and run.pipeline == "live":
            own = run.figures["lip_timing_ms"]
            lines += [
                "",
                f"Of microphone → lips, the mouth's own timing against the sound (rendered offline, no transport) is "
                f"{_n(own['p50'])} ms (p50; p95 {_n(own['p95'])}; {own['count']} utterances, {own['unanswered']} "
                "unanswered). The skew of microphone runs is without its median.",
            ]
    lines += _stages(runs) + _targets(runs) + _comparison(runs)
    return "\n".join(lines) + "\n" + extra


def write(folder: Path, name: str, text: str, conditions: dict[str, Any], runs: Sequence[Run], **more: Any) -> None:
    """Write `name.md` and `name.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    events = [[{"event": r.event, "onset": r.onset, "half": r.half} for r in run.responses] for run in runs]
    rows = [
        {"pipeline": run.pipeline, "driver": run.driver, **run.figures, "events": found}
        for run, found in zip(runs, events, strict=True)
    ]
    data = _plain({"conditions": conditions, "runs": rows, **more})
    (folder / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _stages(runs: Sequence[Run]) -> list[str]:
    staged = [run for run in runs if run.figures["stamped"]]
    if not staged:
        return []
    names = {name for run in staged for name in run.figures["stamped"]}
    order = [n for n in ORDER if n in names] + sorted(names - set(ORDER))
    lines = ["", "Stages of every presented picture (the server's stamps joined by RTP timestamp), p50 / p95:", ""]
    lines += ["| driver | " + " | ".join(order) + " | before the stamps |", "|---" * (len(order) + 2) + "|"]
    for run in staged:
        cells = [run.figures["stamped"].get(name) for name in order]
        texts = [f"{_n(c['p50'])} / {_n(c['p95'])}" if c else "" for c in cells]
        rest = run.figures["not_stamped_ms"]
        lines.append(f"| {run.driver} | " + " | ".join(texts) + f" | {_n(rest['p50'])} / {_n(rest['p95'])} |")
    slowest = max(
        ((name, q["p50"]) for name, q in staged[0].figures["stamped"].items() if name != "total"), key=lambda x: x[1]
    )
    lines += ["", f"Slowest stage ({staged[0].driver}): {slowest[0]}, {_n(slowest[1])} ms."]
    return lines


def _targets(runs: Sequence[Run]) -> list[str]:
    lines = ["", "| target | limit | measured | |", "|---|---|---|---|"]
    for (driver, key, quantile), limit in TARGETS.items():
        for run in runs:
            if run.pipeline == "live" and run.driver == driver:
                value = run.figures[key][quantile]
                what = NAMES[driver] if key == "latency_ms" else "sound against picture"
                verdict = "met" if value <= limit else "missed"
                lines.append(f"| {what} {quantile} | {limit:.0f} | {_n(value)} | {verdict} |")
    return lines if len(lines) > 3 else []


def _comparison(runs: Sequence[Run]) -> list[str]:
    lines: list[str] = []
    for driver in NAMES:
        pair = {run.pipeline: run.figures for run in runs if run.driver == driver}
        if len(pair) < 2:
            continue
        lines += [
            f"- {label}: stock / live = {_ratio(pair['stock'][key]['p50'], pair['live'][key]['p50'])} (p50), "
            f"{_ratio(pair['stock'][key]['p95'], pair['live'][key]['p95'])} (p95)"
            for label, key in ((NAMES[driver], "latency_ms"), (f"microphone → ear ({driver})", "sound_latency_ms"))
        ]
    return ["", "Against stock aiortc, same run, same renderer and drivers:", "", *lines] if lines else []


def _n(value: float) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"


def _ratio(a: float, b: float) -> str:
    return "-" if math.isnan(a) or math.isnan(b) or b <= 0 else f"{a / b:.2f}"


def _plain(value: Any) -> Any:
    """JSON without NaN; numbers to a thousandth."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    return value
