"""`live.transport.broadcast`: one encode for all, keyframes for those who need them."""

from __future__ import annotations

import asyncio
import time

import av
import numpy as np
import pytest

from live.errors import LiveError
from live.frames import AudioChunk, MotionFrame, RenderedFrame
from live.transport.broadcast import Broadcast
from live.transport.encoded import VIDEO_CLOCK
from live.transport.tracks import PacketTrack
from live.transport.video_worker import VideoWorker

PATIENCE = 20.0


def frame(pts: float, value: int = 90) -> RenderedFrame:
    image = np.full((96, 96, 3), value, np.uint8)
    image[:, : 1 + int(pts * 25) % 90] = 200
    return RenderedFrame(image, pts, MotionFrame.neutral(pts, time.monotonic_ns()))


async def take(track: PacketTrack) -> av.Packet:
    async with asyncio.timeout(PATIENCE):
        return await track.recv()


def make() -> tuple[Broadcast, list[LiveError]]:
    errors: list[LiveError] = []
    return Broadcast(asyncio.get_running_loop(), errors.append), errors


async def test_viewers_share_an_encode_and_late_ones_get_a_keyframe() -> None:
    broadcast, errors = make()
    first = broadcast.video_track("VP8")
    broadcast.push_video(frame(0.0))
    early = await take(first)
    assert early.is_keyframe
    broadcast.push_video(frame(0.04))
    assert not (await take(first)).is_keyframe
    await asyncio.sleep(0.3)  # keyframes are rationed
    second = broadcast.video_track("VP8")
    broadcast.push_video(frame(0.08))
    one, two = await take(first), await take(second)
    assert bytes(one) == bytes(two)
    assert two.is_keyframe
    assert broadcast.viewers == 2
    assert broadcast.sent[-1].trace is not None
    assert {stage[0] for stage in broadcast.sent[-1].trace.stages} == {"encode", "send"}
    broadcast.close()
    assert errors == []


async def test_codecs_are_encoded_only_while_somebody_watches() -> None:
    broadcast, _ = make()
    vp8, h264 = broadcast.video_track("VP8"), broadcast.video_track("H264")
    broadcast.push_video(frame(0.0))
    assert bytes(await take(vp8))[:3] != b"\x00\x00\x00"
    assert bytes(await take(h264))[:3] == b"\x00\x00\x00"
    broadcast.remove(h264)
    broadcast.push_video(frame(0.04))
    await take(vp8)
    assert {item.codec for item in list(broadcast.sent)[2:]} == {"VP8"}
    broadcast.remove(vp8)
    assert broadcast.viewers == 0
    broadcast.push_video(frame(0.08))  # goes nowhere, and nothing runs
    broadcast.close()
    broadcast.close()


async def test_timestamps_increase_and_follow_media_time() -> None:
    broadcast, _ = make()
    track = broadcast.video_track("VP8")
    ticks = []
    for k in range(8):
        broadcast.push_video(frame(k * 0.04 if k != 5 else 0.12))  # one goes back in time
        ticks.append((await take(track)).pts)
    assert np.all(np.diff(ticks) > 0)
    assert ticks[4] - ticks[0] == pytest.approx(0.16 * VIDEO_CLOCK, abs=0.15 * VIDEO_CLOCK)
    broadcast.close()


async def test_pictures_that_wait_for_their_sound_do_not_replace_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hold is longer than the 40 ms between two pictures: several wait at a time."""
    broadcast, _ = make()
    broadcast.lip_sync.hold = 0.06
    track = broadcast.video_track("VP8")
    push = VideoWorker.push
    waits: list[float] = []

    def later(worker: VideoWorker, picture: RenderedFrame, instant: float, due: float) -> None:
        waits.append(due - time.monotonic())
        push(worker, picture, instant, due + 0.6 * len(waits))  # far apart: a busy machine must not matter

    monkeypatch.setattr(VideoWorker, "push", later)
    for _ in range(3):
        broadcast.push_video(frame(time.monotonic()))
    for _ in range(3):
        await take(track)
    assert broadcast.dropped == 0
    assert all(0.0 < wait <= 0.12 for wait in waits)
    traces = [item.trace for item in broadcast.sent if item.trace is not None]
    assert all("lip-sync" in {stage[0] for stage in trace.stages} for trace in traces)
    broadcast.close()


async def test_sound_flows_in_20_ms_packets() -> None:
    broadcast, _ = make()
    track = broadcast.audio_track()
    now = time.monotonic()
    for k in range(5):
        broadcast.push_audio(AudioChunk(np.full(960, 1000, np.int16), now + 0.02 * k, round(now * 1e9)))
    packets = [await take(track) for _ in range(5)]
    assert np.all(np.diff([packet.pts for packet in packets]) % 960 == 0)
    broadcast.remove(track)
    broadcast.close()


async def test_an_encoder_that_fails_is_reported_once_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.transport.video_worker.RETRY", 0.01)
    broadcast, errors = make()
    track = broadcast.video_track("VP8")
    broken = frame(0.0)
    for _ in range(3):
        broadcast.push_video(RenderedFrame(broken.image[:, :, :1], 0.0, broken.motion))
        await asyncio.sleep(0.03)
    broadcast.push_video(RenderedFrame(broken.image[:, :, :1], 0.0, broken.motion))
    async with asyncio.timeout(PATIENCE):
        while not errors:  # noqa: ASYNC110 (the error is appended by the loop itself)
            await asyncio.sleep(0.01)
    assert "encoder failed" in errors[0].message
    assert errors[0].hint
    broadcast.push_video(frame(1.0))
    packet = await take(track)
    assert packet.is_keyframe
    assert len(errors) == 1
    broadcast.close()


async def test_closing_ends_the_tracks() -> None:
    broadcast, _ = make()
    track = broadcast.video_track("VP8")
    await asyncio.to_thread(broadcast.close)
    await asyncio.sleep(0.05)
    assert track.readyState == "ended"
