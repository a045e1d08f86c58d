"""A server on a free port and a small WebRTC client, for tests of the transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import aioice.ice
from aiohttp import web
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack, VideoStreamTrack

from live.transport.config import ServerConfig
from live.transport.rooms import Rooms
from live.transport.server import ROOMS, create_app
from tests.transport_pieces import CardStudio

PATIENCE = 30.0
"""Seconds after which a wait for something that must happen fails the test."""


class Client:
    """A browser in a few lines: what it receives is counted and kept."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http
        self.connection = RTCPeerConnection()
        self.control: list[dict[str, Any]] = []
        self.stats: list[dict[str, Any]] = []
        self.pictures: list[Any] = []
        self.sounds: list[Any] = []
        self.reply: dict[str, Any] = {}
        self._changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._channel: Any = None

    async def connect(self, *, send: bool = True, codec: str = "VP8", **body: Any) -> Client:
        """Offer, and take the answer."""
        pc = self.connection
        if send:
            pc.addTrack(AudioStreamTrack())
            pc.addTrack(VideoStreamTrack())
        else:
            pc.addTransceiver("audio", direction="recvonly")
            pc.addTransceiver("video", direction="recvonly")
        only = [
            c for c in RTCRtpSender.getCapabilities("video").codecs if c.mimeType in (f"video/{codec}", "video/rtx")
        ]
        next(t for t in pc.getTransceivers() if t.kind == "video").setCodecPreferences(only)
        self._channel = pc.createDataChannel("control")
        self._channel.on("message", lambda text: self._keep(self.control, json.loads(text)))
        statistics = pc.createDataChannel("stats")
        statistics.on("message", lambda text: self._keep(self.stats, json.loads(text)))
        pc.on("connectionstatechange", self._notify)
        pc.on("track", lambda track: self._tasks.append(asyncio.create_task(self._read(track))))
        await pc.setLocalDescription(await pc.createOffer())
        offer = {"sdp": pc.localDescription.sdp, "type": "offer", "codec": codec, **body}
        async with self.http.post(f"{self.url}/offer", json=offer) as response:
            self.reply = await response.json()
            assert response.status == 200, self.reply
        await pc.setRemoteDescription(RTCSessionDescription(self.reply["sdp"], "answer"))
        return self

    def say(self, **message: Any) -> None:
        """Send a control message."""
        self._channel.send(json.dumps(message))

    def say_text(self, text: str) -> None:
        """Send anything on the control channel."""
        self._channel.send(text)

    async def until(self, condition: Any) -> None:
        """Wait until `condition()` is true, looking whenever something arrives."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Control messages of a type."""
        return [message for message in self.control if message["type"] == kind]

    async def close(self) -> None:
        """Close as a browser does."""
        await self.connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, track: MediaStreamTrack) -> None:
        kept = self.pictures if track.kind == "video" else self.sounds
        try:
            while True:
                kept.append(await track.recv())
                async with self._changed:
                    self._changed.notify_all()
        except MediaStreamError:
            return

    def _keep(self, where: list[dict[str, Any]], message: dict[str, Any]) -> None:
        where.append(message)
        self._tasks.append(asyncio.create_task(self._notify()))

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Running:
    """A server that runs."""

    def __init__(self, url: str, http: aiohttp.ClientSession, studio: CardStudio, rooms: Rooms) -> None:
        self.url = url
        self.http = http
        self.studio = studio
        self.rooms = rooms

    def client(self) -> Client:
        return Client(self.url, self.http)

    async def get(self, path: str) -> Any:
        async with self.http.get(self.url + path) as response:
            return await (response.json() if "json" in response.content_type else response.text())

    async def until_sessions(self, count: int) -> None:
        """Wait until the server has that many sessions."""
        async with asyncio.timeout(PATIENCE):
            while (await self.get("/health"))["sessions"] != count:  # noqa: ASYNC110 (over HTTP there is no event)
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Running]:
    """Start a server with `ServerConfig(**settings)`; afterwards nothing of it may be left."""
    aioice.ice._mdns.__dict__.clear()  # a lock and a socket of the loop of an earlier test
    before = asyncio.all_tasks()
    studio = CardStudio()
    app = create_app(ServerConfig(port=0, **{"linger": 0.3, **settings}), studio)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession() as http:
        yield Running(f"http://127.0.0.1:{runner.addresses[0][1]}", http, studio, app[ROOMS])
    await runner.cleanup()
    async with asyncio.timeout(PATIENCE):
        while leaked := [task for task in asyncio.all_tasks() - before if "transport" in repr(task.get_coro())]:
            await asyncio.wait(leaked, timeout=1.0)
    assert all(renderer.closed for renderer in studio.renderers)
