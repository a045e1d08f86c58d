"""The HTTP server of `live serve`: the page, signalling, portraits, pushed speech, metrics."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import ssl
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

import live
from live.errors import LiveError
from live.transport.config import ServerConfig
from live.transport.encoded import VIDEO_CODECS, VideoCodec
from live.transport.http_guard import guard
from live.transport.ice import MAX_SDP, OfferError, check_offer, page_ice_servers
from live.transport.push_socket import serve_speech
from live.transport.room import RoomFullError
from live.transport.rooms import Rooms
from live.transport.studio import DRIVER_KINDS, DriverKind, Studio
from live.transport.web_page import WebPage, page_folder

logger = logging.getLogger(__name__)

MAX_JSON: Final = MAX_SDP + 10_000
MAX_NAME: Final = 60
"""Characters of an avatar's name."""

MAX_FITTING: Final = 3
"""Photos that may be fitted or wait for it at a time."""

UPLOAD_TIMEOUT: Final = 60.0
"""Seconds in which a photo must have arrived, so that a stalled upload does not keep others out."""

ROOMS: Final = web.AppKey("rooms", Rooms)
"""Where an application keeps its sessions."""


class Server:
    """The request handlers and what they share. Made inside the event loop that serves it."""

    def __init__(self, config: ServerConfig, studio: Studio) -> None:
        self._config = config
        self._studio = studio
        self._rooms = Rooms(config, studio)
        self._page = WebPage(page_folder())
        self._fitting = asyncio.Lock()
        self._waiting_to_fit = 0

    @property
    def rooms(self) -> Rooms:
        """The sessions."""
        return self._rooms

    def routes(self) -> list[web.RouteDef]:
        """Everything that can be asked."""
        return [
            web.get("/", self._page.serve),
            web.get("/config", self._configuration),
            web.post("/offer", self._offer),
            web.get("/avatars", self._avatars),
            web.get("/avatars/{id}/picture", self._picture),
            web.post("/portrait", self._portrait),
            web.get("/speech", self._speech),
            web.get("/metrics", self._metrics),
            web.get("/health", self._health),
            web.get("/{name:[a-z0-9_/-]+[.][a-z]+}", self._page.serve),
        ]

    async def close(self) -> None:
        """End all sessions."""
        await self._rooms.close()

    # -- what the page needs

    async def _configuration(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "version": live.__version__,
                "iceServers": page_ice_servers(self._config),
                "codec": self._config.codec,
                "codecs": VIDEO_CODECS,
                "drivers": DRIVER_KINDS,
                "maxPortraitBytes": self._config.max_portrait_bytes,
            }
        )

    async def _avatars(self, _request: web.Request) -> web.Response:
        entries = await asyncio.to_thread(self._studio.avatars)
        return web.json_response({"avatars": [entry.as_dict() for entry in entries]})

    async def _picture(self, request: web.Request) -> web.Response:
        jpeg = await asyncio.to_thread(self._studio.picture, request.match_info["id"])
        return web.Response(body=jpeg, content_type="image/jpeg", headers={"Cache-Control": "private, max-age=300"})

    async def _portrait(self, request: web.Request) -> web.Response:
        """Body: the photo. Query: `name`."""
        if self._waiting_to_fit >= MAX_FITTING:
            raise RoomFullError("Other portraits are being prepared.", "Try again in a few seconds.")
        name = request.query.get("name", "").strip()[:MAX_NAME]
        self._waiting_to_fit += 1
        try:
            async with asyncio.timeout(UPLOAD_TIMEOUT):
                photo = await request.read()
            if not photo:
                raise LiveError("The photo is empty.", "Choose an image file.")
            async with self._fitting:
                entry = await asyncio.to_thread(self._studio.add_avatar, photo, name)
        except TimeoutError:
            raise LiveError("The photo took too long to arrive.", "Use a smaller photo or a faster network.") from None
        finally:
            self._waiting_to_fit -= 1
        return web.json_response(entry.as_dict(), status=201)

    # -- signalling

    async def _offer(self, request: web.Request) -> web.Response:
        """Body: `{sdp, type: "offer", codec?, driver?, avatar?, session?, token?, hear?}`.

        Without `session` a new one begins, and the caller owns it. With `session` the caller watches, or takes its
        session over again if `token` proves that it is the owner's. `hear: false` says that the sound is not played
        (yet), so that the picture need not wait for it. Answer: `{sdp, type: "answer", session, owner, token?}`.
        """
        body = await self._read_json(request)
        sdp = check_offer(body.get("sdp"), body.get("type"))  # before anything is loaded for it
        codec = self._codec(body.get("codec"))
        session, token = body.get("session"), body.get("token")
        if session is None:
            room = await self._rooms.open(await self._avatar_id(body.get("avatar")), self._driver(body.get("driver")))
            owner = True
        elif isinstance(token, str):
            room, owner = self._rooms.owned(str(session), token), True
        else:
            room, owner = self._rooms.find(str(session)), False
        try:
            answer = await room.join(sdp, codec, owner=owner, hear=body.get("hear") is not False)
        except LiveError:
            if session is None:
                self._rooms.discard(room)
            raise
        reply = {"type": "answer", "sdp": answer, "session": room.id, "owner": owner}
        return web.json_response(reply | ({"token": room.token} if owner else {}))

    async def _speech(self, request: web.Request) -> web.WebSocketResponse:
        """WebSocket; query: `session`, `token`, `rate`."""
        room = self._rooms.owned(request.query.get("session", ""), request.query.get("token", ""))
        return await serve_speech(request, room.source)

    # -- for the operator

    async def _metrics(self, _request: web.Request) -> web.Response:
        text = await asyncio.to_thread(self._rooms.metrics)
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": live.__version__, "sessions": self._rooms.count})

    # -- parsing

    async def _read_json(self, request: web.Request) -> dict[str, Any]:
        data = bytearray()
        async for part in request.content.iter_chunked(65_536):  # it may not say its length, or a wrong one
            data += part
            if len(data) > MAX_JSON:
                raise OfferError("The connection offer is too large.", "Reload the page and try again.")
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise OfferError("The request is not a JSON object.", "Reload the page and try again.")
        return body

    def _codec(self, wanted: object) -> VideoCodec:
        return next((codec for codec in VIDEO_CODECS if codec == wanted), self._config.codec)

    @staticmethod
    def _driver(wanted: object) -> DriverKind:
        if wanted is None:
            return "webcam"
        for kind in DRIVER_KINDS:
            if kind == wanted:
                return kind
        raise OfferError(f"There is no driver “{str(wanted)[:40]}”.", f"Choose one of: {', '.join(DRIVER_KINDS)}.")

    async def _avatar_id(self, wanted: object) -> str:
        if isinstance(wanted, str):
            return wanted
        if self._config.avatar is not None:
            return self._config.avatar
        entries = await asyncio.to_thread(self._studio.avatars)
        if not entries:
            raise LiveError("There is no avatar yet.", "Upload a portrait first.")
        return entries[0].id


