"""All rooms of a server."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from live.transport.config import ServerConfig
from live.transport.http_guard import ForbiddenError, NotFoundError
from live.transport.metrics import StageHistograms, family
from live.transport.room import Room, RoomFullError
from live.transport.studio import DriverKind, Studio

NO_SESSION: Final = ("There is no such session; it may have ended.", "Open the page without a session to start one.")


class Rooms:
    """Opens, finds and closes rooms, within limits. Lives on the event loop."""

    def __init__(self, config: ServerConfig, studio: Studio) -> None:
        self._config = config
        self._studio = studio
        self._rooms: dict[str, Room] = {}
        self._opening: set[asyncio.Task[Room]] = set()
        self._closed = False
        self._closing: set[asyncio.Task[None]] = set()
        self.histograms = StageHistograms()
        self.opened = 0

    async def open(self, avatar: str, kind: DriverKind) -> Room:
        """Start a session.

        Raises:
            RoomFullError: there are as many as this server may have.
            LiveError: the avatar or driver cannot be had.
        """
        if self._closed:
            raise RoomFullError("The server is stopping.", "Start it again.")
        if len(self._rooms) + len(self._opening) >= self._config.max_sessions:
            raise RoomFullError(
                f"All {self._config.max_sessions} sessions of this server are in use.",
                "Close one, or start the server with a larger --max-sessions.",
            )
        opening = asyncio.create_task(self._open(avatar, kind))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        # whoever asked may be gone before the models are loaded; the room is then closed like any that nobody enters
        return await asyncio.shield(opening)

    def find(self, room_id: str) -> Room:
        """The room of that id. Raises `NotFoundError`."""
        room = self._rooms.get(room_id)
        if room is None:
            raise NotFoundError(*NO_SESSION)
        return room

    def owned(self, room_id: str, token: str) -> Room:
        """The room of that id, for its owner. Raises `NotFoundError` or `ForbiddenError`."""
        room = self.find(room_id)
        if not secrets.compare_digest(room.token.encode(), token.encode(errors="replace")):
            raise ForbiddenError("Only the browser that started this session can control it.")
        return room

    async def close(self) -> None:
        """End all sessions, those that are just being opened too."""
        self._closed = True
        await asyncio.gather(*self._opening, return_exceptions=True)
        await asyncio.gather(*(room.close() for room in self._rooms.values()), *self._closing)
        self._rooms.clear()

    def metrics(self) -> str:
        """Prometheus text."""
        rooms = list(self._rooms.values())
        snapshots = {str(room.number): room.session.statistics() for room in rooms}

        def each(values: dict[str, float]) -> dict[tuple[tuple[str, str], ...], float]:
            return {(("session", number),): value for number, value in values.items()}

        drops: dict[tuple[tuple[str, str], ...], float] = {}
        quantiles: dict[tuple[tuple[str, str], ...], float] = {}
        for number, snapshot in snapshots.items():
            for place, count in snapshot.drops.items():
                drops[(("session", number), ("place", place))] = count
            for stage, times in snapshot.stages.items():
                for quantile, value in (("0.5", times.p50), ("0.95", times.p95)):
                    labels = (("session", number), ("stage", stage), ("quantile", quantile))
                    quantiles[labels] = value / 1e3
        lines = [
            *family("live_sessions", "gauge", "Sessions now.", {(): len(rooms)}),
            *family("live_sessions_opened_total", "counter", "Sessions since the start.", {(): self.opened}),
            *family("live_viewers", "gauge", "Connected browsers.", each({str(r.number): r.viewers for r in rooms})),
            *family(
                "live_frames_total", "counter", "Pictures drawn.", each({k: s.frames for k, s in snapshots.items()})
            ),
            *family("live_frame_rate", "gauge", "Pictures per second.", each({k: s.fps for k, s in snapshots.items()})),
            *family(
                "live_audio_delay_seconds",
                "gauge",
                "By how much sound waits for its picture.",
                each({k: s.audio_delay_ms / 1e3 for k, s in snapshots.items()}),
            ),
            *family("live_dropped_total", "counter", "Items dropped so that nothing queues.", drops),
            *family("live_recent_stage_seconds", "gauge", "Stage times of the last pictures.", quantiles),
            *self.histograms.lines(),
        ]
        return "\n".join(lines) + "\n"

    @property
    def count(self) -> int:
        """Sessions now."""
        return len(self._rooms)

    async def _open(self, avatar: str, kind: DriverKind) -> Room:
        room = await Room.open(self._config, self._studio, self.histograms, self.discard, avatar, kind)
        self.opened += 1
        room.number = self.opened
        self._rooms[room.id] = room
        return room

    def discard(self, room: Room) -> None:
        """Close a room that nobody needs, in the background."""
        if self._rooms.pop(room.id, None) is not None:
            task = asyncio.create_task(room.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
