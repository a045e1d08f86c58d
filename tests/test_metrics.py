"""`live.transport.metrics`: the Prometheus text format."""

from __future__ import annotations

import re

from live.frames import Trace
from live.transport.metrics import StageHistograms, family

LINE = re.compile(r'^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [-+0-9.einf]+)$')


def test_histograms_are_cumulative_and_well_formed() -> None:
    histograms = StageHistograms()
    for milliseconds in (0.5, 3, 3, 70, 5000):
        trace = Trace(0)
        trace.stamp("render", 0, int(milliseconds * 1e6))
        histograms.observe(trace, int((milliseconds + 10) * 1e6))
    lines = list(histograms.lines())
    assert all(LINE.match(line) for line in lines), lines
    render = [line for line in lines if 'stage="render"' in line and "bucket" in line]
    counts = [int(line.split()[-1]) for line in render]
    assert counts == sorted(counts)
    assert render[0].endswith('le="0.001"} 1')
    assert render[-1].endswith('le="+Inf"} 5')
    assert 'live_stage_seconds_count{stage="total"} 5' in lines
    assert 'live_stage_seconds_sum{stage="render"} 5.076500' in lines


def test_labels_are_escaped() -> None:
    lines = list(family("a", "gauge", "Text.", {(("name", 'x"y\n'),): 1.5, (): 2}))
    assert lines[2:] == ['a{name="x\\"y\\n"} 1.5', "a 2"]
