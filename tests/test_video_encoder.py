"""`live.transport.video_encoder`."""

from __future__ import annotations

import av
import numpy as np
import pytest

from live.frames import Image
from live.transport.encoded import VIDEO_CODECS, VideoCodec
from live.transport.inbound_video import DECODERS
from live.transport.video_encoder import VideoEncoder, default_bitrate


def scene(index: int, side: int = 128) -> Image:
    y, x = np.mgrid[0:side, 0:side]
    return np.stack([128 + 80 * np.sin((x + 3 * index) / 19), 128 + 80 * np.cos(y / 23), 0 * x + 90], -1).astype(
        np.uint8
    )


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_each_picture_comes_out_at_once_and_looks_right(codec: VideoCodec) -> None:
    encoder = VideoEncoder(codec)
    decoder = av.CodecContext.create(DECODERS[codec], "r")
    decoder.thread_count = 1
    decoder.flags |= int(av.codec.context.Flags.low_delay)
    for k in range(20):
        data, keyframe = encoder.encode(scene(k), 3600 * k, keyframe=False)
        assert keyframe == (k == 0)
        frames = decoder.decode(av.Packet(data))
        assert len(frames) == 1
    error = np.abs(frames[0].to_ndarray(format="rgb24").astype(int) - scene(19)).mean()
    assert error < 6


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_keyframes_on_request_start_a_decoder(codec: VideoCodec) -> None:
    encoder = VideoEncoder(codec)
    for k in range(5):
        encoder.encode(scene(k), 3600 * k, keyframe=False)
    data, keyframe = encoder.encode(scene(5), 3600 * 5, keyframe=True)
    assert keyframe
    late_joiner = av.CodecContext.create(DECODERS[codec], "r")
    late_joiner.thread_count = 1
    late_joiner.flags |= int(av.codec.context.Flags.low_delay)
    assert len(late_joiner.decode(av.Packet(data))) == 1


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_a_new_size_starts_a_new_stream(codec: VideoCodec) -> None:
    encoder = VideoEncoder(codec)
    encoder.encode(scene(0), 0, keyframe=False)
    data, keyframe = encoder.encode(scene(1, side=192), 3600, keyframe=False)
    assert keyframe
    decoder = av.CodecContext.create(DECODERS[codec], "r")
    decoder.flags |= int(av.codec.context.Flags.low_delay)
    assert decoder.decode(av.Packet(data))[0].width == 192


def test_the_bitrate_is_kept_under_noise() -> None:
    rng = np.random.default_rng(0)
    for codec in VIDEO_CODECS:
        encoder = VideoEncoder(codec, bitrate=500_000)
        sizes = [
            len(encoder.encode(rng.integers(0, 255, (128, 128, 3), dtype=np.uint8), 3600 * k, keyframe=False)[0])
            for k in range(75)
        ]
        assert 8 * sum(sizes[25:]) / 2.0 < 1_000_000, codec


def test_bitrate_grows_with_the_picture_within_limits() -> None:
    rates = [default_bitrate(s, s, 25) for s in (64, 256, 512, 1024, 4096)]
    assert rates == sorted(rates)
    assert rates[0] == 400_000
    assert rates[-1] == 6_000_000


def test_h264_carries_its_parameters_in_every_keyframe() -> None:
    encoder = VideoEncoder("H264")
    for k, wanted in enumerate([True, False, True]):
        data, _ = encoder.encode(scene(k), 3600 * k, keyframe=wanted)
        units = {chunk[0] & 0x1F for chunk in data.split(b"\x00\x00\x01")[1:]}
        assert ({7, 8, 5} <= units) == wanted
