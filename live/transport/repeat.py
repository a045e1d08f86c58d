"""Sends each video packet twice to a viewer whose network loses some.

A retransmission costs the viewer a round trip, and more when the last packet of a picture is lost, because only the
next picture shows the gap. A small picture of a talking head is cheap enough to send again before anybody asks: as RTX
(RFC 4588), whose receivers drop what they have already. Where sending more makes the loss worse, it is stopped.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Any, Final

from aiortc import RTCRtpSender
from aiortc.rtp import RtcpRrPacket, RtcpSrPacket

from live.transport.missing import tell_once

logger = logging.getLogger(__name__)

FROM: Final = 0.02
UNTIL: Final = 0.005
TOO_MUCH: Final = 0.2
"""Shares of packets lost: where repeating begins, where it ends, and where it would only add to a congestion."""

WORSE: Final = 0.06
"""Loss above twice what it was when repeating began that shows that the network cannot bear it."""

PENALTY: Final = 30.0
"""Seconds without repeating after that."""

WINDOW: Final = 2.0
"""Seconds over which loss is measured."""

PAUSE: Final = 0.01
"""Seconds between a packet and its repetition: losses come in clusters."""

_HISTORY: Final = "_RTCRtpSender__rtp_history"


class LossWatch:
    """Whether to repeat, from the viewer's receiver reports. Times are arguments, seconds."""

    def __init__(self) -> None:
        self._totals: deque[tuple[float, int, int]] = deque()
        self._began: float | None = None
        self._barred_until = float("-inf")

    @property
    def on(self) -> bool:
        """Whether packets are to be sent twice."""
        return self._began is not None

    def report(self, lost: int, highest: int, now: float) -> None:
        """A receiver report: packets lost so far, and the highest sequence number (with its wraps) received.

        Browsers report some twenty times per second, on three packets each: only totals over seconds mean anything.
        """
        if self._totals and not 0 <= highest - self._totals[-1][2] < 2**15:
            self._totals.clear()
        self._totals.append((now, lost, highest))
        while len(self._totals) > 2 and now - self._totals[1][0] >= WINDOW:
            self._totals.popleft()
        since, lost_before, highest_before = self._totals[0]
        if now - since < WINDOW or highest == highest_before:
            return
        loss = (lost - lost_before) / (highest - highest_before)
        if self._began is None:
            if FROM <= loss <= TOO_MUCH and now >= self._barred_until:
                self._began = loss
        elif loss < UNTIL:
            self._began = None
        elif loss > min(TOO_MUCH, 2 * self._began + WORSE):
            self._began = None
            self._barred_until = now + PENALTY


class Repeater:
    """Watches a sender's reports and repeats its packets. Lives on the event loop."""

    def __init__(self, sender: RTCRtpSender) -> None:
        self._sender: Any = sender
        self._watch = LossWatch()
        self._repeating: set[asyncio.Task[None]] = set()
        self._works = all(hasattr(sender, name) for name in ("_handle_rtcp_packet", "_retransmit", _HISTORY))
        if not self._works:
            tell_once("it keeps sent packets elsewhere; on a lossy network packets are not sent twice.")
            return
        self._handle = self._sender._handle_rtcp_packet
        self._sender._handle_rtcp_packet = self._listen  # type: ignore[method-assign]

    @property
    def on(self) -> bool:
        """Whether packets are sent twice at present."""
        return self._watch.on

    def sent(self, rtp_timestamp: int) -> None:
        """All packets of the picture with this timestamp have left."""
        if not self._works or not self._watch.on:
            return
        history = getattr(self._sender, _HISTORY)
        numbers = [packet.sequence_number for packet in history.values() if packet.timestamp == rtp_timestamp]
        task = asyncio.ensure_future(self._repeat(numbers))
        self._repeating.add(task)
        task.add_done_callback(self._repeating.discard)

    async def _repeat(self, numbers: list[int]) -> None:
        await asyncio.sleep(PAUSE)
        try:
            for number in numbers:
                await self._sender._retransmit(number)
        except ConnectionError:
            logger.debug("connection closed while repeating")

    async def _listen(self, packet: Any) -> None:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == self._sender._ssrc:
                    self._watch.report(report.packets_lost, report.highest_sequence, time.monotonic())
        await self._handle(packet)
