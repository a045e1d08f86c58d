"""`live.transport.sender`: one clock in the sender reports of picture and sound."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest
from aiortc.rtp import RtcpByePacket, RtcpSdesPacket, RtcpSenderInfo, RtcpSrPacket

from live.transport.encoded import AUDIO_CLOCK, VIDEO_CLOCK
from live.transport.sender import NTP_UNIX, SenderExtension, ntp_to_monotonic
from live.transport.tracks import PacketTrack

WALL = 1_700_000_000.0
"""Wall clock minus monotonic clock in these tests."""


class Sender:
    """The parts of an aiortc sender that are extended."""

    def __init__(self, origin: int) -> None:
        self.origin = origin
        self.sent: list[Any] = []
        self.keyframes = 0
        self._RTCRtpSender__rtp_timestamp = 0

    def transmit(self, ticks: int) -> None:
        self._RTCRtpSender__rtp_timestamp = (self.origin + ticks) % 2**32

    def _send_keyframe(self) -> None:
        raise AssertionError("the sender's own encoder has nothing to do with it")

    async def _send_rtcp(self, packets: list[Any]) -> None:
        self.sent += packets


def report(monotonic: float) -> RtcpSrPacket:
    ntp = int((monotonic + WALL + NTP_UNIX) * 2**32)
    return RtcpSrPacket(1, RtcpSenderInfo(ntp_timestamp=ntp, rtp_timestamp=123, packet_count=1, octet_count=1))


async def make(rate: int, origin: int) -> tuple[Sender, SenderExtension, PacketTrack]:
    sender, track = Sender(origin), PacketTrack("video" if rate == VIDEO_CLOCK else "audio")

    def keyframe() -> None:
        sender.keyframes += 1

    return sender, SenderExtension(sender, track, rate, keyframe, WALL), track  # type: ignore[arg-type]


async def test_reports_of_both_senders_say_the_same_instant() -> None:
    instants = []
    for rate, origin in ((VIDEO_CLOCK, 4_294_000_000), (AUDIO_CLOCK, 77)):
        sender, extension, track = await make(rate, origin)
        first = round(500.0 * rate)
        sender.transmit(first)
        assert track.on_sent is not None
        track.on_sent(first)
        await sender._send_rtcp([report(501.25)])
        info = sender.sent[0].sender_info
        elapsed = (info.rtp_timestamp - extension.rtp_timestamp(first)) % 2**32 / rate
        instants.append(500.0 + elapsed)
    assert instants == pytest.approx([501.25, 501.25], abs=1e-4)


async def test_nothing_is_claimed_before_a_packet_has_left() -> None:
    sender, extension, _ = await make(VIDEO_CLOCK, 5)
    assert extension.rtp_timestamp(0) is None
    await sender._send_rtcp([report(1.0)])
    assert sender.sent[0].sender_info.rtp_timestamp == 123


async def test_timestamps_wrap() -> None:
    sender, extension, track = await make(VIDEO_CLOCK, 2**32 - 10)
    sender.transmit(4)
    assert track.on_sent is not None
    track.on_sent(4)
    assert extension.rtp_timestamp(20) == 10


async def test_keyframe_requests_reach_the_shared_encoder() -> None:
    sender, _, _ = await make(VIDEO_CLOCK, 0)
    sender._send_keyframe()
    assert sender.keyframes == 1


async def test_without_a_listener_only_the_goodbye_leaves() -> None:
    sender, extension, _ = await make(AUDIO_CLOCK, 0)
    extension.reports_from = math.inf
    await sender._send_rtcp([report(1.0), RtcpSdesPacket(chunks=[])])
    assert sender.sent == []
    await sender._send_rtcp([RtcpByePacket(sources=[1])])
    assert len(sender.sent) == 1


async def test_a_changed_aiortc_is_left_alone_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    class Different:
        pass

    with caplog.at_level(logging.WARNING):
        extension = SenderExtension(Different(), PacketTrack("video"), VIDEO_CLOCK, lambda: None, WALL)  # type: ignore[arg-type]
    assert extension.rtp_timestamp(1) is None
    assert "its own behaviour is kept" in caplog.text


def test_ntp() -> None:
    assert ntp_to_monotonic((int(WALL) + NTP_UNIX + 12) << 32, WALL) == pytest.approx(12.0)
