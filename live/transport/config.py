"""What the server can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from live.transport.encoded import VideoCodec


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server, as in the browser's `RTCIceServer`."""

    url: str
    username: str | None = None
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Settings of `live serve`.

    Attributes:
        host: address to listen on. The default is reachable from this machine only.
        port: TCP port; 0 = any free one.
        avatar: avatar shown when the page does not ask for one; `None` = the first of the studio.
        fps: nominal frame rate, for the encoders' rate control.
        codec: video codec preferred when the page does not ask for one.
        bitrate: video bits per second; `None` = chosen by the size of the picture.
        ice_servers: STUN and TURN servers for viewers beyond the local network.
        allowed_hosts: host names, besides this machine's, under which the page may be opened.
        max_sessions: sessions at a time.
        max_viewers: browsers per session, its owner's included.
        max_portrait_bytes: largest photo that may be uploaded.
        offer_timeout: seconds in which a browser must connect after its offer.
        silence_timeout: seconds without a single packet after which a viewer counts as gone.
        linger: seconds a session without viewers waits for its owner to return.
        stock_receive: use aiortc's own receive buffers instead of the low-delay ones (for comparison).
        tls_certificate: PEM file; browsers allow cameras only on this machine or over TLS.
        tls_key: PEM file that belongs to it.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    avatar: str | None = None
    fps: float = 25.0
    codec: VideoCodec = "VP8"
    bitrate: int | None = None
    ice_servers: tuple[IceServer, ...] = ()
    allowed_hosts: tuple[str, ...] = field(default_factory=tuple)
    max_sessions: int = 4
    max_viewers: int = 8
    max_portrait_bytes: int = 12 * 1024 * 1024
    offer_timeout: float = 20.0
    silence_timeout: float = 12.0
    linger: float = 8.0
    stock_receive: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
