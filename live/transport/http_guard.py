"""What stands before every request: who may ask, how errors look, which headers answers carry."""

from __future__ import annotations

import functools
import ipaddress
import logging
import socket
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from live.errors import LiveError, PortraitError
from live.transport.config import ServerConfig
from live.transport.ice import OfferError
from live.transport.room import RoomFullError

logger = logging.getLogger(__name__)

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
"""Where only programs of this machine can call."""


class ForbiddenError(LiveError):
    """The request comes from somewhere that has no business here."""


class NotFoundError(LiveError):
    """There is no such thing."""


STATUS: Final[tuple[tuple[type[LiveError], int], ...]] = (
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (PortraitError, 422),
    (OfferError, 400),
    (RoomFullError, 503),
)


def error_response(status: int, error: str, hint: str = "") -> web.Response:
    """An error as JSON `{error, hint}`."""
    return web.json_response({"error": error, "hint": hint}, status=status)


def host_allowed(host: str, config: ServerConfig) -> bool:
    """Whether the page may be opened under this `Host` header.

    A name that merely resolves to this machine may belong to a hostile page (DNS rebinding), so names must be known;
    addresses cannot be rebound and are allowed when the server listens on more than the loopback.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower().rstrip(".")
    except ValueError:
        return False
    if name in {"localhost", "127.0.0.1", "::1", config.host.lower(), *map(str.lower, config.allowed_hosts)}:
        return bool(name)
    if config.host in LOOPBACK:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in own_names()
    return True


@functools.cache
def own_names() -> frozenset[str]:
    """What this machine is called. The first call may ask a name server and wait for it."""
    return frozenset({socket.gethostname().lower(), socket.getfqdn().lower()})


def origin_allowed(origin: str | None, host: str) -> bool:
    """Whether a page of `origin` may call. Programs that are no browser send none."""
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def guard(config: ServerConfig) -> list[Middleware]:
    """The middlewares, outermost first."""
    if config.host not in LOOPBACK:
        own_names()  # now, not while requests wait

    @web.middleware
    async def explain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except LiveError as error:
            status = next((code for kind, code in STATUS if isinstance(error, kind)), 422)
            response = error_response(status, error.message, error.hint)
        except web.HTTPRequestEntityTooLarge:
            megabytes = config.max_portrait_bytes / 2**20
            response = error_response(413, "That is too large.", f"Photos may have up to {megabytes:.0f} MB.")
        except web.HTTPException as error:
            if error.status < 400:
                raise
            response = error_response(error.status, error.reason or "The request failed.")
        except ConnectionResetError:
            raise
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            response = error_response(500, "The server failed to answer.", "Its log says why.")
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    @web.middleware
    async def check_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not host_allowed(request.host, config):
            raise ForbiddenError(
                f"This server does not answer to the name “{request.host[:80]}”.",
                "Open it as http://localhost, or start it with --allow-host and the name.",
            )
        if request.method not in ("GET", "HEAD") or request.headers.get("Upgrade"):
            origin = request.headers.get("Origin")
            if not origin_allowed(origin, request.host):
                raise ForbiddenError(
                    "Another website tried to use this server and was refused.", "Open the page from this server."
                )
        return await handler(request)

    return [explain_errors, check_caller]
