"""Figures from traces."""

from __future__ import annotations

import json

import numpy as np
import pytest

from live.frames import Trace
from live.statistics import FrameStatistics

MS = 1_000_000


def test_rate_and_stage_times() -> None:
    statistics = FrameStatistics(window=100)
    for i in range(200):
        begin = i * 40 * MS
        trace = Trace(begin)
        trace.stamp("track", begin + 1 * MS, begin + 6 * MS)
        trace.stamp("warp", begin + 6 * MS, begin + 7 * MS)
        trace.stamp("warp", begin + 8 * MS, begin + (10 if i % 10 else 30) * MS)
        statistics.observe(trace, begin + 31 * MS)
    snapshot = statistics.snapshot({"sound": 2}, {}, 0.08)
    assert snapshot.frames == 200
    assert snapshot.fps == pytest.approx(25.0)
    assert snapshot.stages["track"].p50 == pytest.approx(5.0)
    assert snapshot.stages["warp"].p50 == pytest.approx(3.0), "a stage that ran twice counts as one"
    assert snapshot.stages["warp"].p95 == pytest.approx(23.0)
    assert snapshot.stages["total"].p50 == pytest.approx(31.0)
    text = json.dumps(snapshot.as_dict())
    assert json.loads(text)["drops"] == {"sound": 2}


def test_times_are_quantiles() -> None:
    statistics = FrameStatistics()
    lengths = np.random.default_rng(0).integers(0, 10**8, 57)
    for i, length in enumerate(lengths.tolist()):
        statistics.observe(Trace(0, [("work", 0, length)]), i)
    times = statistics.snapshot().stages["work"]
    assert (times.p50, times.p95) == pytest.approx(tuple(np.percentile(lengths / 1e6, (50, 95))))


def test_nothing_yet() -> None:
    snapshot = FrameStatistics().snapshot()
    assert snapshot.fps == 0.0
    assert snapshot.stages == {}
