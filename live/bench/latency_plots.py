"""The latency benchmark's picture: what went in, what came out, how the latencies are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from live.bench.latency_analysis import WARM_UP_MS, Run

EXCERPT_S: Final = 9.0
COLOURS: Final = {"live": "#c2410c", "stock": "#64748b"}


def plot(path: Path, title: str, runs: Sequence[Run]) -> None:
    """Draw and save a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(runs) + 1, 1, figsize=(13, 3.1 * (len(runs) + 1)), layout="constrained")
    for axis, run in zip(axes, runs, strict=False):
        _excerpt(axis, run)
    _distributions(axes[-1], runs)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _excerpt(axis: Any, run: Run) -> None:
    times, opening = run.series["avatar"]
    begin = times[0] + WARM_UP_MS
    end = begin + EXCERPT_S * 1e3

    def draw(name: str, offset: float, gain: float, **style: Any) -> None:
        t, v = run.series[name]
        inside = (t >= begin) & (t <= end)
        axis.plot((t[inside] - begin) / 1e3, offset + gain * v[inside], **style)

    if "film" in run.series:
        draw("film", 0.0, 1.0, drawstyle="steps-post", color="#1d4ed8", lw=1.2, label="camera: mouth opening")
    height = float(np.percentile(opening, 99.5)) or 1.0
    style = {"drawstyle": "steps-post", "marker": ".", "ms": 3, "lw": 1.0, "color": COLOURS[run.pipeline]}
    draw("avatar", 0.0, 1.0 / height, label="avatar on screen: mouth opening", **style)
    for name, offset, colour, label in (
        ("microphone", -1.0, "#0e7490", "microphone: level"),
        ("ear", -2.0, "#15803d", "received sound: level"),
    ):
        if len(run.series[name][0]):
            loudest = float(np.percentile(run.series[name][1], 99.5)) or 1.0
            draw(name, offset, 0.8 / loudest, color=colour, lw=0.6, label=label)
    for response in run.responses:
        if begin <= response.event <= end:
            latency = response.half if run.driver == "webcam" else response.onset
            start, stop = (response.event - begin) / 1e3, (response.event + latency - begin) / 1e3
            axis.axvspan(start, stop, color="#facc15", alpha=0.35, lw=0)
            axis.text(stop, 1.12, f"{latency:.0f}", fontsize=7, ha="right")
    axis.set_ylim(-2.15, 1.35)
    axis.set_yticks([])
    axis.set_xlabel("s")
    axis.set_title(f"{run.pipeline}, {run.driver} drives (yellow: measured latency, ms)", fontsize=10)
    axis.legend(loc="lower right", fontsize=7, ncols=4)


def _distributions(axis: Any, runs: Sequence[Run]) -> None:
    for run in runs:
        values = np.sort([r.half if run.driver == "webcam" else r.onset for r in run.responses])
        if len(values):
            share = np.arange(1, len(values) + 1) / len(values)
            dashes = "-" if run.driver == "webcam" else "--"
            axis.step(values, share, dashes, color=COLOURS[run.pipeline], where="post",
                      label=f"{run.pipeline}, {run.driver}: p50 {np.median(values):.0f} ms")  # fmt: skip
    axis.set_xlabel("latency, ms")
    axis.set_ylabel("share of events")
    axis.set_xlim(left=0)
    axis.grid(alpha=0.3)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8, loc="lower right")
