"""A session's WebRTC output: one encode per codec and one of the sound, fanned out to all viewers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from live.errors import LiveError
from live.frames import AudioChunk, RenderedFrame
from live.transport.audio_out import AudioOut
from live.transport.delay_line import DelayLine
from live.transport.departure import Departure
from live.transport.encoded import Encoded, VideoCodec
from live.transport.lip_sync import LipSync
from live.transport.tracks import PacketTrack
from live.transport.video_encoder import VideoEncoder
from live.transport.video_worker import VideoWorker

logger = logging.getLogger(__name__)

REPORT_WINDOW: Final = 64
"""Pictures kept for the statistics channel."""


class Broadcast:
    """A `Sink` for any number of viewers. Nothing runs while nobody watches.

    `push_video` and `push_audio` may be called from any thread; viewers come and go on the event loop.

    Args:
        loop: where viewers live.
        on_error: told when an encoder fails, on the event loop.
        fps: nominal frame rate of the pictures.
        bitrate: bits per second of the picture; `None` chooses by size.
        on_sent: told of every picture that leaves, on the event loop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_error: Callable[[LiveError], None],
        fps: float = 25.0,
        bitrate: int | None = None,
        on_sent: Callable[[Encoded], None] = lambda item: None,
    ) -> None:
        self._on_sent = on_sent
        self._loop = loop
        self._on_error = on_error
        self._fps = fps
        self._bitrate = bitrate
        self._line = DelayLine()
        self._sound: AudioOut | None = None
        self._workers: dict[VideoCodec, VideoWorker] = {}
        self._video_tracks: dict[PacketTrack, VideoCodec] = {}
        self._audio_tracks: set[PacketTrack] = set()
        self._past_drops = 0
        self._closed = False
        self.lip_sync = LipSync()
        self._departure = Departure(self.lip_sync)
        self.sent: deque[Encoded] = deque(maxlen=REPORT_WINDOW)
        """Pictures that left lately, newest last; for the statistics channel."""

    times_sound = True
    """The session hands sound over as soon as it is captured; the delay line makes it meet the picture."""

    # -- Sink

    def push_video(self, frame: RenderedFrame) -> None:
        """Send a picture to everyone who watches."""
        workers = tuple(self._workers.values())
        if workers:
            now = time.monotonic()
            instant, wait = self._departure.schedule(frame.pts, now)
            for worker in workers:
                worker.push(frame, instant, now + wait)

    def push_audio(self, chunk: AudioChunk) -> None:
        """Send sound when the picture of the same media time leaves."""
        self._line.write(chunk.samples, chunk.pts, time.monotonic())

    def close(self) -> None:
        """Stop all encoders and end all tracks. Safe to call twice, from any thread."""
        self._closed = True
        workers, self._workers = self._workers, {}
        sound, self._sound = self._sound, None
        for worker in workers.values():
            worker.close()
        if sound is not None:
            sound.close()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end_tracks)

    # -- viewers, on the event loop

    @property
    def viewers(self) -> int:
        """Viewers there are now."""
        return max(len(self._video_tracks), len(self._audio_tracks))

    @property
    def dropped(self) -> int:
        """Pictures that an encoder never saw because a newer one came."""
        return self._past_drops + sum(worker.dropped for worker in self._workers.values())

    @property
    def picture_latency(self) -> float:
        """Clock minus media time of pictures as they leave, seconds."""
        return self._departure.delay

    def video_track(self, codec: VideoCodec) -> PacketTrack:
        """A new viewer's picture; it begins with a keyframe that is requested now."""
        track = PacketTrack("video", lambda: self.request_keyframe(codec))
        self._video_tracks[track] = codec
        worker = self._workers.get(codec)
        if worker is None and not self._closed:
            worker = VideoWorker(VideoEncoder(codec, self._fps, self._bitrate), self._emit_video(codec), self._fail)
            self._workers[codec] = worker
        if worker is not None:
            worker.request_keyframe()
        return track

    def audio_track(self) -> PacketTrack:
        """A new viewer's sound."""
        track = PacketTrack("audio")
        self._audio_tracks.add(track)
        if self._sound is None and not self._closed:
            self._sound = AudioOut(self._line, lambda: self._departure.delay, self.lip_sync, self._emit_audio)
        return track

    def request_keyframe(self, codec: VideoCodec) -> None:
        """A viewer of `codec` cannot go on without one."""
        worker = self._workers.get(codec)
        if worker is not None:
            worker.request_keyframe()

    def remove(self, track: PacketTrack) -> None:
        """A viewer is gone; encoders nobody needs any more stop (on a thread: the loop does not wait for them)."""
        track.stop()
        codec = self._video_tracks.pop(track, None)
        self._audio_tracks.discard(track)
        idle: list[VideoWorker | AudioOut] = []
        if codec is not None and codec not in self._video_tracks.values() and codec in self._workers:
            worker = self._workers.pop(codec)
            self._past_drops += worker.dropped
            idle.append(worker)
        if not self._audio_tracks and self._sound is not None:
            idle.append(self._sound)
            self._sound = None
        for encoder in idle:
            self._loop.run_in_executor(None, encoder.close)

    # -- inside

    def _emit_video(self, codec: VideoCodec) -> Callable[[Encoded], None]:
        def deliver(item: Encoded) -> None:
            if item.trace is not None:
                item.trace.stamp("send", item.ready_ns)
            self.sent.append(item)
            self._on_sent(item)
            for track, wanted in self._video_tracks.items():
                if wanted == codec:
                    track.offer(item)

        return lambda item: self._post(lambda: deliver(item))

    def _emit_audio(self, item: Encoded) -> None:
        def deliver() -> None:
            for track in self._audio_tracks:
                track.offer(item)

        self._post(deliver)

    def _fail(self, error: LiveError) -> None:
        logger.warning("%s", error)
        self._post(lambda: self._on_error(error))

    def _post(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:  # the loop is closed
            self._closed = True

    def _end_tracks(self) -> None:
        for track in (*self._video_tracks, *self._audio_tracks):
            track.stop()
        self._video_tracks.clear()
        self._audio_tracks.clear()
