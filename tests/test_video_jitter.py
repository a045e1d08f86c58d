"""`live.transport.video_jitter`."""

from __future__ import annotations

import random

from live.transport.video_jitter import Picture, VideoJitterBuffer, VideoPacket, starts_keyframe


def picture(
    index: int, first: int, count: int, *, key: bool = False, interval: int = 3600, marker: bool = True
) -> list[VideoPacket]:
    packets = []
    for i in range(count):
        raw = bytes([0x10 if i == 0 else 0x00])
        data = bytes([0 if key and i == 0 else 1, index % 256, i])
        last = i == count - 1
        number = (first + i) % 65_536
        packets.append(VideoPacket(number, (index * interval) % 2**32, last and marker, raw + data, data))
    return packets


def stream(pictures: int, per_picture: int = 3, first: int = 65_530) -> list[VideoPacket]:
    packets: list[VideoPacket] = []
    for i in range(pictures):
        packets += picture(i, first + len(packets), per_picture, key=i == 0)
    return packets


def feed(buffer: VideoJitterBuffer, packets: list[VideoPacket], step: float = 0.013) -> tuple[list[Picture], int]:
    pictures: list[Picture] = []
    requests = 0
    for i, packet in enumerate(packets):
        done, request = buffer.push(packet, i * step)
        pictures += done
        requests += request
    return pictures, requests


def test_a_picture_is_released_by_its_marker_not_by_the_next_picture() -> None:
    buffer = VideoJitterBuffer("VP8")
    packets = picture(0, 10, 3, key=True)
    assert buffer.push(packets[0], 0.0) == ([], False)
    assert buffer.push(packets[1], 0.001) == ([], False)
    done, request = buffer.push(packets[2], 0.002)
    assert not request
    assert done == [Picture(b"\x00\x00\x00\x01\x00\x01\x01\x00\x02", 0, 0.002, True)]


def test_order_and_wrap_around() -> None:
    pictures, requests = feed(VideoJitterBuffer("VP8"), stream(40))
    assert [p.timestamp for p in pictures] == [3600 * i for i in range(40)]
    assert requests == 0


def test_reordering_and_duplicates_do_no_harm() -> None:
    packets = stream(60)
    rng = random.Random(5)
    shuffled = sorted(range(3, len(packets)), key=lambda i: i + rng.uniform(0, 4))
    order = packets[:3] + [packets[i] for i in shuffled for _ in range(2)]
    pictures, requests = feed(VideoJitterBuffer("VP8"), order, step=0.005)
    assert [p.timestamp for p in pictures] == [3600 * i for i in range(60)]
    assert requests == 0


def test_a_retransmission_in_time_releases_everything_that_waited() -> None:
    buffer = VideoJitterBuffer("VP8")
    packets = stream(4)
    missing = packets.pop(4)
    pictures, requests = feed(buffer, packets)
    assert [p.timestamp for p in pictures] == [0]
    done, request = buffer.push(missing, 0.14)
    assert [p.timestamp for p in done] == [3600, 7200, 10800]
    assert requests == 0
    assert not request


def test_a_lost_packet_asks_for_a_keyframe_and_goes_on_there() -> None:
    buffer = VideoJitterBuffer("VP8")
    packets = stream(30)
    keyframe_first = (packets[-1].sequence + 1) % 65_536
    packets += picture(30, keyframe_first, 5, key=True)
    del packets[7]
    pictures, requests = feed(buffer, packets)
    assert [p.timestamp for p in pictures] == [0, 3600, 3600 * 30]
    assert requests >= 1
    assert pictures[-1].keyframe


def test_without_a_keyframe_requests_are_repeated_but_not_for_every_packet() -> None:
    packets = stream(60)[3:]
    pictures, requests = feed(VideoJitterBuffer("VP8"), packets)
    assert pictures == []
    assert requests == 8  # 171 packets in 2.2 s, one request each 0.3 s


def test_padding_is_no_picture() -> None:
    packets = picture(0, 0, 2, key=True)
    packets += [VideoPacket(2, 0, False, b"", b"")]
    packets += picture(1, 3, 2)
    pictures, _ = feed(VideoJitterBuffer("VP8"), packets)
    assert [p.timestamp for p in pictures] == [0, 3600]


def test_a_sender_without_markers_still_works() -> None:
    packets = [p for i in range(5) for p in picture(i, 3 * i, 3, key=i == 0, marker=False)]
    pictures, _ = feed(VideoJitterBuffer("VP8"), packets)
    assert [p.timestamp for p in pictures] == [0, 3600, 7200, 10800]


def test_memory_is_bounded() -> None:
    buffer = VideoJitterBuffer("VP8")
    feed(buffer, stream(2000)[3:], step=0.0001)
    assert len(buffer._waiting) <= 512
    assert buffer.dropped > 5000


def test_keyframes_of_h264_begin_with_parameters_or_an_idr_slice() -> None:
    def packet(nal: int) -> VideoPacket:
        data = b"\x00\x00\x00\x01" + bytes([nal]) + b"rest"
        return VideoPacket(0, 0, False, data[4:], data)

    assert starts_keyframe(packet(0x67), "H264")
    assert starts_keyframe(packet(0x65), "H264")
    assert not starts_keyframe(packet(0x41), "H264")
    assert not starts_keyframe(VideoPacket(0, 0, False, b"", b""), "H264")
    assert not starts_keyframe(VideoPacket(0, 0, False, b"", b""), "VP8")
