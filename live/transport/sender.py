"""Extends an aiortc sender for packets encoded elsewhere: keyframe requests, sender reports from one clock, repetition.

An aiortc sender answers a keyframe request by telling its own encoder, which packets bypass; and its sender reports
pair a packet's timestamp with the instant at which it happened to leave, so that picture and sound get different clocks
by the time encoding takes. Both are put right on the instance, without touching the class.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from aiortc import RTCRtpSender
from aiortc.rtp import RtcpByePacket, RtcpSrPacket

from live.transport.missing import tell_once
from live.transport.repeat import Repeater
from live.transport.tracks import PacketTrack

NTP_UNIX: Final = 2_208_988_800
"""Seconds between the NTP and the Unix epoch."""

_TIMESTAMP_ATTRIBUTE: Final = "_RTCRtpSender__rtp_timestamp"


def ntp_to_monotonic(ntp: int, wall_minus_monotonic: float) -> float:
    """The monotonic instant (s) of a 64-bit NTP timestamp."""
    return ntp / 2**32 - NTP_UNIX - wall_minus_monotonic


class SenderExtension:
    """One sender and its track.

    Args:
        sender: of an aiortc connection.
        track: its track, whose packets carry ticks of the local monotonic clock.
        clock_rate: ticks per second.
        request_keyframe: called when the viewer asks for one.
        wall_minus_monotonic: seconds; the same for all senders of a connection.
        repeater: is told when everything of a packet's time has left.
    """

    def __init__(
        self,
        sender: RTCRtpSender,
        track: PacketTrack,
        clock_rate: int,
        request_keyframe: Callable[[], None],
        wall_minus_monotonic: float,
        repeater: Repeater | None = None,
    ) -> None:
        self._sender: Any = sender
        self._clock_rate = clock_rate
        self._wall = wall_minus_monotonic
        self._origin: int | None = None
        self._repeater = repeater
        self.reports_from = 0.0
        """Instant on the monotonic clock from which sender reports leave; infinity: never. A browser lip-syncs only
        what has them, and holds the picture back for it."""
        track.on_sent = self._after_sending
        if self._has("_send_keyframe"):
            self._sender._send_keyframe = request_keyframe  # type: ignore[method-assign]
        if self._has("_send_rtcp"):
            self._send_rtcp = self._sender._send_rtcp
            self._sender._send_rtcp = self._correct_reports  # type: ignore[method-assign]

    def rtp_timestamp(self, ticks: int) -> int | None:
        """The timestamp that packets of presentation time `ticks` carry on the wire; `None` until one was sent."""
        return None if self._origin is None else (self._origin + ticks) % 2**32

    def _has(self, name: str) -> bool:
        if hasattr(self._sender, name):
            return True
        tell_once(f"it has no sender.{name.lstrip('_')}; its own behaviour is kept.")
        return False

    def _after_sending(self, ticks: int) -> None:
        """`ticks` has left: the sender's random timestamp origin is what it wrote minus that."""
        if self._origin is None and self._has(_TIMESTAMP_ATTRIBUTE):
            self._origin = (getattr(self._sender, _TIMESTAMP_ATTRIBUTE) - ticks) % 2**32
        timestamp = self.rtp_timestamp(ticks)
        if self._repeater is not None and timestamp is not None:
            self._repeater.sent(timestamp)

    async def _correct_reports(self, packets: list[Any]) -> None:
        if time.monotonic() < self.reports_from:
            packets = [packet for packet in packets if isinstance(packet, RtcpByePacket)]
            if not packets:
                return
        for packet in packets:
            if isinstance(packet, RtcpSrPacket) and self._origin is not None and packet.sender_info.ntp_timestamp:
                instant = ntp_to_monotonic(packet.sender_info.ntp_timestamp, self._wall)
                packet.sender_info.rtp_timestamp = (self._origin + round(instant * self._clock_rate)) % 2**32
        await self._send_rtcp(packets)


def wall_minus_monotonic() -> float:
    """Seconds between the two clocks now."""
    return time.time() - time.monotonic()
