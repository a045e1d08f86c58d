"""The comparison: the same page, drivers, renderer and session on aiortc as it comes.

What a straightforward aiortc server does: incoming tracks are drained with `recv()` (stock jitter buffers), outgoing
tracks hand over raw frames (stock encoders, stock bitrate control), and each track has a clock of its own. Only the
engine's transport is missing.
"""

from __future__ import annotations

import asyncio
import fractions
import json
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import av
import numpy as np
from aiohttp import web
from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray

from live.frames import AUDIO_RATE, AudioChunk, RenderedFrame, Trace, VideoFrame
from live.session import Session
from live.transport.config import ServerConfig
from live.transport.inbound_video import to_rgb
from live.transport.remote_source import RemoteSource
from live.transport.studio import DRIVER_KINDS, DriverKind, Studio
from live.transport.web_page import WebPage, page_folder

PACKET: Final = 960
"""Samples per packet: 20 ms, which aiortc's Opus encoder wants."""

VIDEO_CLOCK: Final = 90_000
WAITING: Final = 50
"""Sound packets that may wait, 1 s."""


class StockVideoTrack(MediaStreamTrack):
    """Hands the newest picture to aiortc's encoder."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._event_loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[RenderedFrame] = asyncio.Queue(1)
        self._began: float | None = None

    def push(self, frame: RenderedFrame) -> None:
        """From any thread."""
        self._event_loop.call_soon_threadsafe(self._put, frame)

    def _put(self, frame: RenderedFrame) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(frame)

    async def recv(self) -> av.VideoFrame:
        """The next picture, stamped with the time since the first."""
        frame = await self._queue.get()
        picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        picture.pts = round((now - self._began) * VIDEO_CLOCK)
        picture.time_base = fractions.Fraction(1, VIDEO_CLOCK)
        return picture


class StockAudioTrack(MediaStreamTrack):
    """Hands sound to aiortc's encoder in 20 ms frames as it becomes due."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._event_loop = asyncio.get_running_loop()
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)
        self._packets: deque[NDArray[np.int16]] = deque(maxlen=WAITING)
        self._ready = asyncio.Event()
        self._sent = 0

    def push(self, chunk: AudioChunk) -> None:
        """From one thread."""
        sound = np.concatenate([self._rest, chunk.samples])
        whole = len(sound) // PACKET * PACKET
        self._rest = sound[whole:]
        for start in range(0, whole, PACKET):
            self._event_loop.call_soon_threadsafe(self._put, sound[start : start + PACKET])

    def _put(self, samples: NDArray[np.int16]) -> None:
        self._packets.append(samples)
        self._ready.set()

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms."""
        while not self._packets:
            self._ready.clear()
            await self._ready.wait()
        frame = av.AudioFrame.from_ndarray(self._packets.popleft().reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = AUDIO_RATE
        frame.pts = self._sent
        frame.time_base = fractions.Fraction(1, AUDIO_RATE)
        self._sent += PACKET
        return frame


class StockSink:
    """A `Sink` for the two tracks."""

    def __init__(self, video: StockVideoTrack, audio: StockAudioTrack) -> None:
        self._video = video
        self._audio = audio

    def push_video(self, frame: RenderedFrame) -> None:
        """Send a picture."""
        self._video.push(frame)

    def push_audio(self, chunk: AudioChunk) -> None:
        """Send sound."""
        self._audio.push(chunk)

    def close(self) -> None:
        """Nothing to release."""


class StockServer:
    """Answers the page's requests; one viewer per session."""

    def __init__(self, config: ServerConfig, studio: Studio) -> None:
        self._config = config
        self._studio = studio
        self._page = WebPage(page_folder())
        self._open: list[tuple[RTCPeerConnection, Session]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        """What the page asks for."""
        return [
            web.get("/", self._page.serve),
            web.get("/config", self._configuration),
            web.get("/avatars", self._avatars),
            web.get("/avatars/{id}/picture", self._picture),
            web.post("/offer", self._offer),
            web.get("/{name:[a-z0-9_/-]+[.][a-z]+}", self._page.serve),
        ]

    async def close(self, _app: web.Application) -> None:
        """End all sessions."""
        for connection, session in self._open:
            await connection.close()
            await asyncio.to_thread(session.close)
        for task in self._tasks:
            task.cancel()

    async def _configuration(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "version": "stock",
                "iceServers": [],
                "codec": "VP8",
                "codecs": ["VP8"],
                "drivers": DRIVER_KINDS,
                "maxPortraitBytes": 0,
            }
        )

    async def _avatars(self, _request: web.Request) -> web.Response:
        entries = await asyncio.to_thread(self._studio.avatars)
        return web.json_response({"avatars": [entry.as_dict() for entry in entries]})

    async def _picture(self, request: web.Request) -> web.Response:
        jpeg = await asyncio.to_thread(self._studio.picture, request.match_info["id"])
        return web.Response(body=jpeg, content_type="image/jpeg")

    async def _offer(self, request: web.Request) -> web.Response:
        body = await request.json()
        kind: DriverKind = next((known for known in DRIVER_KINDS if known == body.get("driver")), "webcam")
        avatar = body.get("avatar") or (await asyncio.to_thread(self._studio.avatars))[0].id
        source = RemoteSource()
        session = await asyncio.to_thread(self._start, avatar, kind, source)
        connection = RTCPeerConnection()
        self._open.append((connection, session))
        video, audio = StockVideoTrack(), StockAudioTrack()
        session.add_sink(StockSink(video, audio))

        @connection.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            task = asyncio.create_task(drain(track, source))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        @connection.on("datachannel")
        def on_channel(channel: RTCDataChannel) -> None:
            channel.on("message", lambda text: answer_ping(channel, text))

        await connection.setRemoteDescription(RTCSessionDescription(sdp=body["sdp"], type="offer"))
        connection.addTrack(video)
        connection.addTrack(audio)
        await connection.setLocalDescription(await connection.createAnswer())
        return web.json_response(
            {"type": "answer", "sdp": connection.localDescription.sdp, "session": "stock", "owner": True, "token": "-"}
        )

    def _start(self, avatar: str, kind: DriverKind, source: RemoteSource) -> Session:
        opened = self._studio.open_avatar(avatar)
        session = Session(self._studio.open_driver(kind, opened.rest), opened.renderer, source)
        session.start()
        return session


def answer_ping(channel: RTCDataChannel, text: str) -> None:
    """Tell the page what time it is here."""
    message = json.loads(text)
    if message.get("type") == "ping":
        channel.send(json.dumps({"type": "pong", "t": message.get("t"), "server_ms": time.monotonic() * 1e3}))


async def drain(track: MediaStreamTrack, source: RemoteSource) -> None:
    """Give everything that aiortc decodes to `source`, stamped with the instant at which it came out."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        now_ns = time.monotonic_ns()
        if isinstance(frame, av.AudioFrame):
            samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1).astype(np.int16)
            source.deliver_audio(AudioChunk(samples, now_ns / 1e9 - len(samples) / AUDIO_RATE, now_ns))
        elif isinstance(frame, av.VideoFrame):
            source.deliver_video(VideoFrame(to_rgb(frame), now_ns / 1e9, Trace(now_ns)))


async def serve_stock(config: ServerConfig, studio: Studio, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT."""
    server = StockServer(config, studio)
    app = web.Application(client_max_size=1 << 20)
    app.add_routes(server.routes())
    app.on_shutdown.append(server.close)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await web.TCPSite(runner, config.host, config.port).start()
        on_ready(f"http://{config.host}:{runner.addresses[0][1]}/")
        await stop.wait()
    finally:
        await runner.cleanup()
