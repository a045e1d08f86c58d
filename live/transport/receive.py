"""Connects a peer's incoming tracks to a `RemoteSource`: the low-delay path, or aiortc's own buffers.

The low-delay path stands in for the jitter buffer that an aiortc receiver keeps: the receiver hands every packet to its
`add` after it has done RTCP, retransmission requests and payload parsing, and decodes nothing, as nothing comes back.
Should a later aiortc keep its buffer elsewhere, the stock path is used and one warning says so.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import av
import numpy as np
from aiortc import RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from live.frames import AUDIO_RATE, AudioChunk, Trace, VideoFrame
from live.mailbox import Mailbox
from live.transport.inbound_audio import InboundAudio
from live.transport.inbound_video import InboundVideo, to_rgb
from live.transport.missing import tell_once
from live.transport.nack import RepeatedNack
from live.transport.remote_source import RemoteSource
from live.transport.transit import TransitClock
from live.transport.video_jitter import Codec, VideoPacket

BUFFER_ATTRIBUTE: Final = "_RTCRtpReceiver__jitter_buffer"


class Inbound(Protocol):
    """One incoming track."""

    def close(self) -> None:
        """Stop receiving. Safe to call twice."""
        ...


def _warn_once(reason: str) -> None:
    tell_once(f"{reason}; low-delay receive is not available, its own buffers are used.")


class _BufferTap:
    """Takes the place of a receiver's jitter buffer and returns no frames. Runs on the event loop."""

    def __init__(
        self,
        receiver: RTCRtpReceiver,
        take: Callable[[Any], bool],
        stop: Callable[[], None],
        fallback: Callable[[], Inbound],
    ) -> None:
        self._receiver = receiver
        self._fallback = fallback
        self._replaced: Inbound | None = None
        self._stock = getattr(receiver, BUFFER_ATTRIBUTE)
        self._take = take
        self._stop = stop
        setattr(receiver, BUFFER_ATTRIBUTE, self)

    @staticmethod
    def fits(receiver: RTCRtpReceiver) -> bool:
        """Whether this aiortc keeps its buffer where we look for it."""
        return callable(getattr(getattr(receiver, BUFFER_ATTRIBUTE, None), "add", None))

    def add(self, packet: Any) -> tuple[bool, Any]:
        """What aiortc calls with every packet: (request a keyframe?, an encoded frame to decode)."""
        if not isinstance(getattr(packet, "_data", None), bytes):
            _warn_once("packets carry no parsed payload")
            self.close()
            self._replaced = self._fallback()
            keyframe, frame = self._stock.add(packet)
            return bool(keyframe), frame
        return self._take(packet), None

    def close(self) -> None:
        if getattr(self._receiver, BUFFER_ATTRIBUTE, None) is self:
            setattr(self._receiver, BUFFER_ATTRIBUTE, self._stock)
        self._stop()
        if self._replaced is not None:
            self._replaced.close()


def receive_audio(receiver: RTCRtpReceiver, track: MediaStreamTrack, source: RemoteSource, *, stock: bool) -> Inbound:
    """Deliver the sound of `track` to `source`. Only Opus must have been negotiated."""

    def use_stock() -> Inbound:
        return _StockInbound(track, _StockAudio(source).accept)

    if stock or not _BufferTap.fits(receiver):
        if not stock:
            _warn_once("its buffer has moved")
        return use_stock()
    inbound = InboundAudio(source.deliver_audio)

    def take(packet: Any) -> bool:
        inbound.push(packet.sequence_number, packet.timestamp, packet.payload)
        return False

    return _BufferTap(receiver, take, inbound.close, use_stock)


def receive_video(
    receiver: RTCRtpReceiver,
    track: MediaStreamTrack,
    source: RemoteSource,
    payload_types: Mapping[int, Codec],
    *,
    stock: bool,
) -> Inbound:
    """Deliver the pictures of `track` to `source`. `payload_types`: what the answer's payload types stand for."""

    def use_stock() -> Inbound:
        video = _StockVideo(source)
        return _StockInbound(track, video.accept, video.close)

    if stock or not _BufferTap.fits(receiver):
        if not stock:
            _warn_once("its buffer has moved")
        return use_stock()
    decoders: dict[Codec, InboundVideo] = {}
    nack = RepeatedNack(receiver)
    beginning = threading.Lock()
    stopped = False

    def take(packet: Any) -> bool:
        codec = payload_types.get(packet.payload_type)
        if codec is None:
            return False
        nack.arrived(packet.ssrc, time.monotonic())
        with beginning:  # a decoder that is begun while they are closed would never end
            if stopped:
                return False
            if codec not in decoders:
                decoders[codec] = InboundVideo(codec, source.deliver_video)
        return decoders[codec].push(
            VideoPacket(
                packet.sequence_number, packet.timestamp, bool(packet.marker), bytes(packet.payload), packet._data
            )
        )

    def stop() -> None:
        nonlocal stopped
        with beginning:
            stopped = True
        for decoder in decoders.values():
            decoder.close()

    return _BufferTap(receiver, take, stop, use_stock)


class _StockInbound:
    """Drains a track that aiortc buffers and decodes."""

    def __init__(
        self,
        track: MediaStreamTrack,
        accept: Callable[[Any], None],
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._stop = stop
        self._task = asyncio.ensure_future(self._drain(track, accept))

    @staticmethod
    async def _drain(track: MediaStreamTrack, accept: Callable[[Any], None]) -> None:
        try:
            while True:
                accept(await track.recv())
        except MediaStreamError:
            return

    def close(self) -> None:
        # called from threads, which may not touch a task themselves
        self._task.get_loop().call_soon_threadsafe(self._task.cancel)
        self._stop()


class _StockAudio:
    def __init__(self, source: RemoteSource) -> None:
        self._source = source
        self._clock = TransitClock()

    def accept(self, frame: av.AudioFrame) -> None:
        samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1).astype(np.int16)
        now = time.monotonic()
        media = (frame.pts or 0) / AUDIO_RATE
        self._clock.observe(media, now)
        end = self._clock.local(media)
        self._source.deliver_audio(AudioChunk(samples, end - len(samples) / AUDIO_RATE, round(end * 1e9)))


class _StockVideo:
    """Converts the newest decoded picture on a thread: the event loop is no place for pixels."""

    def __init__(self, source: RemoteSource) -> None:
        self._source = source
        self._clock = TransitClock()
        self._box: Mailbox[tuple[av.VideoFrame, float]] = Mailbox()
        self._open = True
        self._thread = threading.Thread(target=self._run, name="live-video-in", daemon=True)
        self._thread.start()

    def accept(self, frame: av.VideoFrame) -> None:
        self._box.put((frame, time.monotonic()))

    def close(self) -> None:
        self._open = False
        self._box.close()

    def _run(self) -> None:
        while self._open:
            item = self._box.take(1.0)
            if item is None:
                continue
            frame, arrival = item
            media = (frame.pts or 0) / 90_000
            self._clock.observe(media, arrival)
            pts = self._clock.local(media)
            trace = Trace(round(min(pts, arrival) * 1e9))
            trace.stamp("receive", trace.capture_ns, round(arrival * 1e9))
            self._source.deliver_video(VideoFrame(to_rgb(frame), pts, trace))
