"""Asks the viewer's browser to show pictures as soon as they are decoded.

Browsers smooth arrival by holding pictures back, some 20 to 40 ms even on a perfect network. The RTP header extension
`playout-delay` (in WebRTC's source, docs/native-code/rtp-hdrext/playout-delay) states the least and greatest delay that
the sender wants; 0 as the least switches the smoothing off where a browser knows it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from aiortc import RTCRtpSender, RTCRtpTransceiver
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, pack_header_extensions, unpack_header_extensions

from live.transport.missing import tell_once

URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
GREATEST_MS: Final = 50
"""Above 0, so that lip-sync may still hold the picture back when sound is later; not more, because a browser that has
once held a picture back long is slow to let go."""

_MAP_ATTRIBUTE: Final = "_RTCRtpSender__rtp_header_extensions_map"
_OFFERED = re.compile(rf"^a=extmap:(\d+)(?:/\w+)? {re.escape(URI)}\s*$", re.MULTILINE)


def encode_playout_delay(least_ms: int, greatest_ms: int) -> bytes:
    """Three bytes: two 12-bit numbers in units of 10 ms."""
    return ((least_ms // 10 & 0xFFF) << 12 | (greatest_ms // 10 & 0xFFF)).to_bytes(3, "big")


class _ExtendedMap:
    """Stands in for a sender's table of header extensions and adds one of constant value to every packet."""

    def __init__(self, inner: HeaderExtensionsMap, number: int, value: bytes) -> None:
        self._inner = inner
        self._extra = (number, value)

    def configure(self, parameters: Any) -> None:
        self._inner.configure(parameters)

    def set(self, values: HeaderExtensions) -> tuple[int, bytes]:
        present = unpack_header_extensions(*self._inner.set(values))
        return pack_header_extensions([*present, self._extra])


def prefer_immediate_playout(transceiver: RTCRtpTransceiver, offer: str) -> bool:
    """Negotiate and send the extension if `offer` has it. To be called between the offer and the answer.

    Returns whether it will be sent; without it the browser smooths as it likes.
    """
    video = re.search(r"^m=video .*?(?=^m=|\Z)", offer, re.MULTILINE | re.DOTALL)
    found = _OFFERED.search(video.group()) if video else None
    sender: RTCRtpSender = transceiver.sender
    inner = getattr(sender, _MAP_ATTRIBUTE, None)
    if found is None:
        return False
    if inner is None or not hasattr(transceiver, "_headerExtensions"):
        tell_once("it takes no further RTP header extensions; browsers will smooth the picture.")
        return False
    number = int(found.group(1))
    transceiver._headerExtensions.append(RTCRtpHeaderExtensionParameters(id=number, uri=URI))
    setattr(sender, _MAP_ATTRIBUTE, _ExtendedMap(inner, number, encode_playout_delay(0, GREATEST_MS)))
    return True
