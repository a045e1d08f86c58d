"""Prometheus text exposition (format 0.0.4) of what the server does."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Final

from live.frames import Trace

BUCKETS: Final = (1, 2, 5, 10, 20, 40, 60, 80, 100, 150, 200, 300, 500, 1000)
"""Upper bounds of the histograms, milliseconds."""


class StageHistograms:
    """Time per stage of every picture that left, since the server began. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, trace: Trace, end_ns: int) -> None:
        """Count a picture that left at `end_ns`; `total` is from its capture."""
        times: dict[str, float] = {}
        for name, start, end in trace.stages:
            times[name] = times.get(name, 0.0) + (end - start) / 1e6
        times["total"] = (end_ns - trace.capture_ns) / 1e6
        with self._lock:
            for name, milliseconds in times.items():
                counts = self._counts.setdefault(name, [0] * (len(BUCKETS) + 1))
                counts[bisect_left(BUCKETS, milliseconds)] += 1
                self._sums[name] = self._sums.get(name, 0.0) + milliseconds

    def lines(self) -> Iterable[str]:
        """The histogram `live_stage_seconds` with the label `stage`."""
        with self._lock:
            snapshot = {name: (list(counts), self._sums[name]) for name, counts in sorted(self._counts.items())}
        yield "# HELP live_stage_seconds Time that pictures spent in each stage."
        yield "# TYPE live_stage_seconds histogram"
        for name, (counts, total) in snapshot.items():
            running = 0
            for bound, count in zip((*BUCKETS, None), counts, strict=True):
                running += count
                le = "+Inf" if bound is None else f"{bound / 1e3:g}"
                yield f'live_stage_seconds_bucket{{stage="{_escape(name)}",le="{le}"}} {running}'
            yield f'live_stage_seconds_sum{{stage="{_escape(name)}"}} {total / 1e3:.6f}'
            yield f'live_stage_seconds_count{{stage="{_escape(name)}"}} {running}'


def family(name: str, kind: str, text: str, samples: Mapping[tuple[tuple[str, str], ...], float]) -> Iterable[str]:
    """One metric: `samples` maps labels, as pairs, to values."""
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples.items():
        inside = ",".join(f'{key}="{_escape(label)}"' for key, label in labels)
        yield f"{name}{{{inside}}} {value:g}" if inside else f"{name} {value:g}"


def _escape(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
