"""The estimators of the latency benchmark on series made with a known latency."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from live.bench.latency_estimators import (
    drift,
    envelope_lag,
    freezes,
    match_onsets,
    quantiles,
    speech_responses,
    step_responses,
)

FRAME_MS = 40.0


def camera(seed: int = 0, count: int = 40) -> list[tuple[float, bool]]:
    """Jumps at pseudo-random instants, alternately opening and closing."""
    gaps = np.random.default_rng(seed).uniform(480.0, 1080.0, count)
    return [(float(t), i % 2 == 0) for i, t in enumerate(1000.0 + np.cumsum(gaps))]


def screen(jumps: list[tuple[float, bool]], latency: float, rise: float = 0.0) -> tuple[NDArray, NDArray]:
    """What is shown every 40 ms: jumps `latency` ms late, taking `rise` ms for the way."""
    shown = np.arange(0.0, jumps[-1][0] + 3000.0, FRAME_MS)
    opening = np.zeros_like(shown)
    for time, opens in jumps:
        progress = np.clip((shown - time - latency) / max(rise, 1e-9), 0.0, 1.0)
        opening += progress if opens else -progress
    return shown, 0.1 + 0.7 * opening


@pytest.mark.parametrize("latency", [60.0, 150.0, 420.0])
def test_latency_of_jumps(latency: float) -> None:
    """The first picture that shows a jump is on average half an interval late; that is seen latency, not an error."""
    jumps = camera()
    found, missed = step_responses(jumps, *screen(jumps, latency))
    halves = np.array([r.half for r in found])
    assert missed == 0
    assert len(found) >= len(jumps) - 2
    assert (halves >= latency).all()
    assert (halves <= latency + FRAME_MS).all()


def test_latency_longer_than_the_time_between_jumps() -> None:
    jumps = camera()
    found, _ = step_responses(jumps, *screen(jumps, 700.0))
    assert np.median([r.half for r in found]) == pytest.approx(700.0 + FRAME_MS / 2, abs=10.0)


def test_onset_comes_before_half_of_a_slow_answer() -> None:
    jumps = camera()
    found, _ = step_responses(jumps, *screen(jumps, 100.0, rise=200.0))
    assert np.median([r.onset for r in found]) == pytest.approx(140.0 + FRAME_MS / 2, abs=12.0)
    assert np.median([r.half for r in found]) == pytest.approx(200.0 + FRAME_MS / 2, abs=12.0)


def test_unanswered_jumps_are_counted() -> None:
    jumps = camera()
    shown, opening = screen(jumps[:20], 100.0)
    shown = np.arange(0.0, jumps[-1][0] + 3000.0, FRAME_MS)
    opening = np.concatenate([opening, np.full(len(shown) - len(opening), opening[-1])])
    found, missed = step_responses(jumps, shown, opening)
    assert len(found) == 20
    assert missed == len(jumps) - 20


def test_a_frozen_picture_answers_nothing() -> None:
    jumps = camera(count=5)
    found, missed = step_responses(jumps, np.arange(0.0, 9000.0, 40.0), np.full(225, 0.4))
    assert (found, missed) == ([], 5)


def test_the_picture_of_a_response_is_the_one_presented_then() -> None:
    jumps = camera()
    shown, opening = screen(jumps, 130.0)
    found, _ = step_responses(jumps, shown, opening)
    assert all(shown[r.frame] == pytest.approx(r.event + r.half) for r in found)


def test_latency_of_speech() -> None:
    onsets = np.array([2000.0, 3500.0, 5100.0, 6400.0])
    shown = np.arange(0.0, 8000.0, FRAME_MS)
    opening = 0.01 * np.random.default_rng(1).standard_normal(len(shown))
    for onset in onsets:
        since = shown - onset - 120.0
        opening += np.where((since >= 0) & (since < 500), np.minimum(since / 80.0, 1.0), 0.0)
    found, missed = speech_responses(onsets, shown, opening)
    assert missed == 0
    for response in found:
        assert 120.0 < response.onset <= 120.0 + 0.25 * 80.0 + FRAME_MS
        assert response.onset <= response.half


def test_unrest_is_not_an_answer() -> None:
    shown = np.arange(0.0, 8000.0, FRAME_MS)
    opening = 0.2 * np.random.default_rng(2).standard_normal(len(shown))
    found, missed = speech_responses(np.array([2000.0, 4000.0]), shown, opening)
    assert (len(found), missed) == (0, 2)


def test_onsets_are_paired_in_order() -> None:
    source = np.array([1000.0, 2000.0, 3000.0, 4000.0])
    events, latencies = match_onsets(source, np.array([1090.0, 3110.0, 4100.0]))
    assert events.tolist() == [1000.0, 3000.0, 4000.0]
    assert latencies.tolist() == [90.0, 110.0, 100.0]


@pytest.mark.parametrize("lag", [0, 37, 480])
def test_lag_of_envelopes(lag: int) -> None:
    rng = np.random.default_rng(4)
    source = np.abs(np.convolve(rng.standard_normal(6000), np.ones(20), "same"))
    received = np.concatenate([np.zeros(lag), 0.4 * source])[:6000] + 0.01 * rng.standard_normal(6000)
    assert envelope_lag(source, received) == pytest.approx(lag, abs=0.5)


def test_lag_of_silence_is_not_a_number() -> None:
    assert np.isnan(envelope_lag(np.zeros(5000), np.ones(5000)))


def test_quantiles() -> None:
    found = quantiles(np.arange(101.0))
    assert (found["p50"], found["p95"], found["p99"], found["max"], found["count"]) == (50.0, 95.0, 99.0, 100.0, 101)
    assert quantiles([])["count"] == 0
    assert np.isnan(quantiles([float("nan")])["p50"])


def test_freezes() -> None:
    shown = np.concatenate([np.arange(0.0, 1000.0, 40.0), np.arange(1500.0, 2000.0, 40.0)])
    found = freezes(shown)
    assert found["count"] == 1
    assert found["total_ms"] == found["longest_gap_ms"] == 540.0


def test_drift_ignores_outliers() -> None:
    times = np.linspace(0.0, 600_000.0, 500)
    values = 80.0 + 5.0 * times / 600_000.0 + np.random.default_rng(5).normal(0.0, 1.0, 500)
    values[::17] += 400.0
    assert drift(times, values) == pytest.approx(5.0, abs=0.5)
    assert np.isnan(drift(times[:2], values[:2]))
