"""`live.transport.playout` and `live.transport.ice`: what is negotiated with the browser."""

from __future__ import annotations

import pytest
from aiortc import RTCPeerConnection
from aiortc.rtp import HeaderExtensions, unpack_header_extensions

from live.transport.config import IceServer, ServerConfig
from live.transport.ice import (
    OfferError,
    ask_for_short_packets,
    audio_preferences,
    negotiated_codec,
    offered_kinds,
    page_ice_servers,
    rtc_configuration,
    video_payload_types,
    video_preferences,
)
from live.transport.playout import URI, encode_playout_delay, prefer_immediate_playout

OFFER = f"v=0\r\nm=audio 9 X 96\r\nm=video 9 X 97\r\na=extmap:9 {URI}\r\nm=application 9 X\r\n"


def test_delays_are_packed_in_units_of_10_ms() -> None:
    assert encode_playout_delay(0, 0) == b"\x00\x00\x00"
    assert encode_playout_delay(0, 100) == b"\x00\x00\x0a"
    assert encode_playout_delay(40, 40950) == b"\x00\x4f\xff"


async def test_the_extension_is_negotiated_and_sent_with_every_packet() -> None:
    connection = RTCPeerConnection()
    transceiver = connection.addTransceiver("video")
    transceiver._headerExtensions = []
    assert prefer_immediate_playout(transceiver, OFFER)
    assert [(e.id, e.uri) for e in transceiver._headerExtensions] == [(9, URI)]
    table = transceiver.sender._RTCRtpSender__rtp_header_extensions_map
    assert unpack_header_extensions(*table.set(HeaderExtensions())) == [(9, b"\x00\x00\x05")]
    await connection.close()


async def test_without_the_offer_nothing_changes() -> None:
    connection = RTCPeerConnection()
    transceiver = connection.addTransceiver("video")
    before = transceiver.sender._RTCRtpSender__rtp_header_extensions_map
    assert not prefer_immediate_playout(transceiver, OFFER.replace(URI, "urn:other"))
    assert not prefer_immediate_playout(transceiver, OFFER.replace("video", "screen"))
    assert transceiver.sender._RTCRtpSender__rtp_header_extensions_map is before
    await connection.close()


def test_ice_servers_are_passed_on_and_none_is_asked_by_default() -> None:
    assert rtc_configuration(ServerConfig()).iceServers == []
    config = ServerConfig(ice_servers=(IceServer("stun:a.example"), IceServer("turn:b.example", "me", "secret")))
    assert [server.urls for server in rtc_configuration(config).iceServers] == ["stun:a.example", "turn:b.example"]
    assert page_ice_servers(config) == [
        {"urls": "stun:a.example"},
        {"urls": "turn:b.example", "username": "me", "credential": "secret"},
    ]


def test_preferences() -> None:
    assert [c.mimeType for c in video_preferences("H264")] == ["video/H264", "video/H264", "video/VP8", "video/rtx"]
    assert video_preferences("VP8")[0].mimeType == "video/VP8"
    assert [c.mimeType for c in audio_preferences()] == ["audio/opus"]


def test_answers_are_understood() -> None:
    answer = "v=0\r\nm=video 9 X 99 97\r\na=rtpmap:97 VP8/90000\r\na=rtpmap:99 H264/90000\r\na=rtpmap:98 rtx/90000\r\n"
    assert video_payload_types(answer) == {97: "VP8", 99: "H264"}
    assert negotiated_codec(answer) == "H264"
    with pytest.raises(OfferError, match="neither VP8 nor H264"):
        negotiated_codec("v=0\r\nm=video 9 X 50\r\n")
    assert offered_kinds(OFFER) == {"audio", "video", "application"}


def test_short_packets_are_asked_for_in_the_sound_section_only() -> None:
    sdp = "v=0\r\nm=audio 9 X 96\r\na=rtpmap:96 opus/48000/2\r\nm=video 9 X 97\r\na=rtpmap:97 VP8/90000\r\n"
    lines = ask_for_short_packets(sdp).split("\r\n")
    assert lines.index("a=ptime:10") == lines.index("a=rtpmap:96 opus/48000/2") + 1
    assert lines.count("a=ptime:10") == 1
    assert lines[-1] == ""
