"""Offline rendering: one picture per picture or per frame period, in sync, the same every time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from live.frames import AudioChunk, Image, MotionFrame, RenderedFrame, Trace, VideoFrame
from live.offline import MediaClock, render_offline


class ListeningDriver:
    """25 pictures per second of heard sound, each 60 ms after its time, like a speech driver that looks ahead."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.heard = 0.0
        self.next = 0
        self.capture: list[int] = []

    def push_audio(self, chunk: AudioChunk) -> None:
        self.heard = chunk.pts + chunk.duration
        self.capture.append(chunk.capture_ns)

    def push_video(self, frame: VideoFrame) -> None: ...

    def next_motion(self, timeout: float) -> MotionFrame | None:
        assert timeout == 0.0, "nothing waits offline"
        if self.next / 25 + 0.06 > self.heard + 1e-9:
            return None
        self.next += 1
        return MotionFrame.neutral((self.next - 1) / 25, self.clock())

    def close(self) -> None: ...


class WatchingDriver:
    """One picture per picture seen."""

    def __init__(self) -> None:
        self.seen: list[VideoFrame] = []

    def push_audio(self, chunk: AudioChunk) -> None: ...

    def push_video(self, frame: VideoFrame) -> None:
        self.seen.append(frame)

    def next_motion(self, timeout: float) -> MotionFrame | None:
        if not self.seen:
            return None
        return MotionFrame.neutral(self.seen.pop().pts)

    def close(self) -> None: ...


class BlackRenderer:
    size = (4, 4)

    def render(self, motion: MotionFrame) -> Image:
        return np.zeros((4, 4, 3), np.uint8)

    def close(self) -> None: ...


class Collector:
    def __init__(self) -> None:
        self.frames: list[RenderedFrame] = []
        self.sound: list[AudioChunk] = []

    def push_video(self, frame: RenderedFrame) -> None:
        self.frames.append(frame)

    def push_audio(self, chunk: AudioChunk) -> None:
        self.sound.append(chunk)

    def close(self) -> None: ...


def chunks(seconds: float) -> list[AudioChunk]:
    return [AudioChunk(np.full(480, 7, np.int16), i / 100, 99) for i in range(round(seconds * 100))]


def test_sound_drives_to_its_very_end() -> None:
    clock, sink, progress = MediaClock(), Collector(), []
    driver = ListeningDriver(clock)
    result = render_offline(iter(chunks(1.0)), driver, BlackRenderer(), sink, clock, progress.append)
    assert [f.pts for f in sink.frames] == pytest.approx([i / 25 for i in range(25)])
    assert result.frames == 25 and result.duration == pytest.approx(1.0)
    assert len(sink.sound) == 100, "the silence that lets the driver finish is not part of the film"
    assert progress[-1] == pytest.approx(1.0)
    assert driver.capture[:3] == [10_000_000, 20_000_000, 30_000_000], "media time stands for the clock"


def test_pictures_drive_one_to_one() -> None:
    clock, sink = MediaClock(), Collector()
    image = np.zeros((4, 4, 3), np.uint8)
    pictures: list[VideoFrame] = [VideoFrame(image, pts, Trace(0)) for pts in (0.0, 0.033, 0.07, 0.2)]
    items: list[AudioChunk | VideoFrame] = sorted([*chunks(0.3), *pictures], key=lambda item: item.pts)
    render_offline(iter(items), WatchingDriver(), BlackRenderer(), sink, clock)
    assert [f.pts for f in sink.frames] == [0.0, 0.033, 0.07, 0.2]
    assert len(sink.sound) == 30


def test_a_driver_that_gives_nothing_ends() -> None:
    class Mute(WatchingDriver):
        def next_motion(self, timeout: float) -> MotionFrame | None:
            return None

    result = render_offline(iter(chunks(0.5)), Mute(), BlackRenderer(), Collector(), MediaClock())
    assert result.frames == 0


def test_media_clock_never_goes_back() -> None:
    clock = MediaClock()
    clock.advance_to(2.0)
    clock.advance_to(1.0)
    assert clock() == 2_000_000_000
