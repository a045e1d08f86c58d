"""The impaired network of the latency benchmark."""

from __future__ import annotations

import socket

import pytest

from live.bench.latency_network import Impairment, UdpRelay, first_candidate, with_candidate, without_candidates

SDP = (
    "v=0\r\nm=audio 50000 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:abcd\r\n"
    "a=candidate:1 1 udp 2130706431 fd00::2 57059 typ host\r\n"
    "a=candidate:2 1 udp 2130706431 192.0.2.2 60929 typ host\r\n"
    "m=video 50000 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:abcd\r\n"
)


def test_netem_arguments() -> None:
    assert Impairment(0.05, 30.0, 2000.0).netem() == ["delay", "15ms", "15ms", "loss", "5%", "rate", "2000kbit"]
    assert Impairment(0.05).netem() == ["loss", "5%"]
    assert not Impairment().any


def test_candidates_are_replaced_in_every_section() -> None:
    assert "candidate" not in without_candidates(SDP)
    assert first_candidate(SDP) == ("192.0.2.2", 60929)
    changed = with_candidate(SDP, "127.0.0.1", 4000)
    assert changed.count("a=candidate:") == 2
    assert first_candidate(changed) == ("127.0.0.1", 4000)
    with pytest.raises(ValueError, match="no IPv4"):
        first_candidate(without_candidates(SDP))


def test_relay_loses_and_delays_as_told() -> None:
    relay = UdpRelay(Impairment(0.2, 30.0))
    waits = [relay.delay(0.0, 1000, True) for _ in range(4000)]
    kept = [w for w in waits if w is not None]
    assert len(kept) / len(waits) == pytest.approx(0.8, abs=0.03)
    assert min(kept) >= 0.0 and max(kept) <= 0.030
    assert sum(kept) / len(kept) == pytest.approx(0.015, abs=0.002)


def test_relay_limits_the_rate_and_drops_what_would_wait_too_long() -> None:
    relay = UdpRelay(Impairment(rate_kbit=1000.0))
    waits = [relay.delay(0.0, 1250, False) for _ in range(40)]  # 10 ms of link each
    kept = [w for w in waits if w is not None]
    assert kept[:3] == pytest.approx([0.010, 0.020, 0.030])
    assert len(kept) in (20, 21)
    assert relay.delay(0.0, 1250, True) == pytest.approx(0.010)  # the other direction is free


def test_relay_passes_packets_both_ways() -> None:
    with (
        UdpRelay(Impairment()) as relay,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as browser,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
    ):
        for end in (browser, server):
            end.bind(("127.0.0.1", 0))
            end.settimeout(10.0)
        relay.connect(server.getsockname())
        browser.sendto(b"to the server", ("127.0.0.1", relay.port))
        data, sender = server.recvfrom(100)
        assert data == b"to the server"
        server.sendto(b"to the browser", sender)
        assert browser.recvfrom(100)[0] == b"to the browser"
