"""A browser's microphone and webcam as a `Source`."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Final

import numpy as np

from live.frames import AudioChunk, VideoFrame
from live.protocols import AudioCallback, StateCallback, VideoCallback

PRECEDENCE: Final = 0.2
"""Seconds after pushed sound in which the microphone is not heard."""


class RemoteSource:
    """Hands what a peer receives to the session. Safe from any thread; what comes before `start` is dropped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on_audio: AudioCallback | None = None
        self._on_video: VideoCallback | None = None
        self._on_state: StateCallback | None = None
        self._pushed = -PRECEDENCE  # when a program last pushed sound
        self.muted = False
        """Whether the microphone's sound is replaced by silence. Its timing goes on, so no pace is lost."""

    def start(
        self,
        on_audio: AudioCallback | None,
        on_video: VideoCallback | None,
        on_state: StateCallback,
    ) -> None:
        """Begin to deliver."""
        with self._lock:
            self._on_audio, self._on_video, self._on_state = on_audio, on_video, on_state

    def stop(self) -> None:
        """Stop delivering. Safe to call twice."""
        with self._lock:
            self._on_audio = self._on_video = self._on_state = None

    @property
    def running(self) -> bool:
        """Whether a session takes what is delivered."""
        return self._on_audio is not None

    def deliver_pushed(self, chunk: AudioChunk) -> None:
        """A program speaks; goes before the microphone, since two voices in one stream are none."""
        self._pushed = time.monotonic()
        callback = self._on_audio
        if callback is not None:
            callback(chunk)

    def deliver_audio(self, chunk: AudioChunk) -> None:
        """Sound of the microphone arrived; `pts` is on the local monotonic clock (s)."""
        callback = self._on_audio
        if callback is not None and time.monotonic() - self._pushed >= PRECEDENCE:
            callback(replace(chunk, samples=np.zeros_like(chunk.samples)) if self.muted else chunk)

    def deliver_video(self, frame: VideoFrame) -> None:
        """A picture arrived; `pts` is on the local monotonic clock (s)."""
        callback = self._on_video
        if callback is not None:
            callback(frame)

    def report(self, message: str) -> None:
        """Tell the user something about the connection."""
        callback = self._on_state
        if callback is not None:
            callback(message)
