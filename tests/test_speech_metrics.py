"""The measurements of `live bench speech` on curves whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from live.bench.lips import CLOSED, LipModel
from live.bench.speech import Clip, score, summary
from live.bench.speech_metrics import closed_share, closures, correlation, jitter, lag, quiet_spans, shrink
from live.frames import AUDIO_RATE
from live.motion.face_model import FaceModel
from live.motion.speech.network import MOUTH_COUNT, MOUTH_NAMES, mouth_matrix


def curve(times: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.sin(2 * np.pi * 1.3 * times) + np.sin(2 * np.pi * 2.9 * times + 1.0)


@pytest.mark.parametrize("late_ms", [-80, 0, 35, 120])
def test_lag_is_found_between_pictures(late_ms: int) -> None:
    pts = np.arange(0, 4, 0.04)
    grid = np.arange(-1, 5, 0.005)
    assert lag(pts, curve(pts), grid, 0.3 * curve(grid - late_ms / 1000) + 2.0)[0] == pytest.approx(late_ms, abs=2.6)


def test_correlation_of_a_still_curve_is_unknown() -> None:
    assert np.isnan(correlation(np.ones(50), np.arange(50.0)))
    assert correlation(np.arange(50.0), -np.arange(50.0)) == pytest.approx(-1.0)


def test_closures_and_silence_are_counted_where_they_are() -> None:
    grid = np.arange(0.0, 2.0, 0.005)
    opening = np.where(np.abs(grid - 1.0) < 0.05, 0.0, 0.2)
    assert closures([(0.97, 1.03), (0.4, 0.5), (1.06, 1.1), (5.0, 6.0)], grid, opening) == [True, False, True]
    closed, total = closed_share([(0.9, 1.1)], grid, opening)
    assert closed / total == pytest.approx(0.5, abs=0.05)
    assert closed_share([], grid, opening) == (0, 0)


def test_jitter_ignores_constant_speed() -> None:
    assert jitter(np.arange(20.0)) == pytest.approx(0.0, abs=1e-9)
    assert jitter(np.array([0.0, 1.0] * 10)) == pytest.approx(2000.0)


def test_quiet_stretches() -> None:
    sound = np.random.default_rng(0).normal(0, 3000, 3 * AUDIO_RATE)
    sound[AUDIO_RATE : 2 * AUDIO_RATE] *= 0.001
    spans = quiet_spans(sound.astype(np.int16), AUDIO_RATE)
    assert len(spans) == 1
    assert spans[0] == pytest.approx((1.0, 2.0), abs=0.02)
    assert shrink([(0.0, 1.0), (2.0, 2.1)], 0.2, 0.1) == [(0.2, 0.9)]


def test_lip_model_opens_closes_and_widens() -> None:
    lips = LipModel(FaceModel.load())
    weights = np.eye(MOUTH_COUNT, dtype=np.float32)
    names = [n[0] for n in MOUTH_NAMES]
    gap, wide = lips.opening(weights @ mouth_matrix()), lips.width(weights @ mouth_matrix())
    assert gap[names.index("jawOpen")] > 5 * CLOSED
    assert gap[names.index("mouthClose")] < 0.0
    assert wide[names.index("mouthSmileLeft")] > 0.05 > 0.0 > wide[names.index("mouthPucker")]
    assert lips.opening(np.zeros((1, 52), np.float32))[0] == pytest.approx(0.0, abs=1e-6)


def test_scores_of_a_known_mouth() -> None:
    lips = LipModel(FaceModel.load())
    times = np.arange(0.0, 2.0, 0.02)
    weights = np.zeros((len(times), MOUTH_COUNT), np.float32)
    weights[times > 1.0, 0] = 0.4
    clip = Clip(
        name="made",
        group="made",
        samples=np.zeros(2 * AUDIO_RATE, np.int16),
        phones=[(0.0, 0.5, "SIL"), (0.5, 0.6, "B"), (0.6, 1.2, "EH"), (1.2, 1.3, "M"), (1.3, 1.9, "AA")],
        silence=[(0.0, 0.5)],
    )
    result = score(clip, "network", times, weights, lips)
    assert result.closures == [True, False]
    assert result.false_closures == [False]
    assert result.silence[0] == result.silence[1] > 0
    rows = summary([result])
    assert [r["group"] for r in rows] == ["made", "all"]
    assert rows[0]["closure_recall"] == 0.5 and rows[0]["opening_correlation"] is None
