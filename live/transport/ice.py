"""Translates SDP and ICE settings between the server's configuration and aiortc."""

from __future__ import annotations

import re

from aiortc import RTCConfiguration, RTCIceServer, RTCRtpSender
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.sdp import SessionDescription

from live.errors import LiveError
from live.transport.config import ServerConfig
from live.transport.encoded import VIDEO_CODECS, VideoCodec

MAX_SDP: int = 100_000
"""Characters an offer may have."""

MAX_SECTIONS: int = 8
"""Media sections an offer may have; the page sends three. Each costs a transceiver."""

NO_CODEC = ("The browser offers neither VP8 nor H264.", "Use a current Chrome, Edge, Firefox or Safari.")

_RTPMAP = re.compile(r"^a=rtpmap:(\d+) (VP8|H264)/90000", re.MULTILINE)


class OfferError(LiveError):
    """A session description that cannot be answered."""


def rtc_configuration(config: ServerConfig) -> RTCConfiguration:
    """Without configured servers none is asked: nothing leaves the local network by itself."""
    servers = [RTCIceServer(urls=s.url, username=s.username, credential=s.credential) for s in config.ice_servers]
    return RTCConfiguration(iceServers=servers)


def page_ice_servers(config: ServerConfig) -> list[dict[str, str]]:
    """`RTCConfiguration.iceServers` for the page."""
    servers = []
    for server in config.ice_servers:
        entry = {"urls": server.url}
        if server.username is not None:
            entry |= {"username": server.username, "credential": server.credential or ""}
        servers.append(entry)
    return servers


def video_preferences(first: VideoCodec) -> list[RTCRtpCodecCapability]:
    """All video codecs there are, `first` first, with retransmission."""
    available = RTCRtpSender.getCapabilities("video").codecs
    order = [first, *(c for c in VIDEO_CODECS if c != first), "rtx"]
    return [c for name in order for c in available if c.mimeType.lower() == f"video/{name}".lower()]


def audio_preferences() -> list[RTCRtpCodecCapability]:
    """Opus only."""
    return [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.mimeType.lower() == "audio/opus"]


def check_offer(sdp: object, kind: object) -> str:
    """The session description of an offer that is worth loading models for: small, parsable, with a picture.

    Args:
        sdp: what a request gives as the description.
        kind: what it gives as its type.

    Raises:
        OfferError: it is not an offer that could be answered.
    """
    if not isinstance(sdp, str) or kind != "offer":
        raise OfferError("The request holds no connection offer.", 'Send {"type": "offer", "sdp": "v=0…"}.')
    offered_kinds(sdp)
    try:
        sections = SessionDescription.parse(sdp).media
    except Exception as error:  # the parser raises whatever the malformed line happens to provoke
        raise OfferError("The connection offer is malformed.", "Reload the page and try again.") from error
    if len(sections) > MAX_SECTIONS:
        raise OfferError(f"The connection offer has more than {MAX_SECTIONS} sections.", "Reload the page.")
    if not video_payload_types(sdp):
        raise OfferError(*NO_CODEC)
    return sdp


def offered_kinds(sdp: str) -> set[str]:
    """Which of `audio`, `video` and `application` an offer has sections for.

    Raises:
        OfferError: it is not an offer of a browser.
    """
    if len(sdp) > MAX_SDP or not sdp.startswith("v=0"):
        raise OfferError("The connection offer is not a session description.", "Reload the page and try again.")
    kinds = set(re.findall(r"^m=(audio|video|application) ", sdp, re.MULTILINE))
    if "video" not in kinds:
        raise OfferError("The connection offer asks for no picture.", "Offer a video section that can receive.")
    return kinds


def video_payload_types(sdp: str) -> dict[int, VideoCodec]:
    """Payload type → codec of an answer."""
    return {int(number): "VP8" if name == "VP8" else "H264" for number, name in _RTPMAP.findall(sdp)}


def ask_for_short_packets(sdp: str) -> str:
    """Ask the browser for 10 ms of sound per packet instead of 20: half the time in which it collects samples."""
    lines = sdp.splitlines()
    for index, line in enumerate(lines):
        if line.startswith("a=rtpmap:") and "opus/48000" in line:
            lines.insert(index + 1, "a=ptime:10")
            break
    return "\r\n".join(lines) + "\r\n"


def negotiated_codec(sdp: str) -> VideoCodec:
    """The codec that the first video section of an answer puts first."""
    section = re.search(r"^m=video \d+ \S+ (\d+)", sdp, re.MULTILINE)
    codec = video_payload_types(sdp).get(int(section.group(1))) if section else None
    if codec is None:
        raise OfferError(*NO_CODEC)
    return codec
