"""`live.transport.audio_jitter`, with a simulated network and a simulated clock."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

import pytest

from live.transport.audio_jitter import DOUBT, AudioJitterBuffer, Release

PACKET = 0.02


@dataclass
class Outcome:
    releases: list[tuple[float, Release]] = field(default_factory=list)

    @property
    def longest_pause(self) -> float:
        times = [t for t, _ in self.releases]
        return max(b - a for a, b in itertools.pairwise(times))

    @property
    def payloads(self) -> list[int | None]:
        return [None if r.payload is None else int.from_bytes(r.payload, "big") for _, r in self.releases]


def simulate(
    arrivals: list[tuple[float, int]],
    buffer: AudioJitterBuffer,
    first_sequence: int = 65_500,
    first_timestamp: int = 2**32 - 5_000,
    samples: int = 960,
) -> Outcome:
    """Deliver packets `(instant, number)`, waking the buffer exactly when it asks to be woken, as its thread does."""
    outcome = Outcome()
    for instant, number in sorted(arrivals):
        while (event := buffer.next_event()) is not None and event < instant:
            released = buffer.pop(event)
            assert released or buffer.next_event() != event, "asked to be woken for nothing"
            outcome.releases += [(event, r) for r in released]
        sequence = (first_sequence + number) % 65_536
        timestamp = (first_timestamp + samples * number) % 2**32
        buffer.push(sequence, timestamp, number.to_bytes(4, "big"), instant)
        outcome.releases += [(instant, r) for r in buffer.pop(instant)]
    return outcome


def test_a_quiet_network_costs_nothing() -> None:
    buffer = AudioJitterBuffer()
    arrivals = [(50.0 + PACKET * n, n) for n in range(500)]
    outcome = simulate(arrivals, buffer)
    assert outcome.payloads == list(range(500))
    assert all(t == 50.0 + PACKET * n for n, (t, _) in enumerate(outcome.releases))
    assert buffer.target == 0.0
    assert (buffer.lost, buffer.late, buffer.duplicated) == (0, 0, 0)


@pytest.mark.parametrize("missing", [[100], [100, 101], [100, 102, 104]])
def test_lost_packets_are_concealed_in_place_without_a_stall(missing: list[int]) -> None:
    buffer = AudioJitterBuffer()
    outcome = simulate([(PACKET * n, n) for n in range(300) if n not in missing], buffer)
    assert outcome.payloads == [None if n in missing else n for n in range(300)]
    assert outcome.longest_pause <= 0.060
    assert buffer.lost == len(missing)
    assert buffer.target == 0.0, "waiting cannot bring back what is lost"


def test_media_time_is_continuous_across_loss() -> None:
    outcome = simulate([(7 + PACKET * n, n) for n in range(100) if n % 10 != 5], AudioJitterBuffer())
    ends = [r.end for _, r in outcome.releases]
    assert all(b - a == pytest.approx(PACKET, abs=1e-6) for a, b in itertools.pairwise(ends))


def test_reordered_packets_come_out_in_order() -> None:
    arrivals = [(PACKET * n + (0.025 if n % 20 == 7 else 0.0), n) for n in range(1000)]
    buffer = AudioJitterBuffer()
    outcome = simulate(arrivals, buffer)
    numbers = [p for p in outcome.payloads if p is not None]
    assert numbers == sorted(numbers)
    assert None not in outcome.payloads[500:], "the buffer has learnt to wait"
    assert 0.02 < buffer.target < 0.06


def test_duplicates_are_ignored() -> None:
    buffer = AudioJitterBuffer()
    arrivals = [(PACKET * n + extra, n) for n in range(200) for extra in (0.0, 0.001)]
    outcome = simulate(arrivals, buffer)
    assert outcome.payloads == list(range(200))
    assert buffer.duplicated == 200


def test_the_buffer_grows_with_jitter_and_shrinks_when_the_network_recovers() -> None:
    rng = random.Random(3)
    buffer = AudioJitterBuffer()
    bad = [(PACKET * n + rng.uniform(0.0, 0.04), n) for n in range(1000)]
    outcome = simulate(bad, buffer)
    grown = buffer.target
    assert 0.03 < grown < 0.05
    concealed = sum(p is None for p in outcome.payloads[300:])
    assert concealed < 10
    good = [(PACKET * n + 0.02, n) for n in range(1000, 1800)]
    simulate(good, buffer)
    assert buffer.target < 0.004


def test_a_single_stall_of_a_second_delays_nothing_afterwards() -> None:
    buffer = AudioJitterBuffer()
    stalled = [(max(PACKET * n, 11.0 + 0.0005 * (n - 500)) if n >= 500 else PACKET * n, n) for n in range(600)]
    simulate(stalled, buffer)
    assert buffer.target == 0.0


@pytest.mark.parametrize("ppm", [-200, 200])
def test_a_skewed_sender_neither_starves_nor_fills_the_buffer(ppm: int) -> None:
    buffer = AudioJitterBuffer()
    interval = PACKET * (1 + ppm * 1e-6)
    outcome = simulate([(interval * n, n) for n in range(30_000)], buffer)  # ten minutes
    assert outcome.payloads == list(range(30_000))
    assert max(t - interval * n for n, (t, _) in enumerate(outcome.releases)) < 0.003
    last_instant, last = outcome.releases[-1]
    assert last.end == pytest.approx(last_instant, abs=0.002), "media time keeps to the local clock"


def test_loss_jitter_reordering_and_duplication_together() -> None:
    rng = random.Random(9)
    arrivals = []
    for n in range(3000):
        if rng.random() < 0.05:
            continue
        instant = PACKET * n + rng.uniform(0, 0.03)
        arrivals.append((instant, n))
        if rng.random() < 0.02:
            arrivals.append((instant + 0.01, n))
    outcome = simulate(arrivals, AudioJitterBuffer())
    numbers = [p for p in outcome.payloads if p is not None]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 0.97 * len({n for _, n in arrivals})
    assert outcome.longest_pause <= 0.060


def test_an_outage_pauses_after_three_concealments_and_resumes_at_once() -> None:
    arrivals = [(PACKET * n, n) for n in range(50)] + [(PACKET * n, n) for n in range(150, 200)]
    outcome = simulate(arrivals, AudioJitterBuffer())
    assert outcome.payloads[50:54] == [None, None, None, 150]
    resumed = [r for _, r in outcome.releases if r.resumed]
    assert [r.payload for r in resumed] == [(150).to_bytes(4, "big")]
    assert [t for t, r in outcome.releases if r.resumed] == [pytest.approx(3.0)]


def test_a_sender_that_starts_over_is_followed() -> None:
    buffer = AudioJitterBuffer()
    simulate([(PACKET * n, n) for n in range(50)], buffer)
    again = simulate([(2 + PACKET * n, n) for n in range(50)], buffer, first_sequence=9_000, first_timestamp=77)
    assert [p for p in again.payloads if p is not None] == list(range(50))


def test_ten_millisecond_packets_are_concealed_as_such() -> None:
    buffer = AudioJitterBuffer()
    got: list[Release] = []
    for n in range(40):
        if n != 20:
            buffer.push(n, 480 * n, b"x", 0.01 * n)
        got += buffer.pop(0.01 * n)
    got += buffer.pop(0.45)
    assert [r.payload for r in got[:40]].count(None) == 1
    assert got[20].payload is None


@pytest.mark.parametrize("pace", [PACKET, PACKET / 2])
@pytest.mark.parametrize("pause", [0.2, 0.5, 1.3, 4.0, 20.0])
def test_a_sender_that_paused_goes_on_in_the_present(pace: float, pause: float) -> None:
    """Another microphone: nothing for a while, then the time stamp goes on where it stopped."""
    buffer = AudioJitterBuffer()
    arrivals = [(50.0 + pace * n + (pause if n >= 200 else 0.0), n) for n in range(400)]
    outcome = simulate(arrivals, buffer, samples=round(48_000 * pace))
    begin = 50.0 + pause + pace * 200
    after = [(t, r) for t, r in outcome.releases if t > begin]
    assert [r.payload for _, r in after] == [n.to_bytes(4, "big") for n in range(200, 400)]
    assert after[0][1].resumed
    assert all(t - r.end <= DOUBT + pace for t, r in after)
    assert all(t == pytest.approx(begin + pace * n) for n, (t, _) in enumerate(after) if pace * n > DOUBT + pace)
    assert buffer.target == 0.0
    assert (buffer.lost, buffer.late, buffer.duplicated) == (0, 0, 0)


def test_a_single_packet_after_a_pause_is_released_all_the_same() -> None:
    buffer = AudioJitterBuffer()
    arrivals = [(50.0 + PACKET * n + (0.7 if n == 100 else 0.0), n) for n in range(101)]
    outcome = simulate(arrivals, buffer)
    while (event := buffer.next_event()) is not None and event < 60.0:
        outcome.releases += [(event, r) for r in buffer.pop(event)]
    assert 100 in outcome.payloads
    assert buffer.next_event() is None


@pytest.mark.parametrize("stall", [0.2, 0.7, 2.0])
@pytest.mark.parametrize("spacing", [0.0005, 0.002, 0.007])
def test_a_network_that_stalled_is_no_pause(stall: float, spacing: float) -> None:
    """Nothing moves in time: what was said then is as old as it is, and what follows is in the present."""
    buffer = AudioJitterBuffer()
    begin = 50.0 + PACKET * 200
    arrivals = []
    free = 0.0
    for n in range(600):
        sent = 50.0 + PACKET * n
        free = max(sent, free + spacing) if sent < begin else max(sent, begin + stall, free + spacing)
        arrivals.append((free, n))
    outcome = simulate(arrivals, buffer)
    ends = [r.end for _, r in outcome.releases if r.payload is not None]
    assert ends == pytest.approx([50.0 + PACKET * n for n in outcome.payloads if n is not None], abs=0.005)
    last = [n for n in outcome.payloads[-80:] if n is not None]
    assert last == list(range(last[0], last[0] + 80))


def test_lost_packets_on_a_late_network_are_no_pause() -> None:
    """The time stamps know of the silence."""
    buffer = AudioJitterBuffer()
    arrivals = [(50.0 + PACKET * n + (0.15 if n > 60 else 0.0), n) for n in range(200) if not 100 <= n < 106]
    outcome = simulate(arrivals, buffer)
    after = [r.end for t, r in outcome.releases if t > 52.5]
    steps = [b - a for a, b in itertools.pairwise(after)]
    assert all(step == pytest.approx(PACKET, abs=0.002) for step in steps if step < 0.1)


def test_another_stream_ends_the_doubt() -> None:
    buffer = AudioJitterBuffer()
    for n in range(50):
        buffer.push(n, 960 * n, b"old", 50.0 + PACKET * n)
        buffer.pop(50.0 + PACKET * n)
    buffer.push(50, 960 * 50, b"old", 52.0)
    for n in range(20):
        buffer.push(30_000 + n, 77_000_000 + 960 * n, b"new", 52.01 + PACKET * n)
        released = buffer.pop(52.01 + PACKET * n)
    assert [r.payload for r in released] == [b"new"]
