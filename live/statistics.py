"""Frame rate and per-stage times over a bounded window, read from the traces that every frame carries."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from live.frames import Trace

WINDOW: Final = 300
"""Frames that count: 12 s at 25 fps."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """How long one stage took, milliseconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class StatisticsSnapshot:
    """What the last frames were like.

    Attributes:
        frames: frames since the session began.
        fps: frames per second over the window; 0 with fewer than two frames.
        stages: times per stage; `total` is from capture to the finished picture.
        drops: dropped items since the beginning, by where they were dropped.
        errors: failures since the beginning, by where they happened.
        audio_delay_ms: by how much sound is held back.
    """

    frames: int
    fps: float
    stages: dict[str, StageTimes] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    audio_delay_ms: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Plain types for JSON."""
        return {
            "frames": self.frames,
            "fps": round(self.fps, 2),
            "stages": {k: {"p50": round(v.p50, 2), "p95": round(v.p95, 2)} for k, v in self.stages.items()},
            "drops": dict(self.drops),
            "errors": dict(self.errors),
            "audio_delay_ms": round(self.audio_delay_ms, 1),
        }


class FrameStatistics:
    """Collects traces from the render thread; any thread may take a snapshot."""

    def __init__(self, window: int = WINDOW) -> None:
        self._lock = threading.Lock()
        self._ready: deque[int] = deque(maxlen=window)
        self._traces: deque[dict[str, float]] = deque(maxlen=window)
        self._frames = 0

    def observe(self, trace: Trace, ready_ns: int) -> None:
        """Count a frame that was ready at `ready_ns`."""
        times: dict[str, float] = {}
        for name, start_ns, end_ns in trace.stages:
            times[name] = times.get(name, 0.0) + (end_ns - start_ns) / 1e6
        times["total"] = (ready_ns - trace.capture_ns) / 1e6
        with self._lock:
            self._frames += 1
            self._ready.append(ready_ns)
            self._traces.append(times)

    def snapshot(
        self,
        drops: dict[str, int] | None = None,
        errors: dict[str, int] | None = None,
        audio_delay: float = 0.0,
    ) -> StatisticsSnapshot:
        """Summarise the window; `drops`, `errors` and `audio_delay` (s) are the session's and are passed through."""
        with self._lock:
            ready = list(self._ready)
            traces = list(self._traces)
            frames = self._frames
        stages: dict[str, list[float]] = {}
        for times in traces:
            for name, milliseconds in times.items():
                stages.setdefault(name, []).append(milliseconds)
        span = (ready[-1] - ready[0]) / 1e9 if len(ready) > 1 else 0.0
        return StatisticsSnapshot(
            frames=frames,
            fps=(len(ready) - 1) / span if span > 0 else 0.0,
            stages={name: _times(values) for name, values in stages.items()},
            drops=drops or {},
            errors=errors or {},
            audio_delay_ms=audio_delay * 1e3,
        )


def _times(values: list[float]) -> StageTimes:
    ordered = sorted(values)
    return StageTimes(_quantile(ordered, 0.50), _quantile(ordered, 0.95))


def _quantile(ordered: list[float], share: float) -> float:
    """Linearly interpolated. NumPy needs ten times as long for this few numbers, on the event loop of the server."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
