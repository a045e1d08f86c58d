"""Reading sound and pictures of a media file in the order of their media time."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, overload

import av
import av.container
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from live.capture.resampling import BLOCK, Blocks, StreamResampler
from live.errors import MediaError
from live.frames import AUDIO_RATE, AudioChunk, Image, Trace, VideoFrame

GAP: Final = 0.05
"""Seconds by which the time stamps must run ahead of the samples before silence is filled in."""

LONGEST_GAP: Final = 10.0
"""Seconds of silence filled in at most; a longer gap is a damaged time stamp."""

ReportCallback = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a file holds.

    Attributes:
        duration: seconds; 0 if the file does not say.
        has_audio: whether there is sound.
        has_video: whether there are pictures.
        fps: pictures per second, 0 without pictures.
    """

    duration: float
    has_audio: bool
    has_video: bool
    fps: float


def probe(path: Path | str) -> MediaInfo:
    """Look into a file.

    Raises:
        MediaError: it is missing, unreadable, or holds neither sound nor pictures.
    """
    with _open(path) as container:
        video = _video_stream(container)
        has_audio = bool(container.streams.audio)
        if video is None and not has_audio:
            raise MediaError(f"{path} holds neither sound nor moving pictures.", "Choose a sound or video file.")
        rate = video.average_rate if video is not None else None
        return MediaInfo(
            duration=max(0.0, (container.duration or 0) / av.time_base),
            has_audio=has_audio,
            has_video=video is not None,
            fps=float(rate) if rate else (25.0 if video is not None else 0.0),
        )


def read_media(
    path: Path | str,
    *,
    audio: bool = True,
    video: bool = True,
    on_damage: ReportCallback | None = None,
) -> Iterator[AudioChunk | VideoFrame]:
    """Yield the file's sound (10 ms chunks) and pictures, sorted by the end of each chunk and the time of each picture.

    Media time starts at 0 at the beginning of the file. `capture_ns` is the instant of decoding. Pictures are upright:
    the rotation that phones note in the file is applied.

    Args:
        path: the file.
        audio: whether to read sound.
        video: whether to read pictures.
        on_damage: told once, with a sentence for the user, when the file is damaged or cut off; what can be read is
            yielded all the same.

    Raises:
        MediaError: the file cannot be opened or holds nothing of what was asked for.
    """
    info = probe(path)
    streams: list[Iterator[AudioChunk | VideoFrame]] = []
    told = False

    def damaged(error: Exception) -> None:
        nonlocal told
        if not told and on_damage is not None:
            on_damage(f"{Path(path).name} is damaged or cut off; playing what could be read ({error}).")
        told = True

    # The file is opened once per stream: each can then be read in its own order however the file interleaves them.
    if audio and info.has_audio:
        streams.append(_read_audio(path, damaged))
    if video and info.has_video:
        streams.append(_read_video(path, damaged))
    if not streams:
        wanted = " or ".join(name for name, asked in (("sound", audio), ("pictures", video)) if asked)
        raise MediaError(f"{path} holds no {wanted or 'media that was asked for'}.", "Choose another file.")
    return heapq.merge(*streams, key=media_time)


def media_time(item: AudioChunk | VideoFrame) -> float:
    """The media time at which an item is complete, seconds."""
    return item.pts + item.duration if isinstance(item, AudioChunk) else item.pts


def _open(path: Path | str) -> av.container.InputContainer:
    if not Path(path).is_file():
        raise MediaError(f"There is no file {path}.", "Check the name.")
    try:
        return av.open(str(path))
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(
            f"{path} cannot be read as sound or video ({reason}).", "Choose a wav, mp3, mp4, webm or similar file."
        ) from error


def _video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    for stream in container.streams.video:
        # The cover picture of a sound file is listed as a video stream.
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    return None


def _start(container: av.container.InputContainer) -> float:
    return (container.start_time or 0) / av.time_base


def _read_audio(path: Path | str, damaged: Callable[[Exception], None]) -> Iterator[AudioChunk]:
    with _open(path) as container:
        start = _start(container)
        resampler, blocks = StreamResampler(), Blocks()
        given = 0  # samples that left, the clock of this stream
        heard = 0  # samples that came out of the resampler

        def chunks(samples: NDArray[np.int16]) -> Iterator[AudioChunk]:
            nonlocal given
            for block in blocks.cut(samples):
                yield AudioChunk(block, given / AUDIO_RATE, time.monotonic_ns())
                given += len(block)

        for frame in _decode(container, container.streams.audio[0], damaged):
            gap = (frame.time - start) - heard / AUDIO_RATE if frame.time is not None else 0.0
            samples = resampler.feed(frame)
            # At the beginning every sample counts: it decides how sound and pictures lie for the whole file.
            if (GAP if heard else 0.0) < gap <= LONGEST_GAP:
                samples = np.concatenate((np.zeros(round(gap * AUDIO_RATE), np.int16), samples))
            heard += len(samples)
            yield from chunks(samples)
        yield from chunks(resampler.flush())
        rest = blocks.rest()
        if len(rest):
            yield AudioChunk(np.pad(rest, (0, BLOCK - len(rest))), given / AUDIO_RATE, time.monotonic_ns())


def _read_video(path: Path | str, damaged: Callable[[Exception], None]) -> Iterator[VideoFrame]:
    with _open(path) as container:
        start = _start(container)
        stream = _video_stream(container)
        assert stream is not None  # the caller has probed
        stream.thread_type = "AUTO"
        period = 1.0 / float(stream.average_rate or 25)
        pts = -period
        for frame in _decode(container, stream, damaged):
            pts = max(pts, frame.time - start) if frame.time is not None else pts + period
            yield VideoFrame(_upright(frame), pts, Trace(time.monotonic_ns()))


@overload
def _decode(
    container: av.container.InputContainer, stream: av.AudioStream, damaged: Callable[[Exception], None]
) -> Iterator[av.AudioFrame]: ...
@overload
def _decode(
    container: av.container.InputContainer, stream: av.VideoStream, damaged: Callable[[Exception], None]
) -> Iterator[av.VideoFrame]: ...
def _decode(
    container: av.container.InputContainer,
    stream: av.AudioStream | av.VideoStream,
    damaged: Callable[[Exception], None],
) -> Iterator[av.AudioFrame] | Iterator[av.VideoFrame]:
    """Decode packet by packet, so that a damaged one costs only itself."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError as error:
            damaged(error)
            return
        try:
            frames = packet.decode()
        except FFmpegError as error:
            damaged(error)
            continue
        yield from frames  # type: ignore[misc]


def _upright(frame: av.VideoFrame) -> Image:
    image = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
