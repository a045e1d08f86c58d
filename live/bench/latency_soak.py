"""Hours in minutes: whether latency, memory, tasks and file descriptors stay where they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from live.bench.latency_estimators import drift

KEYS = ("rss", "threads", "tasks", "fds", "blocks")


def resource_trends(reports: list[dict[str, float]], warm_up_s: float = 60.0) -> dict[str, dict[str, float]]:
    """First, last and trend of each resource, without the first minute (a quarter of shorter runs).

    Args:
        reports: from `latency_server.ServerProcess`.
        warm_up_s: seconds at the beginning that do not count.

    Returns:
        For each resource `first` and `last` (medians of the first and last tenth), `change` (robust trend times
        duration, same unit) and `most`; for `cpu` the share of one core that was used.
    """
    if len(reports) < 8:
        return {}
    times = np.array([r["t"] for r in reports])
    skipped = min(warm_up_s, (times[-1] - times[0]) / 4)
    kept = [r for r in reports if r["t"] >= times[0] + skipped]
    times = np.array([r["t"] for r in kept])
    tenth = max(1, len(kept) // 10)
    result = {}
    for key in KEYS:
        values = np.array([r[key] for r in kept], np.float64)
        result[key] = {
            "first": float(np.median(values[:tenth])),
            "last": float(np.median(values[-tenth:])),
            "change": drift(times, values),
            "most": float(values.max()),
        }
    result["cpu"] = {"cores": float((kept[-1]["cpu"] - kept[0]["cpu"]) / max(times[-1] - times[0], 1e-9))}
    return result


def soak_markdown(minutes: float, trends: dict[str, dict[str, float]], drifts: dict[str, float]) -> str:
    """The soak's part of the report."""
    rows = [
        f"| {key} | {_amount(key, v['first'])} | {_amount(key, v['last'])} | {_amount(key, v['change'])} |"
        for key, v in trends.items()
        if "first" in v
    ]
    lines: list[Any] = [
        "",
        f"Soak of {minutes:g} minutes, the server's process:",
        "",
        "| | first tenth | last tenth | trend over the run |",
        "|---|---|---|---|",
        *rows,
        "",
        "Drift over the run (median of pairwise slopes): "
        + ", ".join(f"{name} {value:+.1f} ms" for name, value in drifts.items())
        + ".",
    ]
    if "cpu" in trends:
        lines.append(f"Processor time: {trends['cpu']['cores']:.2f} cores.")
    return "\n".join(lines) + "\n"


def _amount(key: str, value: float) -> str:
    return f"{value / 2**20:.1f} MiB" if key == "rss" else f"{value:.0f}"
