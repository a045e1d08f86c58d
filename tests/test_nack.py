"""`live.transport.nack`: lost retransmissions are asked for again, and no more than that."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace

import pytest

from live.transport.nack import LONGEST, MOST, SHORTEST, RepeatedNack, Requests


def test_the_first_request_is_left_to_aiortc() -> None:
    assert Requests().due([7], 0.0) == []


def test_a_packet_that_stays_away_is_asked_for_again_and_then_given_up() -> None:
    requests = Requests()
    asked = [k for k in range(200) if requests.due([7], k * 0.01)]
    assert len(asked) == MOST - 1
    assert all(b - a >= SHORTEST / 0.01 - 1e-6 for a, b in zip([0, *asked], asked, strict=False))


def test_a_slow_network_is_given_more_time() -> None:
    requests = Requests()
    for k in range(60):
        requests.due([k], k * 1.0)
        requests.due([], k * 1.0 + 0.055)
    assert 0.1 < requests.interval <= LONGEST


def test_packets_that_came_are_forgotten() -> None:
    requests = Requests()
    requests.due([7, 8], 0.0)
    assert requests.due([8], 0.1) == [8]
    assert requests.due([], 0.2) == []
    assert requests.due([7], 0.3) == [], "a new gap of the same number, after 65536 packets, is a first one"


async def test_requests_leave_through_the_receiver() -> None:
    sent: list[tuple[int, list[int]]] = []

    async def send(ssrc: int, lost: list[int]) -> None:
        sent.append((ssrc, lost))

    receiver = SimpleNamespace(_send_rtcp_nack=send, _RTCRtpReceiver__nack_generator=SimpleNamespace(missing={30, 20}))
    nack = RepeatedNack(receiver)  # type: ignore[arg-type]
    nack.arrived(99, 0.0)
    nack.arrived(99, 0.05)
    await asyncio.sleep(0)
    assert sent == [(99, [20, 30])]


def test_a_changed_aiortc_is_left_alone_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        RepeatedNack(SimpleNamespace()).arrived(1, 0.0)  # type: ignore[arg-type]
    assert "asked for once" in caplog.text
