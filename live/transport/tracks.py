"""aiortc tracks that carry packets which are encoded already."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, Literal

import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from live.transport.encoded import AUDIO_TIME_BASE, VIDEO_TIME_BASE, Encoded

VIDEO_BACKLOG: Final = 3
"""Pictures that may wait for a viewer's sender; then the viewer goes on at the next keyframe."""

AUDIO_BACKLOG: Final = 5
"""Packets of sound that may wait; then the oldest is dropped."""


class PacketTrack(MediaStreamTrack):
    """One viewer's end of a shared encode. All methods belong to the event loop.

    Begins with a keyframe. A viewer who is too slow loses pictures, never delays them, and never disturbs the others.

    Args:
        kind: of media.
        request_keyframe: called when this viewer cannot go on without one.
    """

    def __init__(self, kind: Literal["audio", "video"], request_keyframe: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.kind = kind
        self.dropped = 0
        self.on_sent: Callable[[int], None] | None = None
        self._time_base: Fraction = VIDEO_TIME_BASE if kind == "video" else AUDIO_TIME_BASE
        self._request_keyframe = request_keyframe
        self._queue: deque[Encoded] = deque()
        self._ready = asyncio.Event()
        self._needs_keyframe = kind == "video"
        self._handed_out: int | None = None

    def offer(self, item: Encoded) -> None:
        """Queue `item`, or drop it if this viewer cannot use it."""
        if self.readyState != "live":
            return
        if self._needs_keyframe and not item.keyframe:
            self.dropped += 1
            return
        self._needs_keyframe = False
        self._queue.append(item)
        if self.kind == "video" and len(self._queue) > VIDEO_BACKLOG:
            self.restart()
        while len(self._queue) > AUDIO_BACKLOG:
            self._queue.popleft()
            self.dropped += 1
        if self._queue:
            self._ready.set()

    def restart(self) -> None:
        """Drop what waits and go on at the next keyframe."""
        self.dropped += len(self._queue)
        self._queue.clear()
        self._needs_keyframe = True
        self._request_keyframe()

    async def recv(self) -> av.Packet[Any]:
        """The next packet; called by the sender when the one before has left."""
        if self._handed_out is not None and self.on_sent is not None:
            self.on_sent(self._handed_out)
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._ready.clear()
            await self._ready.wait()
        item = self._queue.popleft()
        packet = av.Packet(item.data)
        packet.pts = item.ticks
        packet.time_base = self._time_base
        packet.is_keyframe = item.keyframe
        self._handed_out = item.ticks
        return packet

    def stop(self) -> None:
        """End the track and wake a waiting `recv`."""
        super().stop()
        self._queue.clear()
        self._ready.set()
