"""A room: one session of the engine, its WebRTC output, and the browsers in it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Final, TypeVar

from live.errors import LiveError
from live.frames import MotionFrame
from live.session import Session
from live.statistics import FrameStatistics
from live.transport.broadcast import Broadcast
from live.transport.config import ServerConfig
from live.transport.encoded import Encoded, VideoCodec
from live.transport.ice import OfferError
from live.transport.metrics import StageHistograms
from live.transport.peer import Peer
from live.transport.remote_source import RemoteSource
from live.transport.room_control import RoomControl
from live.transport.studio import DriverKind, Studio

logger = logging.getLogger(__name__)

T = TypeVar("T")

STATISTICS_INTERVAL: Final = 0.2
"""Seconds between two messages on the statistics channel."""


class RoomFullError(LiveError):
    """There is no place for another viewer or session now."""


class Room:
    """Lives on the event loop; what takes long runs on threads. Made by `Room.open`.

    Attributes:
        id: names the room in URLs; whoever knows it may watch.
        number: which session of the server this is, for public places such as metrics.
        token: proves to be its owner.
        avatar: id of the avatar shown.
        driver_kind: what moves it.
        source: where the owner's browser and the speech socket deliver.
    """

    def __init__(
        self,
        config: ServerConfig,
        studio: Studio,
        histograms: StageHistograms,
        on_empty: Callable[[Room], None],
    ) -> None:
        self.id = secrets.token_urlsafe(9)
        self.token = secrets.token_urlsafe(18)
        self.number = 0
        self.avatar = ""
        self.driver_kind: DriverKind = "webcam"
        self.source = RemoteSource()
        self._config = config
        self._studio = studio
        self._histograms = histograms
        self._on_empty = on_empty
        self._loop = asyncio.get_running_loop()
        self._broadcast = Broadcast(
            self._loop, self._report_error, config.fps, config.bitrate, on_sent=self._observe_sent
        )
        self._statistics = FrameStatistics()
        self._rest = MotionFrame.neutral()
        self._session: Session | None = None
        self._peers: set[Peer] = set()
        self._changing = asyncio.Lock()
        self._control = RoomControl(self)
        self._last_reported = 0
        self._linger: asyncio.TimerHandle | None = None
        self._reporter: asyncio.Task[None] | None = None
        self._closed = False

    @staticmethod
    async def open(
        config: ServerConfig,
        studio: Studio,
        histograms: StageHistograms,
        on_empty: Callable[[Room], None],
        avatar: str,
        kind: DriverKind,
    ) -> Room:
        """Start a session with `avatar` moved by `kind`.

        Raises:
            LiveError: there is no such avatar, or the driver cannot be had.
        """
        room = Room(config, studio, histograms, on_empty)
        room.avatar, room.driver_kind = avatar, kind
        try:
            room._session = await asyncio.to_thread(room._start)
        except BaseException:
            room._broadcast.close()
            raise
        room._reporter = asyncio.create_task(room._report_statistics())
        room._wait_for_return()
        return room

    # -- browsers

    @property
    def viewers(self) -> int:
        """Browsers in the room."""
        return len(self._peers)

    @property
    def session(self) -> Session:
        """The running session."""
        if self._session is None:
            raise LiveError("The session is closed.", "Start a new one.")
        return self._session

    @property
    def broadcast(self) -> Broadcast:
        """The WebRTC output."""
        return self._broadcast

    @property
    def rest(self) -> MotionFrame:
        """The motion that reproduces the avatar's photo."""
        return self._rest

    async def join(self, sdp: str, codec: VideoCodec, *, owner: bool, hear: bool = True) -> str:
        """Let a browser in. Returns the answer to its offer.

        Raises:
            RoomFullError: too many viewers.
            OfferError: the offer cannot be answered.
        """
        # Closing takes time in which the owner may connect once more: whoever comes last stays.
        while owner and (former := next((p for p in self._peers if p.owner), None)) is not None:
            await former.close("the owner connected again")
        if self._closed:
            raise OfferError("The session has ended.", "Start a new one.")
        if len(self._peers) >= self._config.max_viewers:
            raise RoomFullError(
                f"This session already has {self._config.max_viewers} viewers.", "Try again when one has left."
            )
        peer = Peer(
            self._config, self._broadcast, self.source if owner else None, self._control.handle, self._peer_closed
        )
        peer.hear(hear)
        self._peers.add(peer)
        self._stop_waiting()
        return await peer.answer(sdp, codec)

    def tell(self, message: dict[str, object]) -> None:
        """Send a control message to everyone."""
        for peer in tuple(self._peers):
            peer.send("control", message)

    def state(self) -> dict[str, object]:
        """What the page shows about the room."""
        return {
            "type": "state",
            "session": self.id,
            "avatar": self.avatar,
            "driver": self.driver_kind,
            "muted": self.source.muted,
            "idle": self._session is not None and getattr(self._session.driver, "idle", None) is not None,
            "viewers": len(self._peers),
        }

    # -- changes, by the owner

    async def change_avatar(self, avatar: str) -> None:
        """Show another avatar. Raises `LiveError` if there is no such one; the old one stays then."""
        async with self._changing:
            opened = await self._make(
                lambda: self._studio.open_avatar(avatar), lambda unwanted: unwanted.renderer.close()
            )
            self._rest = opened.rest
            self.session.set_renderer(opened.renderer)
            set_rest = getattr(self.session.driver, "set_rest", None)
            if set_rest is not None:
                set_rest(opened.rest)
            else:
                await self._replace_driver(self.driver_kind)
            self.avatar = avatar
        self.tell(self.state())

    async def change_driver(self, kind: DriverKind) -> None:
        """Let something else move the avatar. Raises `LiveError` if that cannot be had; the old driver stays then."""
        async with self._changing:
            await self._replace_driver(kind)
        self.tell(self.state())

    async def close(self) -> None:
        """End the session and all its connections. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._stop_waiting()
        await self._control.close()
        await asyncio.gather(*(peer.close("the session has ended") for peer in tuple(self._peers)))
        if self._reporter is not None:
            self._reporter.cancel()
        session, self._session = self._session, None
        if session is not None:
            await asyncio.to_thread(session.close)
        await asyncio.to_thread(self._broadcast.close)

    # -- inside

    async def _replace_driver(self, kind: DriverKind) -> None:
        driver = await self._make(lambda: self._studio.open_driver(kind, self._rest), lambda unwanted: unwanted.close())
        await asyncio.to_thread(self.session.set_driver, driver)
        self.driver_kind = kind

    async def _make(self, make: Callable[[], T], close: Callable[[T], None]) -> T:
        """Load something on a thread. What is there only when the room has closed is closed at once."""

        def work() -> T:
            made = make()
            if self._closed:
                close(made)
                raise LiveError("The session has ended.", "Start a new one.")
            return made

        def discard(late: asyncio.Task[T]) -> None:
            if not late.cancelled() and late.exception() is None:
                self._loop.run_in_executor(None, close, late.result())

        making = asyncio.create_task(asyncio.to_thread(work))
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:  # it may be there already, and nobody else will ever hear of it
            making.add_done_callback(discard)
            raise

    def _start(self) -> Session:
        opened = self._studio.open_avatar(self.avatar)
        try:
            self._rest = opened.rest
            driver = self._studio.open_driver(self.driver_kind, opened.rest)
        except BaseException:
            opened.renderer.close()
            raise
        session = Session(driver, opened.renderer, self.source, on_state=self._report_state)
        session.add_sink(self._broadcast)
        session.start()
        return session

    def _peer_closed(self, peer: Peer, reason: str) -> None:
        self._peers.discard(peer)
        logger.info("Viewer left room %s: %s", self.id, reason)
        if not self._closed:
            self.tell(self.state())
            if not self._peers:
                self._wait_for_return()

    def _wait_for_return(self) -> None:
        self._stop_waiting()
        self._linger = self._loop.call_later(self._config.linger, self._nobody_returned)

    def _stop_waiting(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _nobody_returned(self) -> None:
        self._linger = None
        if not self._peers:
            self._on_empty(self)

    def _report_state(self, message: str) -> None:
        """From any thread: a sentence of the session for the user."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: self.tell({"type": "message", "text": message}))

    def _report_error(self, error: LiveError) -> None:
        self.tell({"type": "error", "error": error.message, "hint": error.hint})

    def _observe_sent(self, item: Encoded) -> None:
        if item.trace is not None:
            now = time.monotonic_ns()
            self._statistics.observe(item.trace, now)
            self._histograms.observe(item.trace, now)

    async def _report_statistics(self) -> None:
        while True:
            await asyncio.sleep(STATISTICS_INTERVAL)
            session = self._session
            if session is None or not self._peers:
                continue
            engine = session.statistics()
            sent = self._statistics.snapshot(engine.drops, engine.errors, self._broadcast.picture_latency)
            summary = sent.as_dict() | {
                "type": "stats",
                "now_ms": round(time.monotonic() * 1e3, 3),
                "viewers": len(self._peers),
                "audio_delay_ms": round(session.audio_delay * 1e3, 1),
            }
            fresh = [item for item in self._broadcast.sent if item.ready_ns > self._last_reported]
            if fresh:
                self._last_reported = fresh[-1].ready_ns
            for peer in tuple(self._peers):
                stamped = peer.rtp_timestamps(item for item in fresh if item.codec == peer.codec)
                peer.send("stats", summary | {"frames": [describe(rtp, item) for rtp, item in stamped]})


def describe(rtp_timestamp: int, item: Encoded) -> dict[str, object]:
    """A picture for the statistics channel: instants in ms of the server's monotonic clock, stages as
    `[name, start relative to capture, duration]`."""
    trace = item.trace
    if trace is None:
        return {"rtp": rtp_timestamp}
    return {
        "rtp": rtp_timestamp,
        "capture_ms": round(trace.capture_ns / 1e6, 3),
        "sent_ms": round(max((end for _, _, end in trace.stages), default=item.ready_ns) / 1e6, 3),
        "stages": [
            [name, round((start - trace.capture_ns) / 1e6, 2), round((end - start) / 1e6, 2)]
            for name, start, end in trace.stages
        ],
    }
