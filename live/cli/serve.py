"""`live serve`: the engine with its web page."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from live.cli.options import add_backend_option, frame_rate, picture_side, whole_number
from live.errors import LiveError

if TYPE_CHECKING:
    from live.transport.config import IceServer

DESCRIPTION = """\
Start the engine and its web page. Open the page, allow the microphone or the webcam, and the portrait moves with you.

Browsers allow microphone and camera only on this machine (http://localhost) or over TLS: to use the page from another
device, give a certificate with --tls-certificate and --tls-key.
"""

EXAMPLES = """\
examples:
  live serve                                    http://localhost:8080, the default portrait
  live serve --portrait me.jpg                  a photo, or the name of an avatar (`live avatar add`)
  live serve --host 0.0.0.0 --tls-certificate cert.pem --tls-key key.pem
  live serve --ice turn:turn.example.org:3478,user,secret      for viewers behind a strict firewall
  live serve --codec H264 --bitrate 2500
  live serve --size 256                         smaller pictures, for a slow machine or many sessions
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument(
        "--port", type=whole_number(0, 65_535), default=8080, help="port (default: 8080; 0 takes a free one)"
    )
    parser.add_argument("--portrait", metavar="P", help="photo or avatar to begin with (default: the one that ships)")
    parser.add_argument("--codec", choices=("VP8", "H264"), default="VP8", help="preferred video codec (default: VP8)")
    parser.add_argument(
        "--size", type=picture_side, default=512, help="side of the square picture, pixels (default: 512)"
    )
    add_backend_option(parser)
    parser.add_argument(
        "--bitrate", type=whole_number(50, 100_000), metavar="KBPS", help="video kbit/s (default: by picture size)"
    )
    parser.add_argument(
        "--fps", type=frame_rate, default=25.0, help="pictures per second where no webcam drives (default: 25)"
    )
    parser.add_argument(
        "--ice",
        action="append",
        default=[],
        metavar="URL[,USER,PASSWORD]",
        help="STUN or TURN server; may be given several times",
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="further name of this machine"
    )
    parser.add_argument(
        "--max-sessions", type=whole_number(1, 1000), default=4, metavar="N", help="sessions at a time (default: 4)"
    )
    parser.add_argument(
        "--max-viewers",
        type=whole_number(1, 1000),
        default=8,
        metavar="N",
        help="browsers in one session, its owner's included (default: 8)",
    )
    parser.add_argument(
        "--max-avatars",
        type=whole_number(0, 100_000),
        default=100,
        metavar="N",
        help="avatars kept up to which photos may be uploaded, those of `live avatar add` included (default: 100)",
    )
    parser.add_argument(
        "--max-avatar-space",
        type=whole_number(0, 10_000_000),
        default=1000,
        metavar="MB",
        help="disk space of all avatars up to which photos may be uploaded; none is removed (default: 1000)",
    )
    parser.add_argument(
        "--stock-receive",
        action="store_true",
        help="receive through aiortc's own buffers, to compare: some 30 ms (picture) and 80 ms (sound) slower",
    )
    parser.add_argument("--tls-certificate", type=Path, metavar="PEM", help="certificate, for https")
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="its key")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted.

    Raises:
        LiveError: the port is in use, the portrait or the certificate cannot be used.
    """
    if (args.tls_certificate is None) != (args.tls_key is None):
        raise LiveError("TLS needs both a certificate and a key.", "Give --tls-certificate and --tls-key.")
    from live.studio import LocalStudio
    from live.transport.config import ServerConfig
    from live.transport.server import serve

    studio = LocalStudio(
        args.backend,
        (args.size, args.size),
        args.fps,
        max_avatars=args.max_avatars,
        max_avatar_bytes=args.max_avatar_space * 1_000_000,
    )
    config = ServerConfig(
        host=args.host,
        port=args.port,
        avatar=studio.find(args.portrait).id if args.portrait else None,
        fps=args.fps,
        codec=args.codec,
        bitrate=args.bitrate * 1000 if args.bitrate else None,
        ice_servers=tuple(_ice_server(text) for text in args.ice),
        allowed_hosts=tuple(args.allow_host),
        max_sessions=args.max_sessions,
        max_viewers=args.max_viewers,
        stock_receive=args.stock_receive,
        tls_certificate=args.tls_certificate,
        tls_key=args.tls_key,
    )
    asyncio.run(serve(config, studio, lambda url: print(f"Open {url}   (Ctrl+C ends it)", flush=True)))
    return 0


def _ice_server(text: str) -> IceServer:
    from live.transport.config import IceServer

    url, _, rest = text.partition(",")
    if not url.startswith(("stun:", "stuns:", "turn:", "turns:")):
        raise LiveError(f"{url!r} is no STUN or TURN server.", "Write stun:HOST:PORT or turn:HOST:PORT,USER,PASSWORD.")
    user, _, password = rest.partition(",")
    return IceServer(url, user or None, password or None)
