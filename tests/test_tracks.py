"""`live.transport.tracks`."""

from __future__ import annotations

import asyncio

import pytest
from aiortc.mediastreams import MediaStreamError

from live.transport.encoded import Encoded
from live.transport.tracks import AUDIO_BACKLOG, VIDEO_BACKLOG, PacketTrack


def item(ticks: int, *, key: bool = False) -> Encoded:
    return Encoded(ticks.to_bytes(4, "big"), ticks, key, None, 0)


async def test_a_viewer_begins_with_a_keyframe() -> None:
    track = PacketTrack("video")
    track.offer(item(1))
    track.offer(item(2, key=True))
    track.offer(item(3))
    assert [(await track.recv()).pts for _ in range(2)] == [2, 3]
    assert track.dropped == 1


async def test_a_slow_viewer_skips_to_the_next_keyframe() -> None:
    requests = []
    track = PacketTrack("video", lambda: requests.append(1))
    for k in range(VIDEO_BACKLOG + 2):
        track.offer(item(k, key=k == 0))
    assert len(requests) == 1
    track.offer(item(50))
    track.offer(item(60, key=True))
    assert (await track.recv()).pts == 60


async def test_sound_keeps_the_newest_packets() -> None:
    track = PacketTrack("audio")
    for k in range(AUDIO_BACKLOG + 3):
        track.offer(item(k, key=True))
    assert (await track.recv()).pts == 3
    assert track.dropped == 3


async def test_what_has_left_is_told_before_the_next_is_taken() -> None:
    track = PacketTrack("audio")
    sent: list[int] = []
    track.on_sent = sent.append
    track.offer(item(7, key=True))
    track.offer(item(8, key=True))
    await track.recv()
    assert sent == []
    await track.recv()
    assert sent == [7]


async def test_stopping_wakes_a_waiting_sender() -> None:
    track = PacketTrack("video")
    waiting = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    track.stop()
    with pytest.raises(MediaStreamError):
        await waiting
    track.offer(item(1, key=True))
    with pytest.raises(MediaStreamError):
        await track.recv()
