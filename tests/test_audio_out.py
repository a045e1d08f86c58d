"""`live.transport.audio_out`."""

from __future__ import annotations

import itertools
import threading

import av
import numpy as np
import pytest

from live.frames import AUDIO_RATE
from live.transport.audio_out import AudioOut, FrameClock, Lead, OpusEncoder
from live.transport.delay_line import FRAME, DelayLine
from live.transport.encoded import Encoded
from live.transport.lip_sync import LipSync


def test_frames_are_exactly_20_ms_apart() -> None:
    clock = FrameClock(5.0)
    ticks = []
    for k in range(50):
        now = 5.0 + 0.02 * k + 0.003
        ticks.append(clock.next_ticks)
        clock.advance(now)
    assert np.all(np.diff(ticks) == FRAME)
    assert clock.wait(5.0 + 0.02 * 49) == pytest.approx(0.02)
    assert clock.wait(5.0 + 0.02 * 49, lead=0.005) == pytest.approx(0.015)
    assert clock.wait(99.0) == 0.0


def test_a_stall_is_skipped_not_caught_up() -> None:
    clock = FrameClock(0.0)
    clock.advance(0.0)
    clock.advance(30.0)
    assert clock.next_ticks % FRAME == 0
    assert 30.0 - clock.next_ticks / AUDIO_RATE < 0.02
    assert clock.skipped == 1498


def test_lead_begins_where_it_ought_to_be_and_moves_slowly_without_jumps() -> None:
    lead = Lead()
    assert lead.step(wanted=0.06, spare=0.05, elapsed=0.02) == pytest.approx(0.05)
    values = [lead.step(wanted=0.08, spare=0.2, elapsed=0.02) for _ in range(2000)]
    assert 0.0 < np.diff(values).max() < 0.0001001
    assert values[-1] == pytest.approx(0.08)
    assert lead.step(wanted=0.08, spare=-0.2, elapsed=0.02) > 0.079, "a stall of the sound is no reason to jump"
    values = [lead.step(wanted=0.08, spare=-0.02, elapsed=0.02) for _ in range(2500)]
    assert values[-1] == 0.0


def test_opus_round_trip_keeps_level_and_length() -> None:
    encoder = OpusEncoder()
    decoder = av.CodecContext.create("libopus", "r")
    sound = (8000 * np.sin(2 * np.pi * 300 * np.arange(50 * FRAME) / AUDIO_RATE)).astype(np.int16)
    decoded = []
    for k in range(50):
        packet = encoder.encode(sound[k * FRAME : (k + 1) * FRAME], k * FRAME)
        assert 0 < len(packet) < 700
        decoded += [f.to_ndarray() for f in decoder.decode(av.Packet(packet))]
    joined = np.concatenate([d.reshape(d.shape[0], -1)[0] for d in decoded]).astype(np.float64)
    scale = 1.0 if decoded[0].dtype == np.float32 else 32768.0
    rms = np.sqrt(np.mean((joined[FRAME * 5 :] / scale) ** 2)) * 32768
    assert rms == pytest.approx(8000 / np.sqrt(2), rel=0.1)


def test_the_sender_emits_consecutive_packets_until_closed() -> None:
    got: list[Encoded] = []
    enough = threading.Event()

    def emit(item: Encoded) -> None:
        got.append(item)
        if len(got) >= 4:
            enough.set()

    out = AudioOut(DelayLine(), lambda: 0.05, LipSync(), emit)
    assert enough.wait(20.0)
    out.close()
    count = len(got)
    assert all(b.ticks - a.ticks == FRAME for a, b in itertools.pairwise(got))
    assert threading.active_count() < 50
    assert len(got) == count