def create_app(config: ServerConfig, studio: Studio) -> web.Application:
    """The application; sessions begin and end with it. To be called inside the event loop."""
    server = Server(config, studio)
    app = web.Application(middlewares=guard(config), client_max_size=config.max_portrait_bytes)
    app.add_routes(server.routes())

    async def close(_app: web.Application) -> None:
        await server.close()

    app.on_shutdown.append(close)
    app[ROOMS] = server.rooms
    return app


async def serve(config: ServerConfig, studio: Studio, on_ready: Callable[[str], None] = lambda url: None) -> None:
    """Serve until cancelled or told to stop by SIGINT or SIGTERM.

    Args:
        config: the settings.
        studio: avatars and drivers; closed by its owner.
        on_ready: told the page's URL once it answers.

    Raises:
        LiveError: the port is taken, or the certificate cannot be read.
    """
    app = create_app(config, studio)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=3.0)
    await runner.setup()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except (NotImplementedError, RuntimeError, ValueError):
            logger.debug("signal handlers are not available here")
    try:
        site = web.TCPSite(runner, config.host, config.port, ssl_context=_tls(config))
        try:
            await site.start()
        except OSError as error:
            raise LiveError(
                f"Cannot listen on {config.host} port {config.port}: {error.strerror or error}.",
                "Choose another one with --port, or stop the program that uses it.",
            ) from error
        on_ready(_url(config, runner))
        await stop.wait()
    finally:
        await runner.cleanup()


def _tls(config: ServerConfig) -> ssl.SSLContext | None:
    if config.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise LiveError(
            f"The TLS certificate {config.tls_certificate} cannot be used: {error}.", "Give a PEM file and its key."
        ) from error
    return context


def _url(config: ServerConfig, runner: web.AppRunner) -> str:
    port = runner.addresses[0][1]
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(config.host, config.host)
    return f"{'https' if config.tls_certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/"
