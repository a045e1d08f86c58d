"""`live.transport.repeat`: packets go twice while the viewer's network loses some and bears it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket

from live.transport import repeat
from live.transport.repeat import PENALTY, LossWatch, Repeater


def fed(watch: LossWatch, loss: float, times: int = 20, start: float = 0.0) -> LossWatch:
    for k in range(times):
        watch.report(loss, start + k)
    return watch


def test_a_clean_network_gets_everything_once() -> None:
    assert not fed(LossWatch(), 0.0).on
    assert not fed(LossWatch(), 0.01).on


def test_loss_begins_it_and_its_end_ends_it() -> None:
    watch = fed(LossWatch(), 0.05)
    assert watch.on
    assert not fed(watch, 0.0).on


def test_congestion_is_not_fed() -> None:
    assert not fed(LossWatch(), 0.5).on


def test_a_network_that_cannot_bear_it_is_spared_for_a_while() -> None:
    watch = fed(LossWatch(), 0.03)
    assert watch.on
    fed(watch, 0.18, 10, 100.0)
    assert not watch.on
    fed(watch, 0.03, int(PENALTY) - 15, 110.0)
    assert not watch.on
    assert fed(watch, 0.03, 40, 130.0).on


class Sender:
    """The parts of an aiortc sender that are used."""

    _ssrc = 5

    def __init__(self) -> None:
        stamps = {1: 900, 2: 900, 3: 4500}
        self._RTCRtpSender__rtp_history = {
            number % 128: SimpleNamespace(sequence_number=number, timestamp=stamp) for number, stamp in stamps.items()
        }
        self.again: list[int] = []
        self.handled: list[Any] = []

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        self.handled.append(packet)

    async def _retransmit(self, number: int) -> None:
        self.again.append(number)


def report(ssrc: int, lost: int) -> RtcpRrPacket:
    info = RtcpReceiverInfo(ssrc, fraction_lost=lost, packets_lost=0, highest_sequence=0, jitter=0, lsr=0, dlsr=0)
    return RtcpRrPacket(ssrc=1, reports=[info])


async def test_the_packets_of_a_picture_go_again(monkeypatch: Any) -> None:
    monkeypatch.setattr(repeat, "PAUSE", 0.0)
    sender = Sender()
    repeater = Repeater(sender)  # type: ignore[arg-type]
    for _ in range(10):
        await sender._handle_rtcp_packet(report(6, 25))
    assert not repeater.on, "reports about other streams say nothing"
    for _ in range(10):
        await sender._handle_rtcp_packet(report(5, 13))
    assert repeater.on
    assert len(sender.handled) == 20
    repeater.sent(900)
    await asyncio.sleep(0.02)
    assert sender.again == [1, 2]


async def test_a_closed_connection_is_no_failure(monkeypatch: Any) -> None:
    monkeypatch.setattr(repeat, "PAUSE", 0.0)
    sender = Sender()

    async def broken(number: int) -> None:
        raise ConnectionError

    sender._retransmit = broken  # type: ignore[method-assign]
    repeater = Repeater(sender)  # type: ignore[arg-type]
    for _ in range(10):
        await sender._handle_rtcp_packet(report(5, 13))
    repeater.sent(900)
    await asyncio.sleep(0.02)
    assert sender.again == []
