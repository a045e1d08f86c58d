"""Rendering a file as fast as the machine can, with media time in place of the clock.

Drivers tell time by the clock that they are given. Here it is a `MediaClock` that stands still while a picture is made
and moves with the media, so the result depends on the input alone, not on the speed of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from live.capture.resampling import BLOCK
from live.frames import AUDIO_RATE, AudioChunk, RenderedFrame, Trace, VideoFrame
from live.protocols import Driver, Renderer, Sink

LONGEST_TAIL: Final = 1.0
"""Seconds of silence after the end of the sound, for drivers that look ahead."""


class MediaClock:
    """A clock in monotonic nanoseconds that shows media time. Hand it to a driver as `clock_ns`."""

    def __init__(self) -> None:
        self._now_ns = 0

    def __call__(self) -> int:
        """The media time, ns."""
        return self._now_ns

    def advance_to(self, seconds: float) -> None:
        """Move to a media time; never back."""
        self._now_ns = max(self._now_ns, round(seconds * 1e9))


@dataclass(frozen=True, slots=True)
class OfflineResult:
    """What was made: `frames` pictures over `duration` seconds of media."""

    frames: int
    duration: float


def render_offline(
    items: Iterator[AudioChunk | VideoFrame],
    driver: Driver,
    renderer: Renderer,
    sink: Sink,
    clock: MediaClock,
    on_progress: Callable[[float], None] | None = None,
) -> OfflineResult:
    """Drive, draw and store a whole file.

    Args:
        items: sound and pictures in the order of media time (`live.capture.media.read_media`).
        driver: made with `clock` as its `clock_ns`.
        renderer: draws.
        sink: must take everything (`Recorder(blocking=True)`); it is not closed.
        clock: media time.
        on_progress: told the media time reached, seconds.

    Raises:
        MediaError: from the sink, when it cannot store.
    """
    # Pictures drive alone where there are some: between them a driver makes no frames of its own.
    end, frames, last_pts = 0.0, 0, -1.0

    def draw(until: float | None = None) -> None:
        nonlocal frames, last_pts
        while (motion := driver.next_motion(0.0)) is not None:
            if motion.pts <= last_pts or (until is not None and motion.pts >= until):
                continue
            last_pts = motion.pts
            sink.push_video(RenderedFrame(renderer.render(motion), motion.pts, motion))
            frames += 1

    for item in items:
        if isinstance(item, AudioChunk):
            end = max(end, item.pts + item.duration)
            clock.advance_to(item.pts + item.duration)
            chunk = replace(item, capture_ns=clock())
            sink.push_audio(chunk)
            driver.push_audio(chunk)
        else:
            end = max(end, item.pts)
            clock.advance_to(item.pts)
            driver.push_video(VideoFrame(item.image, item.pts, Trace(clock())))
        draw()
        if on_progress is not None:
            on_progress(end)
    # A driver that looks ahead still owes the last pictures: it hears silence until it has given them.
    tail = 0.0
    while last_pts < end - 0.05 and tail < LONGEST_TAIL:
        clock.advance_to(end + tail + BLOCK / AUDIO_RATE)
        driver.push_audio(AudioChunk(np.zeros(BLOCK, np.int16), end + tail, clock()))
        tail += BLOCK / AUDIO_RATE
        draw(until=end)
    return OfflineResult(frames, end)
