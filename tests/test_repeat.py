"""`live.transport.repeat`: packets go twice while the viewer's network loses some and bears it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket

from live.transport import repeat
from live.transport.repeat import PENALTY, LossWatch, Repeater


class Viewer:
    """Reports twenty times per second on the sixty packets of one."""

    def __init__(self) -> None:
        self.watch = LossWatch()
        self.now, self.sent, self.lost = 0.0, 0, 0.0

    def sees(self, loss: float, seconds: float = 10.0) -> bool:
        for _ in range(round(seconds * 20)):
            self.now += 0.05
            self.sent += 3
            self.lost += 3 * loss
            self.watch.report(int(self.lost), self.sent, self.now)
        return self.watch.on


def test_a_clean_network_gets_everything_once() -> None:
    assert not Viewer().sees(0.0)
    assert not Viewer().sees(0.01)


def test_loss_begins_it_and_its_end_ends_it() -> None:
    viewer = Viewer()
    assert viewer.sees(0.05)
    assert not viewer.sees(0.0)


def test_single_losses_do_not_flicker() -> None:
    viewer = Viewer()
    viewer.sees(0.05)
    for _ in range(200):
        viewer.sees(0.05, 0.05)
        assert viewer.watch.on


def test_congestion_is_not_fed() -> None:
    assert not Viewer().sees(0.5)


def test_a_network_that_cannot_bear_it_is_spared_for_a_while() -> None:
    viewer = Viewer()
    assert viewer.sees(0.03)
    assert not viewer.sees(0.18)
    assert not viewer.sees(0.03, PENALTY - 12)
    assert viewer.sees(0.03, 20)


def test_a_stream_that_starts_over_is_followed() -> None:
    viewer = Viewer()
    viewer.sees(0.05)
    viewer.sent, viewer.lost = 5, 0.0
    assert viewer.sees(0.05)


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


def report(ssrc: int, k: int) -> RtcpRrPacket:
    info = RtcpReceiverInfo(
        ssrc, fraction_lost=0, packets_lost=5 * k, highest_sequence=100 * k, jitter=0, lsr=0, dlsr=0
    )
    return RtcpRrPacket(ssrc=1, reports=[info])


async def told_of_loss(sender: Sender, ssrc: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(10):
        monkeypatch.setattr(repeat, "time", SimpleNamespace(monotonic=lambda k=k: 100.0 + k))
        await sender._handle_rtcp_packet(report(ssrc, k))


async def test_the_packets_of_a_picture_go_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeat, "PAUSE", 0.0)
    sender = Sender()
    repeater = Repeater(sender)  # type: ignore[arg-type]
    await told_of_loss(sender, 6, monkeypatch)
    assert not repeater.on, "reports about other streams say nothing"
    await told_of_loss(sender, 5, monkeypatch)
    assert repeater.on
    assert len(sender.handled) == 20
    repeater.sent(900)
    await asyncio.sleep(0.02)
    assert sender.again == [1, 2]


async def test_a_closed_connection_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeat, "PAUSE", 0.0)
    sender = Sender()

    async def broken(number: int) -> None:
        raise ConnectionError

    sender._retransmit = broken  # type: ignore[method-assign]
    repeater = Repeater(sender)  # type: ignore[arg-type]
    await told_of_loss(sender, 5, monkeypatch)
    repeater.sent(900)
    await asyncio.sleep(0.02)
    assert sender.again == []
