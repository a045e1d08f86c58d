"""`live.transport.receive`: stands in for aiortc's buffer where it is, and leaves it alone where it is not."""

from __future__ import annotations

import asyncio
import logging
import threading
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from live.frames import AudioChunk, VideoFrame
from live.transport.receive import BUFFER_ATTRIBUTE, receive_audio, receive_video
from live.transport.remote_source import RemoteSource
from live.transport.video_encoder import VideoEncoder


class Track:
    """A track with a few decoded frames in it."""

    kind = "video"

    def __init__(self, frames: list[Any]) -> None:
        self._frames = frames

    async def recv(self) -> Any:
        if not self._frames:
            raise MediaStreamError
        return self._frames.pop(0)


class StockBuffer:
    def __init__(self) -> None:
        self.packets: list[Any] = []

    def add(self, packet: Any) -> tuple[bool, None]:
        self.packets.append(packet)
        return False, None


def listening() -> tuple[RemoteSource, list[AudioChunk], list[VideoFrame]]:
    source, sounds, pictures = RemoteSource(), [], []
    source.start(sounds.append, pictures.append, lambda text: None)
    return source, sounds, pictures


async def until(condition: Any) -> None:
    async with asyncio.timeout(20.0):
        while not condition():  # noqa: ASYNC110 (threads of the code under test deliver)
            await asyncio.sleep(0.01)


async def test_pictures_are_decoded_past_the_receiver() -> None:
    source, _, pictures = listening()
    receiver = SimpleNamespace(**{BUFFER_ATTRIBUTE: (stock := StockBuffer())})
    inbound = receive_video(receiver, Track([]), source, {97: "VP8"}, stock=False)  # type: ignore[arg-type]
    tap = getattr(receiver, BUFFER_ATTRIBUTE)
    image = np.full((64, 96, 3), 120, np.uint8)
    data, _ = VideoEncoder("VP8").encode(image, 0, keyframe=True)
    packet = SimpleNamespace(
        ssrc=1, sequence_number=5, timestamp=90, marker=1, payload_type=97, payload=b"\x10" + data, _data=data
    )
    assert tap.add(packet) == (False, None)
    assert tap.add(SimpleNamespace(**{**vars(packet), "payload_type": 50})) == (False, None)
    await until(lambda: pictures)
    assert pictures[0].image.shape == (64, 96, 3)
    assert abs(float(pictures[0].image.mean()) - 120) < 4
    assert [stage[0] for stage in pictures[0].trace.stages] == ["receive", "decode"]
    inbound.close()
    assert getattr(receiver, BUFFER_ATTRIBUTE) is stock
    inbound.close()


async def test_a_packet_that_arrives_while_closing_begins_no_decoder() -> None:
    """Closing happens on a thread, while the event loop still handles packets."""
    source, _, _ = listening()
    receiver = SimpleNamespace(**{BUFFER_ATTRIBUTE: StockBuffer()})
    inbound = receive_video(receiver, Track([]), source, {97: "VP8", 98: "H264"}, stock=False)  # type: ignore[arg-type]
    tap = getattr(receiver, BUFFER_ATTRIBUTE)

    def packet(kind: int) -> Any:
        return SimpleNamespace(
            ssrc=1, sequence_number=5, timestamp=9, marker=1, payload_type=kind, payload=b"\x10", _data=b"x"
        )

    def threads() -> int:
        return sum(thread.name == "live-video-in" for thread in threading.enumerate())

    before = threads()
    tap.add(packet(97))
    assert threads() == before + 1
    await asyncio.to_thread(inbound.close)
    assert tap.add(packet(98)) == (False, None)
    assert threads() == before


async def test_a_moved_buffer_means_the_stock_path_and_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    source, _, pictures = listening()
    frames = [av.VideoFrame.from_ndarray(np.full((32, 32, 3), 200, np.uint8), format="rgb24")]
    frames[0].pts = 0
    with caplog.at_level(logging.WARNING):
        inbound = receive_video(SimpleNamespace(), Track(frames), source, {}, stock=False)  # type: ignore[arg-type]
        again = receive_video(SimpleNamespace(), Track([]), source, {}, stock=False)  # type: ignore[arg-type]
        await until(lambda: pictures)
    assert pictures[0].image.shape == (32, 32, 3)
    assert caplog.text.count("low-delay receive is not available") == 1
    inbound.close()
    again.close()


async def test_packets_without_parsed_payload_go_back_to_the_receiver(caplog: pytest.LogCaptureFixture) -> None:
    source, _, _ = listening()
    receiver = SimpleNamespace(**{BUFFER_ATTRIBUTE: (stock := StockBuffer())})
    inbound = receive_audio(receiver, Track([]), source, stock=False)  # type: ignore[arg-type]
    packet = SimpleNamespace(sequence_number=1, timestamp=1, payload=b"x")
    with caplog.at_level(logging.WARNING):
        getattr(receiver, BUFFER_ATTRIBUTE).add(packet)
    assert stock.packets == [packet]
    assert getattr(receiver, BUFFER_ATTRIBUTE) is stock
    assert "no parsed payload" in caplog.text
    inbound.close()


async def test_the_stock_path_mixes_sound_to_mono() -> None:
    source, sounds, _ = listening()
    stereo = np.stack([np.full(960, 1000, np.int16), np.full(960, 3000, np.int16)], 1).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(stereo, format="s16", layout="stereo")
    frame.sample_rate, frame.pts = 48_000, 0
    inbound = receive_audio(SimpleNamespace(), Track([frame]), source, stock=True)  # type: ignore[arg-type]
    await until(lambda: sounds)
    assert sounds[0].samples.shape == (960,)
    assert (sounds[0].samples == 2000).all()
    inbound.close()


def test_mute_keeps_the_timing_and_removes_the_sound() -> None:
    source, sounds, _ = listening()
    source.muted = True
    source.deliver_audio(AudioChunk(np.full(960, 5, np.int16), 1.0, 2))
    assert (sounds[0].pts, len(sounds[0].samples), sounds[0].samples.any()) == (1.0, 960, False)
    source.stop()
    source.stop()
    source.deliver_audio(AudioChunk(np.zeros(1, np.int16), 1.0, 2))
    assert len(sounds) == 1
