"""Received video packets → RGB `VideoFrame`s, decoded on a thread of their own, newest first when it falls behind."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import av
import numpy as np

from live.frames import Trace, VideoFrame
from live.transport.transit import TransitClock
from live.transport.video_jitter import Codec, Picture, VideoJitterBuffer, VideoPacket

logger = logging.getLogger(__name__)

BACKLOG: Final = 8
"""Encoded pictures that may wait for the decoder; beyond that the decoder restarts at a keyframe."""

CLOCK_RATE: Final = 90_000
DECODERS: Final[dict[Codec, str]] = {"VP8": "vp8", "H264": "h264"}
LARGEST: Final = 1920 * 1088
"""Pixels above which pictures are dropped: nobody needs them here, and memory is finite."""


def to_rgb(frame: av.VideoFrame) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A decoded picture as uint8 (H, W, 3) RGB, C-contiguous."""
    return np.ascontiguousarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


class InboundVideo:
    """Owns the jitter buffer, the decoder and its thread. `push` never blocks; `deliver` is called on the thread."""

    def __init__(self, codec: Codec, deliver: Callable[[VideoFrame], None]) -> None:
        self._codec: Codec = codec
        self._deliver = deliver
        self._buffer = VideoJitterBuffer(codec)
        self._clock = TransitClock()
        self._changed = threading.Condition()
        self._pictures: deque[Picture] = deque()
        self._closed = False
        self._lost_state = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="live-video-in", daemon=True)
        self._thread.start()

    def push(self, packet: VideoPacket) -> bool:
        """Accept an RTP packet that arrives now. Returns whether the sender should be asked for a keyframe."""
        now = time.monotonic()
        if self._lost_state:
            self._lost_state = False
            self._buffer.skip_to_keyframe()
        pictures, keyframe = self._buffer.push(packet, now)
        if pictures:
            with self._changed:
                self._pictures.extend(pictures)
                if len(self._pictures) > BACKLOG:
                    self.dropped += len(self._pictures)
                    self._pictures.clear()
                    self._lost_state = True
                self._changed.notify()
        return keyframe

    def close(self) -> None:
        """Stop the thread. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    def _open(self) -> av.VideoCodecContext:
        codec = av.CodecContext.create(DECODERS[self._codec], "r")
        assert isinstance(codec, av.VideoCodecContext)
        codec.thread_count = 1  # frame threads would hold pictures back
        codec.flags |= int(av.codec.context.Flags.low_delay)
        return codec

    def _run(self) -> None:
        codec = self._open()
        while True:
            with self._changed:
                while not self._pictures and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                picture = self._pictures.popleft()
                newest = not self._pictures
            try:
                start_ns = time.monotonic_ns()
                frames = codec.decode(av.Packet(picture.data))
            except av.FFmpegError:
                self.dropped += 1
                self._lost_state = True
                continue
            # a picture with successors must be decoded, but need not be shown
            for frame in frames[-1:]:
                if newest and isinstance(frame, av.VideoFrame) and frame.width * frame.height <= LARGEST:
                    self._emit(frame, picture, start_ns)
                else:
                    self.dropped += 1

    def _emit(self, frame: av.VideoFrame, picture: Picture, start_ns: int) -> None:
        media = picture.timestamp / CLOCK_RATE
        self._clock.observe(media, picture.arrival)
        pts = self._clock.local(media)
        trace = Trace(round(min(pts, picture.arrival) * 1e9))
        trace.stamp("receive", trace.capture_ns, round(picture.arrival * 1e9))
        try:
            image = to_rgb(frame)
            trace.stamp("decode", start_ns)
            self._deliver(VideoFrame(image, pts, trace))
        except Exception:
            logger.exception("A consumer of received pictures failed")
