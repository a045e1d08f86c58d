"""A sound or video file as a source: played at real time, once or in a loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from live.capture.media import media_time, probe, read_media
from live.errors import LiveError
from live.frames import AudioChunk, Trace, VideoFrame
from live.protocols import AudioCallback, StateCallback, VideoCallback

LATE: Final = 0.1
"""Seconds after which a picture is skipped instead of delivered: the machine cannot keep up with the file."""


class FileSource:
    """Plays a file: each chunk and picture is delivered when its media time has come.

    Args:
        path: a sound or video file.
        loop: start again at the end; media time goes on.
        audio: whether to deliver its sound.
        video: whether to deliver its pictures.
        sleep_until: waits until a monotonic instant (ns) or until `stop`; for tests.

    Raises:
        MediaError: the file is missing, unreadable or empty.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        loop: bool = False,
        audio: bool = True,
        video: bool = True,
        sleep_until: Callable[[int], None] | None = None,
    ) -> None:
        self.path = Path(path)
        self.info = probe(path)
        self.dropped = 0
        self.finished = threading.Event()
        self._loop = loop
        self._audio = audio
        self._video = video
        self._sleep_until = sleep_until or self._sleep
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, on_audio: AudioCallback | None, on_video: VideoCallback | None, on_state: StateCallback) -> None:
        """Begin to play. `finished` is set after the last item, or when the file turns out to be damaged."""
        self._thread = threading.Thread(
            target=self._play, args=(on_audio, on_video, on_state), name="live-file", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop playing."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    def _play(self, on_audio: AudioCallback | None, on_video: VideoCallback | None, on_state: StateCallback) -> None:
        try:
            begin_ns, offset = time.monotonic_ns(), 0.0
            while not self._stop.is_set():
                end = self._play_once(on_audio, on_video, on_state, begin_ns, offset)
                if not self._loop or end <= offset:
                    break
                offset = end
        except LiveError as error:
            on_state(str(error))
        finally:
            if not self._stop.is_set():
                on_state(f"{self.path.name} has ended.")
            self.finished.set()

    def _play_once(
        self,
        on_audio: AudioCallback | None,
        on_video: VideoCallback | None,
        on_state: StateCallback,
        begin_ns: int,
        offset: float,
    ) -> float:
        """Play the file from its beginning at media time `offset`; returns the media time of its end."""
        end = offset
        wanted_audio, wanted_video = self._audio and on_audio is not None, self._video and on_video is not None
        for item in read_media(self.path, audio=wanted_audio, video=wanted_video, on_damage=on_state):
            due = offset + media_time(item)
            due_ns = begin_ns + round(due * 1e9)
            self._sleep_until(due_ns)
            if self._stop.is_set():
                break
            if isinstance(item, AudioChunk):
                end = max(end, due)
                if on_audio is not None:
                    on_audio(replace(item, pts=item.pts + offset, capture_ns=due_ns))
            else:
                end = max(end, due + 1.0 / max(self.info.fps, 1.0))
                if time.monotonic_ns() - due_ns > LATE * 1e9:
                    self.dropped += 1
                elif on_video is not None:
                    on_video(VideoFrame(item.image, item.pts + offset, Trace(due_ns)))
        return end

    def _sleep(self, due_ns: int) -> None:
        wait = (due_ns - time.monotonic_ns()) / 1e9
        if wait > 0:
            self._stop.wait(wait)
