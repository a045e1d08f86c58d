"""`live.transport.delay_line`: exact frames, no clicks, whatever the clocks do."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from live.frames import AUDIO_RATE
from live.transport.delay_line import FRAME, DelayLine

PERIOD = FRAME / AUDIO_RATE


def tone(start: int, count: int, frequency: float = 220.0) -> NDArray[np.int16]:
    at = np.arange(start, start + count) / AUDIO_RATE
    return np.rint(8000 * np.sin(2 * np.pi * frequency * at)).astype(np.int16)


def run(
    line: DelayLine,
    seconds: float,
    *,
    delay: float | list[float] = 0.1,
    ppm: float = 0.0,
    missing: range = range(0),
    start: float = 1000.0,
) -> NDArray[np.int16]:
    """Write 20 ms chunks as they are captured and read frames at the pace of the local clock."""
    frames = []
    written = 0
    for k in range(int(seconds / PERIOD)):
        now = start + k * PERIOD
        while (end := (written + 1) * PERIOD * (1 + ppm * 1e-6)) <= k * PERIOD + 1e-9:
            if written not in missing:
                line.write(tone(written * FRAME, FRAME), start + end - PERIOD, start + end)
            written += 1
        wanted = delay if isinstance(delay, float) else delay[min(k, len(delay) - 1)]
        frames.append(line.read(now, wanted))
    return np.concatenate(frames)


def largest_step(sound: NDArray[np.int16]) -> float:
    """Largest sample-to-sample change. The tone itself changes by at most 231 per sample."""
    return float(np.abs(np.diff(sound.astype(np.float64))).max())


def test_sound_passes_unchanged_after_the_delay() -> None:
    sound = run(DelayLine(), 2.0, delay=0.1)
    begin = int(0.1 * AUDIO_RATE)
    steady = sound[begin + 4 * FRAME :]
    expected = tone(4 * FRAME, len(steady))
    assert np.array_equal(steady, expected)
    assert largest_step(sound) < 300


def test_a_delay_that_is_too_short_becomes_the_shortest_possible() -> None:
    line = DelayLine()
    run(line, 1.0, delay=0.0)
    assert 0.02 < line.delay < 0.045
    assert line.underruns == 0


def test_a_changed_delay_is_slewed_without_clicks() -> None:
    line = DelayLine()
    sound = run(line, 8.0, delay=[0.1] * 100 + [0.15] * 300)
    assert line.delay == pytest.approx(0.15, abs=0.002)
    assert line.underruns == 0
    assert line.jumps == 0
    assert largest_step(sound) < 300


def test_a_large_change_is_a_cross_fade() -> None:
    line = DelayLine()
    sound = run(line, 6.0, delay=[0.1] * 100 + [0.6] * 200)
    assert line.delay == pytest.approx(0.6, abs=0.002)
    assert line.jumps == 1
    assert largest_step(sound) < 400


@pytest.mark.parametrize("ppm", [-200.0, 200.0])
def test_a_skewed_sound_card_is_absorbed_for_minutes(ppm: float) -> None:
    line = DelayLine()
    sound = run(line, 150.0, delay=0.1, ppm=ppm)
    assert line.delay == pytest.approx(0.1, abs=0.003)
    assert line.underruns == 0
    assert line.jumps == 0
    assert largest_step(sound[FRAME * 10 :]) < 300


def test_missing_sound_is_silence_that_fades_in_and_out() -> None:
    line = DelayLine()
    sound = run(line, 4.0, delay=0.1, missing=range(50, 65))
    assert largest_step(sound) < 400
    silent = np.flatnonzero(np.abs(sound[FRAME * 20 :]) == 0)
    assert len(silent) > 0.2 * AUDIO_RATE
    assert np.array_equal(sound[-FRAME:], tone(200 * FRAME - FRAME - int(0.1 * AUDIO_RATE), FRAME))


def test_after_sleep_sound_goes_on() -> None:
    line = DelayLine()
    run(line, 1.0, delay=0.1)
    sound = run(line, 4.0, delay=0.1, start=4600.0)
    assert np.abs(sound[-FRAME:]).max() > 7000
    assert line.delay == pytest.approx(0.1, abs=0.002)


def test_silence_before_the_first_sound() -> None:
    line = DelayLine()
    assert not line.read(5.0, 0.1).any()
    assert line.delay == 0.1
    assert line.floor == 0.0


def test_lead_is_respected_by_reading_only_what_is_there() -> None:
    line = DelayLine()
    for k in range(100):
        now = 10 + k * PERIOD
        line.write(tone(k * FRAME, FRAME), now - PERIOD, now)
        # the frame of presentation time now + 60 ms is read now
        line.read(now + 0.06, 0.05, lead=0.06)
    assert line.underruns == 0
    assert line.delay == pytest.approx(0.06 + line.floor, abs=0.025)


def test_media_time_may_have_another_origin_than_the_clock() -> None:
    line = DelayLine()
    rng = np.random.default_rng(2)
    dry_after_settling = 0
    for k in range(1000):
        now = 5000 + k * PERIOD
        if k % 2 == 0:  # two chunks at a time, up to 15 ms late, media time from 0
            for part in range(2):
                pts = (k + part) * PERIOD
                line.write(tone((k + part) * FRAME, FRAME), pts, now + 2 * PERIOD + float(rng.uniform(0, 0.015)))
        line.read(now + 2 * PERIOD + 0.016, 5000.0)
        if k == 100:
            dry_after_settling = line.underruns
    assert line.underruns == dry_after_settling
    assert line.delay == pytest.approx(5000 + 2 * PERIOD + 0.02, abs=0.045)
    assert line.floor == pytest.approx(line.delay, abs=0.01)


def deliver(line: DelayLine, stalls: dict[int, float], seconds: float) -> list[float]:
    """Chunks of 20 ms, the given ones late and all behind them waiting for them. The delay after every frame."""
    arrivals: list[float] = []
    for k in range(int(seconds / PERIOD)):
        arrivals.append(max(100 + (k + 1) * PERIOD + stalls.get(k, 0.0), arrivals[-1] if arrivals else 0.0))
    delays, written = [], 0
    for k in range(len(arrivals)):
        now = 100 + (k + 1) * PERIOD + 0.005
        while written < len(arrivals) and arrivals[written] <= now:
            line.write(tone(written * FRAME, FRAME), 100 + written * PERIOD, arrivals[written])
            written += 1
        line.read(now, 0.05)
        delays.append(line.delay)
    return delays


def test_one_stall_is_heard_once_and_delays_nothing() -> None:
    line = DelayLine()
    delays = deliver(line, {100: 0.8}, 12.0)
    assert line.underruns == 1
    assert max(delays[160:]) < 0.06


def test_a_machine_that_stalls_again_and_again_is_waited_for() -> None:
    line = DelayLine()
    deliver(line, {k: 0.1 for k in range(100, 300, 50)}, 6.0)
    assert line.underruns == 2
    assert 0.1 < line.delay < 0.15


def test_the_delay_returns_when_the_machine_has_calmed_down() -> None:
    line = DelayLine()
    delays = deliver(line, {k: 0.1 for k in range(100, 300, 50)}, 20.0)
    assert delays[-1] < 0.06
