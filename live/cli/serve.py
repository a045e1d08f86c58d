"""`live serve`: the engine with its web page."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

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
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8080, help="port (default: 8080; 0 takes a free one)")
    parser.add_argument("--portrait", metavar="P", help="photo or avatar to begin with (default: the one that ships)")
    parser.add_argument("--codec", choices=("VP8", "H264"), default="VP8", help="preferred video codec (default: VP8)")
    parser.add_argument("--bitrate", type=int, metavar="KBPS", help="video kbit/s (default: by picture size)")
    parser.add_argument("--fps", type=float, default=25.0, help="nominal frame rate (default: 25)")
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
    parser.add_argument("--max-sessions", type=int, default=4, help="sessions at a time (default: 4)")
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

    studio = LocalStudio()
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
