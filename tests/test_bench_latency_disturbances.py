"""What users do in the middle of a latency run: what is judged, and what is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from live.bench.latency_analysis import analyse
from live.bench.latency_disturbances import (
    ANSWER_MS,
    JUDGED_MS,
    SETTLE_MS,
    Disturbance,
    Disturber,
    disturbances_markdown,
    skew_after,
    undisturbed,
)
from tests.test_bench_latency_report import record, stimulus

PAUSE = Disturbance("pause", 10_000.0, 14_000.0)
CHANGE = Disturbance("another microphone", 60_000.0, 60_500.0)


class Page:
    """Stands for the browser's page: notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.clock = 0.0

    def now(self) -> float:
        self.clock += 100.0
        return self.clock

    def take(self) -> dict[str, float]:
        return {"now": self.clock}

    def __getattr__(self, name: str) -> object:
        return lambda *_: self.asked.append(name)


def test_events_near_a_disturbance_are_not_judged() -> None:
    events = np.array(
        [8_000.0, PAUSE.begin - ANSWER_MS + 1, 12_000.0, PAUSE.end + SETTLE_MS, PAUSE.end + SETTLE_MS + 1]
    )
    assert undisturbed(events, [PAUSE]).tolist() == [True, False, False, False, True]
    assert undisturbed(events, []).all()


def test_skew_is_told_for_each_kind_of_disturbance() -> None:
    again = replace(PAUSE, begin=200_000.0, end=204_000.0)
    events = [14_500.0, 16_000.0, 17_000.0, PAUSE.end + SETTLE_MS + JUDGED_MS + 1, 62_000.0, 206_000.0]
    after = skew_after([PAUSE, CHANGE, again], events, [500.0, -20.0, 10.0, 500.0, 30.0, 40.0])
    assert after["pause"]["times"] == 2
    assert after["pause"]["count"] == 3
    assert after["pause"]["p50"] == 10.0
    assert after["pause"]["abs_p95"] == pytest.approx(38.0)
    assert after["another microphone"]["count"] == 1
    table = disturbances_markdown("microphone", after)
    assert "| pause | 2 | 3 | 10 | 38 |" in table


def test_disturbances_take_turns_and_each_fetches_the_record() -> None:
    page = Page()
    disturber = Disturber(page, Path("speech.wav"))  # type: ignore[arg-type]
    for _ in range(4):
        disturber.disturb()
    kinds = [one.kind for one in disturber.done]
    assert kinds == ["pause", "another microphone", "interrupted program", "pause"]
    assert len(disturber.records) == 4
    assert all(one.begin < one.end for one in disturber.done)
    assert page.asked[:3] == ["mute", "wait", "mute"]
    assert page.asked[3:7] == ["take_other_microphone", "begin_program", "wait", "end_program"]


def test_another_microphone_counts_its_sound_anew() -> None:
    """The second tap's positions begin at 0 again, half a minute into the recording."""
    whole = record(60.0)
    plain = analyse(whole, stimulus(), "live", "webcam")
    for chunk in whole["pulls"]:
        if chunk["name"] == "local" and chunk["at"] > 30_000.0:
            chunk["tap"], chunk["end"] = 1, chunk["end"] - 30_000.0
    changed = analyse(whole, stimulus(), "live", "webcam", [Disturbance("another microphone", 29_900.0, 30_000.0)])
    assert changed.figures["sound_latency_ms"]["p50"] == pytest.approx(
        plain.figures["sound_latency_ms"]["p50"], abs=1.0
    )
    assert changed.figures["sound_latency_ms"]["count"] < plain.figures["sound_latency_ms"]["count"]
    assert changed.figures["answered"] < plain.figures["answered"]
    assert changed.figures["after_disturbances"]["another microphone"]["count"] > 10
