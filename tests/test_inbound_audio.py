"""`live.transport.inbound_audio`: decoding, and concealment by the codec itself."""

from __future__ import annotations

import threading

import numpy as np

from live.frames import AUDIO_RATE, AudioChunk
from live.transport.audio_out import OpusEncoder
from live.transport.inbound_audio import InboundAudio, OpusReceiver

FRAME = 960


def packets(count: int) -> list[bytes]:
    encoder = OpusEncoder()
    sound = (8000 * np.sin(2 * np.pi * 250 * np.arange(count * FRAME) / AUDIO_RATE)).astype(np.int16)
    return [encoder.encode(sound[k * FRAME : (k + 1) * FRAME], k * FRAME) for k in range(count)]


def level(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def test_a_lost_packet_is_extrapolated_not_silent() -> None:
    receiver = OpusReceiver()
    sounds = [receiver.decode(None if k == 10 else data) for k, data in enumerate(packets(20))]
    assert all(sound.shape == (FRAME,) and sound.dtype == np.int16 for sound in sounds)
    assert level(sounds[10]) > 0.4 * level(sounds[9])
    joined = np.concatenate(sounds[5:15]).astype(np.float64)
    assert np.abs(np.diff(joined)).max() < 1500, "no click"


def test_long_loss_fades_out() -> None:
    receiver = OpusReceiver()
    for data in packets(10):
        receiver.decode(data)
    levels = [level(receiver.decode(None)) for _ in range(30)]
    assert levels[0] > 1000
    assert levels[-1] < 0.2 * levels[0]


def test_garbage_is_concealed_and_counted() -> None:
    receiver = OpusReceiver()
    good = packets(4)
    receiver.decode(good[0])
    assert receiver.decode(b"\xff" * 7).shape == (FRAME,)
    assert receiver.failed >= 1
    assert level(receiver.decode(good[3])) > 0


def test_packets_become_chunks_on_the_local_clock() -> None:
    chunks: list[AudioChunk] = []
    enough = threading.Event()

    def deliver(chunk: AudioChunk) -> None:
        chunks.append(chunk)
        if len(chunks) == 5:
            enough.set()
            raise RuntimeError("a consumer that fails must not stop reception")

    inbound = InboundAudio(deliver)
    data = packets(8)
    for k in (0, 1, 2, 4, 5, 6):  # 3 is lost
        inbound.push(k, k * FRAME, data[k])
    assert enough.wait(20.0)
    inbound.close()
    inbound.close()
    assert all(len(chunk.samples) == FRAME for chunk in chunks)
    steps = np.diff([chunk.pts for chunk in chunks])
    assert np.allclose(steps, 0.02, atol=1e-3)
    assert abs(chunks[0].pts + chunks[0].duration - chunks[0].capture_ns / 1e9) < 1e-6
    assert inbound.buffer.lost == 1
