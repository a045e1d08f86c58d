from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from live.motion.one_euro import OneEuroFilter, OneEuroSettings, added_lag_ms, crossing_time_s

TIMES = np.arange(0.0, 3.0, 1 / 30)


def filtered(settings: OneEuroSettings, signal: NDArray[np.float64], times: NDArray[np.float64] = TIMES) -> NDArray:
    one_euro = OneEuroFilter([settings])
    return np.array([one_euro([v], t)[0] for v, t in zip(signal, times, strict=True)])


def test_matches_the_published_recursion_at_a_fixed_cutoff() -> None:
    signal = np.random.default_rng(0).normal(size=len(TIMES))
    turn = 2 * np.pi * 2.0 / 30
    alpha = turn / (turn + 1)
    expected = [signal[0]]
    for value in signal[1:]:
        expected.append(alpha * value + (1 - alpha) * expected[-1])
    assert np.allclose(filtered(OneEuroSettings(min_cutoff=2.0), signal), expected)


def test_each_signal_has_its_own_settings() -> None:
    slow, fast = OneEuroSettings(min_cutoff=0.5), OneEuroSettings(min_cutoff=5.0)
    both = OneEuroFilter([slow, fast])
    step = (TIMES > 1).astype(float)
    output = np.array([both([v, v], t) for v, t in zip(step, TIMES, strict=True)])
    assert np.allclose(output[:, 0], filtered(slow, step))
    assert np.allclose(output[:, 1], filtered(fast, step))


def test_speed_raises_the_cutoff() -> None:
    step = (TIMES > 1).astype(float)
    still = filtered(OneEuroSettings(min_cutoff=1.0), step)
    quick = filtered(OneEuroSettings(min_cutoff=1.0, beta=5.0, derivative_cutoff=10.0), step)
    lags = [crossing_time_s(TIMES, s, 0.5) - crossing_time_s(TIMES, step, 0.5) for s in (still, quick)]
    assert lags[0] > 0.08
    assert lags[1] < 0.01


def test_directions_can_differ() -> None:
    settings = OneEuroSettings(min_cutoff=1.0, beta_rising=0.0, beta_falling=20.0, derivative_cutoff=20.0)
    pulse = ((TIMES > 0.5) & (TIMES < 2.0)).astype(float)
    output = filtered(settings, pulse)
    rising = crossing_time_s(TIMES, output, 0.5) - 0.5
    falling = crossing_time_s(TIMES, -output, -0.5) - 2.0
    assert rising > 0.08
    assert falling < 0.04


def test_irregular_steps_follow_the_same_curve() -> None:
    generator = np.random.default_rng(1)
    times = np.cumsum(generator.uniform(0.004, 0.03, 300))
    dense = np.arange(0.0, times[-1], 0.001)
    settings = OneEuroSettings(min_cutoff=1.0)
    coarse = filtered(settings, np.sin(2.0 * times), times)
    fine = np.interp(times, dense, filtered(settings, np.sin(2.0 * dense), dense))
    assert np.abs(coarse - fine)[30:].max() < 0.05


def test_prediction_cancels_the_lag_of_a_ramp() -> None:
    ramp = 0.5 * TIMES
    plain = OneEuroSettings(min_cutoff=1.0, derivative_cutoff=5.0)
    ahead = OneEuroSettings(min_cutoff=1.0, derivative_cutoff=5.0, prediction=1.0)
    assert abs(filtered(plain, ramp)[-1] - ramp[-1]) > 0.05
    assert filtered(ahead, ramp)[-1] == pytest.approx(ramp[-1], abs=1e-3)


def test_values_that_are_not_finite_are_held() -> None:
    one_euro = OneEuroFilter([OneEuroSettings(), OneEuroSettings()])
    assert np.array_equal(one_euro([np.nan, 1.0], 0.0), [0.0, 1.0])
    output = one_euro([np.inf, np.nan], 0.033)
    assert np.isfinite(output).all()
    assert output[1] == pytest.approx(1.0)


@pytest.mark.parametrize("later", [-1.0, 10.0, float("nan")])
def test_time_that_jumps_starts_anew(later: float) -> None:
    one_euro = OneEuroFilter([OneEuroSettings(min_cutoff=0.1)])
    one_euro([0.0], 0.0)
    assert one_euro([5.0], later)[0] == 5.0


def test_equal_timestamps_are_no_division_by_zero() -> None:
    one_euro = OneEuroFilter([OneEuroSettings(beta=1.0)])
    one_euro([0.0], 1.0)
    assert np.isfinite(one_euro([1.0], 1.0)).all()


def test_the_same_input_gives_the_same_output() -> None:
    signal = np.random.default_rng(2).normal(size=len(TIMES))
    settings = OneEuroSettings(beta=1.0, prediction=0.5)
    assert np.array_equal(filtered(settings, signal), filtered(settings, signal))


def test_added_lag_is_what_was_added() -> None:
    signal = np.exp(-(((TIMES - 1.5) / 0.2) ** 2))
    delayed = np.exp(-(((TIMES - 1.5 - 0.04) / 0.2) ** 2))
    assert added_lag_ms(TIMES, signal, delayed) == pytest.approx(40.0, abs=1.5)
    assert added_lag_ms(TIMES, delayed, signal) == pytest.approx(-40.0, abs=1.5)


def test_crossing_time_interpolates() -> None:
    assert crossing_time_s([0.0, 1.0, 2.0], [0.0, 0.0, 1.0], 0.25) == pytest.approx(1.25)
    assert np.isnan(crossing_time_s([0.0, 1.0], [0.0, 0.1], 0.5))
