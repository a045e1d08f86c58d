"""What one source delivers, moved onto the session's clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from live.frames import AudioChunk, VideoFrame


class SourceFeed:
    """Stands between a source, whose clock may start anywhere, and a session, whose clock starts with it.

    Args:
        epoch_ns: when the session began, monotonic clock.
        audio, video, state: take what comes, from the source's threads.
    """

    def __init__(
        self,
        epoch_ns: int,
        audio: Callable[[SourceFeed, AudioChunk], None],
        video: Callable[[SourceFeed, VideoFrame], None],
        state: Callable[[SourceFeed, str], None],
    ) -> None:
        self._epoch_ns, self._audio, self._video, self._state = epoch_ns, audio, video, state
        self._lock = threading.Lock()
        self._offset: float | None = None

    def on_audio(self, chunk: AudioChunk) -> None:
        """Sound from the source."""
        offset = self._shift(chunk.capture_ns, chunk.pts + chunk.duration)
        self._audio(self, replace(chunk, pts=chunk.pts + offset))

    def on_video(self, frame: VideoFrame) -> None:
        """A picture from the source."""
        offset = self._shift(frame.trace.capture_ns, frame.pts)
        self._video(self, replace(frame, pts=frame.pts + offset))

    def on_state(self, message: str) -> None:
        """A sentence for the user."""
        self._state(self, message)

    def _shift(self, capture_ns: int, pts: float) -> float:
        with self._lock:
            if self._offset is None:
                self._offset = (capture_ns - self._epoch_ns) / 1e9 - pts
            return self._offset
