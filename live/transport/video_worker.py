"""Encodes a session's pictures for all viewers of one codec, each when it is due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from live.errors import LiveError
from live.frames import RenderedFrame, Trace
from live.transport.encoded import VIDEO_CLOCK, Encoded
from live.transport.video_encoder import VideoEncoder
from live.transport.waiting_room import WaitingRoom

KEYFRAME_PAUSE: Final = 0.25
"""Shortest time between two keyframes, seconds: many viewers that lose the same packet get one answer."""

RETRY: Final = 1.0
"""Seconds after which a failed encoder is opened again."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A picture, the instant of the send clock that it stands for (s), and when it came (ns) to wait how long (s)."""

    frame: RenderedFrame
    instant: float
    came_ns: int
    wait: float


class VideoWorker:
    """Encodes the newest picture that is due, on a thread of its own.

    Args:
        encoder: belongs to this worker from now on.
        emit: takes what was encoded, on the thread.
        failed: told what went wrong, once for failures in a row; encoding is tried again `RETRY` seconds later.
    """

    def __init__(
        self,
        encoder: VideoEncoder,
        emit: Callable[[Encoded], None],
        failed: Callable[[LiveError], None],
    ) -> None:
        self._encoder = encoder
        self._emit = emit
        self._failed = failed
        self._room: WaitingRoom[Waiting] = WaitingRoom()
        self._keyframe = threading.Event()
        self._last_keyframe = -KEYFRAME_PAUSE
        self._ticks = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-encode", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Pictures replaced by newer ones before they were encoded."""
        return self._room.dropped

    def push(self, frame: RenderedFrame, instant: float, due: float) -> None:
        """Encode `frame` at `due` (`time.monotonic`), if no newer one is due by then; it stands for `instant`."""
        came_ns = time.monotonic_ns()
        self._room.put(Waiting(frame, instant, came_ns, due - came_ns / 1e9), due)

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe, at most four times per second. From any thread."""
        self._keyframe.set()

    def close(self) -> None:
        """Stop. Safe to call twice."""
        self._closing.set()
        self._room.close()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        failing = False
        while not self._closing.is_set():
            waiting = self._room.take(1.0)
            if waiting is None:
                continue
            frame = waiting.frame
            start_ns = time.monotonic_ns()
            now = start_ns / 1e9
            keyframe = self._keyframe.is_set() and now - self._last_keyframe >= KEYFRAME_PAUSE
            if keyframe:
                self._keyframe.clear()
                self._last_keyframe = now
            self._ticks = ticks = max(round(waiting.instant * VIDEO_CLOCK), self._ticks + 1)
            try:
                data, is_keyframe = self._encoder.encode(frame.image, ticks, keyframe)
            except LiveError as error:
                if not failing:
                    self._failed(error)
                failing = True
                self._closing.wait(RETRY)
                continue
            failing = False
            ready_ns = time.monotonic_ns()
            trace = Trace(frame.trace.capture_ns, list(frame.trace.stages))  # each encode has its own
            if waiting.wait > 0.0:
                trace.stamp("lip-sync", waiting.came_ns, start_ns)
            trace.stamp("encode", start_ns, ready_ns)
            if data:
                codec = self._encoder.codec
                self._emit(Encoded(data, ticks, is_keyframe, trace, ready_ns, codec))
