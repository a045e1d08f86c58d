"""Timing device work: CUDA events and medians on a GPU, the wall clock in dry runs on the processor."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Work = Callable[[], object]
"""Enqueues work on the current stream."""


GRAPH_CALLS = 24
"""At least so many calls in a captured graph."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one call: median, 10th and 90th percentile, and how many calls were timed."""

    median: float
    p10: float
    p90: float
    calls: int

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return {"ms": self.median, "ms_p10": self.p10, "ms_p90": self.p90, "calls": self.calls}


@dataclass(frozen=True, slots=True)
class DeviceTimer:
    """Measures on one device.

    Attributes:
        device: torch's.
        seconds: about how long one measurement may take.
        most: most calls per measurement.
    """

    device: torch.device
    seconds: float = 0.6
    most: int = 400

    def measure(self, variants: Sequence[Work], *, stream: Any = None, inner: int = 1) -> Timing:
        """Time calls that take turns in `variants`, which do the same on different memory, so that no cache helps.

        Args:
            variants: one or more.
            stream: torch's stream on which they enqueue; default: the current one.
            inner: calls between two events, for work shorter than the events' resolution (about 1 µs).
        """
        for work in variants:
            work()
        self._synchronize()
        start = time.perf_counter()
        variants[0]()
        self._synchronize()
        once = max(time.perf_counter() - start, 1e-6)
        calls = max(5, min(self.most, int(self.seconds / (once * inner))))
        turn = itertools.cycle(variants)
        if self.device.type != "cuda":
            return _summary([self._wall(turn, 1) for _ in range(min(calls, 3))])
        where = stream or torch.cuda.current_stream(self.device)
        cuda: Any = torch.cuda
        events = [(cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)) for _ in range(calls)]
        for begin, end in events:
            begin.record(where)
            for _ in range(inner):
                next(turn)()
            end.record(where)
        self._synchronize()
        return _summary([begin.elapsed_time(end) / inner for begin, end in events])

    def measure_graph(self, variants: Sequence[Work]) -> Timing:
        """As `measure`, but captured in a CUDA graph: short kernels would otherwise wait for Python to launch them.

        On the processor the same as `measure`.
        """
        if self.device.type != "cuda":
            return self.measure(variants)
        cuda: Any = torch.cuda
        stream, graph = cuda.Stream(self.device), cuda.CUDAGraph()
        calls = list(variants) * max(1, -(-GRAPH_CALLS // len(variants)))
        cuda.synchronize(self.device)  # what the work reads was made on another stream
        with cuda.stream(stream):
            for work in variants:
                work()
        cuda.synchronize(self.device)
        kept: list[object] = []
        with cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            kept += [work() for work in variants]  # results that live on give every variant its own memory
            for work in calls[len(variants) :]:
                work()

        def replay() -> None:
            with cuda.stream(stream):
                graph.replay()

        whole, count = self.measure([replay], stream=stream), len(calls)
        return Timing(whole.median / count, whole.p10 / count, whole.p90 / count, whole.calls)

    def measure_wall(self, work: Work) -> Timing:
        """Time calls that end with their result on the processor."""
        work()
        start = time.perf_counter()
        work()
        once = max(time.perf_counter() - start, 1e-6)
        calls = max(3, min(self.most, int(self.seconds / once)))
        return _summary([self._wall(itertools.repeat(work), 1) for _ in range(calls)])

    def _wall(self, turn: Any, inner: int) -> float:
        start = time.perf_counter()
        for _ in range(inner):
            next(turn)()
        self._synchronize()
        return (time.perf_counter() - start) * 1e3 / inner

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _summary(samples: list[float]) -> Timing:
    ordered = sorted(samples)
    last = len(ordered) - 1
    return Timing(statistics.median(ordered), ordered[round(0.1 * last)], ordered[round(0.9 * last)], len(ordered))


def copy_bandwidth(timer: DeviceTimer, megabytes: int) -> float:
    """Bytes per second, read plus written, of a plain copy between two buffers of `megabytes`: what memory can do."""
    count = megabytes * 2**20 // 4
    source = torch.rand(count, device=timer.device)
    target = torch.empty_like(source)
    timing = timer.measure([lambda: target.copy_(source)])
    return 2 * count * 4 / (timing.median / 1e3)
