"""The ring in which sound waits, and the delay that it waits for. Time is an argument: nothing sleeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.audio_ring import AudioRing
from live.av_delay import LONGEST, SLEW, WINDOW, AudioDelay
from live.frames import AudioChunk

S = 1_000_000_000
MS = 1_000_000


def chunk(i: int) -> AudioChunk:
    """The i-th 10 ms: captured completely at (i + 1) × 10 ms."""
    return AudioChunk(np.full(480, i, np.int16), i / 100, (i + 1) * 10 * MS)


def test_sound_is_due_after_the_delay() -> None:
    ring = AudioRing()
    for i in range(3):
        ring.put(chunk(i))
    assert ring.due(99 * MS, 0.1) == []
    assert [c.samples[0] for c in ring.due(110 * MS, 0.1)] == [0, 1]
    assert ring.seconds == pytest.approx(0.01)
    assert [c.samples[0] for c in ring.due(120 * MS, 0.1)] == [2]


def test_without_delay_sound_passes_at_once() -> None:
    ring = AudioRing()
    ring.put(chunk(5))
    assert len(ring.due(60 * MS, 0.0)) == 1


def test_overflow_drops_the_oldest_and_counts() -> None:
    ring = AudioRing(capacity=0.1)
    for i in range(25):
        ring.put(chunk(i))
    assert ring.dropped == 15
    assert ring.seconds == pytest.approx(0.1)
    assert ring.due(S, 0.0)[0].samples[0] == 15


def test_closed_ring_takes_nothing() -> None:
    ring = AudioRing()
    ring.close()
    ring.put(chunk(0))
    ring.wait(0, 0.0, longest=60.0)  # returns at once
    assert ring.due(S, 0.0) == []


@given(st.lists(st.integers(0, 400), min_size=1, max_size=200))
def test_order_is_kept_and_nothing_is_lost(steps: list[int]) -> None:
    ring, now_ns, out = AudioRing(capacity=1000.0), 0, []
    for i, step in enumerate(steps):
        ring.put(chunk(i))
        now_ns += step * MS
        out += ring.due(now_ns, 0.05)
    out += ring.due(now_ns + 100 * S, 0.05)
    assert [int(c.samples[0]) for c in out] == list(range(len(steps)))


def test_delay_is_capture_to_picture() -> None:
    """The sound tells that media time 0 was captured at 7 s; pictures of time t are ready at 7 s + t + 80 ms."""
    delay = AudioDelay()
    assert delay.seconds(0) == 0.0
    delay.observe_sound(AudioChunk(np.zeros(480, np.int16), 0.99, 8 * S))
    for i in range(10):
        delay.observe_picture(i / 25, capture_ns=0, ready_ns=round((7 + i / 25 + 0.08) * S))
    assert delay.seconds(8 * S) == pytest.approx(0.08)


def test_without_sound_the_trace_serves() -> None:
    delay = AudioDelay()
    delay.observe_picture(123.0, capture_ns=5 * S, ready_ns=5 * S + 30 * MS)
    assert delay.seconds(6 * S) == pytest.approx(0.03)


def test_delay_moves_slowly() -> None:
    delay = AudioDelay()
    delay.observe_picture(0.0, 0, 100 * MS)
    assert delay.seconds(10 * S) == pytest.approx(0.1)
    for _ in range(WINDOW):
        delay.observe_picture(0.0, 0, 200 * MS)
    assert delay.seconds(11 * S) == pytest.approx(0.1 + SLEW)
    assert delay.seconds(12 * S) == pytest.approx(0.1 + 2 * SLEW)
    assert delay.seconds(100 * S) == pytest.approx(0.2)
    for _ in range(WINDOW):
        delay.observe_picture(0.0, 0, 0)
    assert delay.seconds(101 * S) == pytest.approx(0.2 - SLEW)


@given(st.lists(st.tuples(st.integers(-(10**10), 10**10), st.integers(0, 10**9)), max_size=60))
def test_delay_is_never_negative_nor_absurd(observations: list[tuple[int, int]]) -> None:
    delay, now_ns = AudioDelay(), 0
    for lag_ns, step_ns in observations:
        now_ns += step_ns
        delay.observe_picture(0.0, 0, lag_ns)
        assert 0.0 <= delay.seconds(now_ns) <= LONGEST
