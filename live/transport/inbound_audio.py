"""Received Opus packets → `AudioChunk`s, decoded on a thread of their own as they become due."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from live.frames import AUDIO_RATE, AudioChunk
from live.transport.audio_jitter import AudioJitterBuffer, Release

logger = logging.getLogger(__name__)

IDLE: Final = 0.5
"""Seconds to sleep when nothing is expected."""


class OpusReceiver:
    """Decodes mono 48 kHz Opus and conceals what is missing with the codec's own concealment.

    A packet that is only a table-of-contents byte carries a frame of length zero, which RFC 6716 §3.2.1 defines as a
    lost frame: libopus then extrapolates the speech, fading out over some 60 ms.
    """

    def __init__(self) -> None:
        self._codec = self._open()
        self._toc = 0xFC  # 20 ms fullband
        self.failed = 0

    @staticmethod
    def _open() -> av.AudioCodecContext:
        codec = av.CodecContext.create("libopus", "r")
        assert isinstance(codec, av.AudioCodecContext)
        codec.format = "s16"
        codec.layout = "mono"
        codec.sample_rate = AUDIO_RATE
        return codec

    def decode(self, payload: bytes | None) -> NDArray[np.int16]:
        """`int16 (n,)`; `None` or an undecodable payload is concealed."""
        if payload:
            self._toc = payload[0] & 0xFC
        samples = self._run(payload) if payload else None
        if samples is None:
            samples = self._run(bytes([self._toc]))
        return np.zeros(960, np.int16) if samples is None else samples

    def _run(self, payload: bytes) -> NDArray[np.int16] | None:
        try:
            frames = self._codec.decode(av.Packet(payload))
        except av.FFmpegError:
            self.failed += 1
            return None
        if not frames:
            return None
        return np.concatenate([f.to_ndarray().reshape(-1) for f in frames]).astype(np.int16, copy=False)


class InboundAudio:
    """Owns the jitter buffer and the thread. `push` never blocks; `deliver` is called on the thread.

    Args:
        deliver: takes each chunk; `pts` and `capture_ns` are on the local monotonic clock.
    """

    def __init__(self, deliver: Callable[[AudioChunk], None]) -> None:
        self._deliver = deliver
        self._changed = threading.Condition()
        self._buffer = AudioJitterBuffer()
        self._decoder = OpusReceiver()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="live-audio-in", daemon=True)
        self._thread.start()

    @property
    def buffer(self) -> AudioJitterBuffer:
        """The jitter buffer, for its counters."""
        return self._buffer

    def push(self, sequence: int, timestamp: int, payload: bytes) -> None:
        """Accept an RTP packet that arrives now."""
        with self._changed:
            self._buffer.push(sequence, timestamp, payload, time.monotonic())
            self._changed.notify()

    def close(self) -> None:
        """Stop the thread. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = time.monotonic()
                due = self._buffer.pop(now)
                if not due:
                    event = self._buffer.next_event()
                    self._changed.wait(IDLE if event is None else max(0.0005, min(IDLE, event - now)))
                    continue
            for release in due:
                self._emit(release)

    def _emit(self, release: Release) -> None:
        samples = self._decoder.decode(release.payload)
        chunk = AudioChunk(samples, release.end - len(samples) / AUDIO_RATE, round(release.end * 1e9))
        try:
            self._deliver(chunk)
        except Exception:
            logger.exception("A consumer of received sound failed")
