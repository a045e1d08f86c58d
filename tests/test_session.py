"""The session: what goes where, what may be exchanged, and that nothing that fails ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from live.errors import DeviceError
from live.frames import AudioChunk, Image, MotionFrame, RenderedFrame, Trace, VideoFrame
from live.mailbox import Mailbox
from live.protocols import AudioCallback, Driver, Renderer, Sink, Source, StateCallback, VideoCallback
from live.session import MESSAGES, SINK_FAILURES, Session


class StepDriver:
    """Gives motion exactly when a test says so."""

    def __init__(self) -> None:
        self.box: Mailbox[MotionFrame] = Mailbox()
        self.heard: list[AudioChunk] = []
        self.seen: list[VideoFrame] = []
        self.raise_next: Exception | None = None
        self.closed = False

    def give(self, pts: float = 0.0) -> None:
        self.box.put(MotionFrame.neutral(pts))

    def push_audio(self, chunk: AudioChunk) -> None:
        self.heard.append(chunk)

    def push_video(self, frame: VideoFrame) -> None:
        self.seen.append(frame)

    def next_motion(self, timeout: float) -> MotionFrame | None:
        motion = self.box.take(timeout)
        if motion is not None and self.raise_next is not None:
            error, self.raise_next = self.raise_next, None
            raise error
        return motion

    def close(self) -> None:
        self.closed = True
        self.box.close()


class FlatRenderer:
    """Draws one colour."""

    size = (4, 4)

    def __init__(self, value: int = 1) -> None:
        self.value = value
        self.raise_next: Exception | None = None
        self.closed = False
        self.motions: list[MotionFrame] = []

    def render(self, motion: MotionFrame) -> Image:
        self.motions.append(motion)
        if self.raise_next is not None:
            error, self.raise_next = self.raise_next, None
            raise error
        start = time.monotonic_ns()
        image = np.full((4, 4, 3), self.value, np.uint8)
        motion.trace.stamp("render", start)
        return image

    def close(self) -> None:
        self.closed = True


class ListSink:
    """Keeps everything."""

    def __init__(self) -> None:
        self.frames: list[RenderedFrame] = []
        self.sound: list[AudioChunk] = []
        self.changed = threading.Condition()
        self.closed = 0
        self.broken = False

    def push_video(self, frame: RenderedFrame) -> None:
        with self.changed:
            if self.broken:
                self.changed.notify_all()
                raise OSError("the cable is out")
            self.frames.append(frame)
            self.changed.notify_all()

    def push_audio(self, chunk: AudioChunk) -> None:
        with self.changed:
            self.sound.append(chunk)
            self.changed.notify_all()

    def close(self) -> None:
        self.closed += 1

    def until(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, 10)


class HandSource:
    """Delivers what a test hands it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.stopped = 0
        self.on_audio: AudioCallback | None = None
        self.on_video: VideoCallback | None = None
        self.on_state: StateCallback | None = None

    def start(self, on_audio: AudioCallback | None, on_video: VideoCallback | None, on_state: StateCallback) -> None:
        if self.error is not None:
            raise self.error
        self.on_audio, self.on_video, self.on_state = on_audio, on_video, on_state

    def stop(self) -> None:
        self.stopped += 1

    def speak(self, pts: float = 0.0) -> None:
        assert self.on_audio is not None
        self.on_audio(AudioChunk(np.zeros(480, np.int16), pts, time.monotonic_ns()))

    def look(self, pts: float = 0.0) -> None:
        assert self.on_video is not None
        self.on_video(VideoFrame(np.zeros((2, 2, 3), np.uint8), pts, Trace(time.monotonic_ns())))


def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("did not happen within 10 s")


def step(driver: StepDriver, sink: ListSink) -> RenderedFrame:
    """One more picture."""
    count = len(sink.frames)
    driver.give()
    sink.until(lambda: len(sink.frames) > count)
    return sink.frames[-1]


def test_the_fakes_fit_the_protocols() -> None:
    assert isinstance(StepDriver(), Driver)
    assert isinstance(FlatRenderer(), Renderer)
    assert isinstance(ListSink(), Sink)
    assert isinstance(HandSource(), Source)


def test_picture_and_sound_reach_every_sink() -> None:
    driver, source, sinks = StepDriver(), HandSource(), [ListSink(), ListSink()]
    with Session(driver, FlatRenderer(7), source) as session:
        for sink in sinks:
            session.add_sink(sink)
        source.speak()
        source.look()
        driver.give(0.0)
        for sink in sinks:
            sink.until(lambda sink=sink: bool(sink.frames and sink.sound))  # type: ignore[misc]
        assert sinks[0].frames[0].image[0, 0, 0] == 7
        assert len(driver.heard) == len(driver.seen) == 1
        snapshot = session.statistics()
        assert snapshot.frames >= 1
        assert "render" in snapshot.stages and "total" in snapshot.stages
        assert session.audio_delay >= 0.0
    assert driver.closed and source.stopped == 1 and [s.closed for s in sinks] == [1, 1]


def test_sound_waits_for_its_picture_on_the_session_clock() -> None:
    """A source may count media time from anywhere; sound and pictures land on one clock that starts at 0."""
    driver, source, sink = StepDriver(), HandSource(), ListSink()
    with Session(driver, FlatRenderer(), source) as session:
        session.add_sink(sink)
        source.speak(pts=5000.0)
        source.look(pts=5000.5)
        heard, seen = driver.heard[0], driver.seen[0]
        assert abs(heard.pts + heard.duration - session.now()) < 5.0
        assert seen.pts - heard.pts == pytest.approx(0.5)
        sink.until(lambda: bool(sink.sound))
        assert sink.sound[0].pts == heard.pts


def test_the_sound_thread_runs_only_for_sinks_that_need_it() -> None:
    class TimingSink(ListSink):
        times_sound = True

    def sound_threads() -> int:
        return sum(thread.name == "live-sound" for thread in threading.enumerate())

    before = sound_threads()
    source, timing, plain = HandSource(), TimingSink(), ListSink()
    with Session(StepDriver(), FlatRenderer(), source) as session:
        session.add_sink(timing)
        for _ in range(400):
            source.speak()
        assert len(timing.sound) == 400
        assert sound_threads() == before
        assert session.statistics().drops["sound"] == 0, "nothing waits for nobody"
        session.add_sink(plain)
        session.add_sink(ListSink())
        assert sound_threads() == before + 1
        source.speak()
        plain.until(lambda: len(plain.sound) == 1)
        assert len(timing.sound) == 401
    assert sound_threads() == before


def test_picture_times_never_go_back() -> None:
    driver, sink = StepDriver(), ListSink()
    with Session(driver, FlatRenderer()) as session:
        session.add_sink(sink)
        for pts in (0.2, 0.1, float("nan"), 9e9, -3.0):
            count = len(sink.frames)
            driver.give(pts)
            sink.until(lambda count=count: len(sink.frames) > count)  # type: ignore[misc]
        times = [f.pts for f in sink.frames]
        assert times == sorted(set(times))
        assert times[-1] < session.now() + 2.5


def test_a_failing_driver_and_renderer_do_not_end_it() -> None:
    driver, renderer, sink = StepDriver(), FlatRenderer(), ListSink()
    told: list[str] = []
    with Session(driver, renderer, on_state=told.append) as session:
        session.add_sink(sink)
        for _ in range(2):
            driver.raise_next = ValueError("bad number")
            driver.give()
            eventually(lambda: driver.raise_next is None)
            renderer.raise_next = RuntimeError("no memory")
            driver.give()
            eventually(lambda: renderer.raise_next is None)
        step(driver, sink)
        assert session.statistics().errors == {"driver": 2, "renderer": 2}
        assert len(told) == 2, "each kind of failure is told once"
        assert "bad number" in told[0] and "no memory" in told[1]


def test_a_broken_sink_is_removed_and_the_others_go_on() -> None:
    driver, good, bad = StepDriver(), ListSink(), ListSink()
    bad.broken = True
    with Session(driver, FlatRenderer()) as session:
        session.add_sink(good)
        session.add_sink(bad)
        for _ in range(SINK_FAILURES + 2):
            step(driver, good)
        eventually(lambda: session.sinks == (good,))
        assert bad.closed == 1
        assert any("the cable is out" in m for m in session.messages)
        assert any("removed" in m for m in session.messages)


def test_everything_can_be_exchanged() -> None:
    driver, renderer, source, sink = StepDriver(), FlatRenderer(1), HandSource(), ListSink()
    with Session(driver, renderer, source) as session:
        session.add_sink(sink)
        assert step(driver, sink).image[0, 0, 0] == 1
        other_renderer, other_driver, other_source = FlatRenderer(2), StepDriver(), HandSource()
        session.set_renderer(other_renderer)
        eventually(lambda: step(driver, sink).image[0, 0, 0] == 2)
        eventually(lambda: renderer.closed)
        session.set_driver(other_driver)
        assert driver.closed
        step(other_driver, sink)
        session.set_source(other_source)
        assert source.stopped == 1
        source.speak()
        assert other_driver.heard == [], "what an exchanged source still delivers is ignored"
        other_source.speak(77.0)
        assert len(other_driver.heard) == 1
        session.remove_sink(sink)
        assert sink.closed == 1
    assert other_renderer.closed and other_driver.closed and other_source.stopped == 1
    times = [f.pts for f in sink.frames]
    assert times == sorted(times)


def test_a_new_sink_sees_the_newest_picture() -> None:
    driver, first, late = StepDriver(), ListSink(), ListSink()
    with Session(driver, FlatRenderer()) as session:
        session.add_sink(first)
        step(driver, first)
        eventually(lambda: session.statistics().frames == 1)
        session.add_sink(late)
        assert len(late.frames) == 1


def test_a_source_that_can_never_work_is_refused() -> None:
    session = Session(StepDriver(), FlatRenderer(), HandSource(DeviceError("No microphone.", "Plug one in.")))
    with pytest.raises(DeviceError):
        session.start()
    session.close()


def test_messages_are_bounded() -> None:
    source = HandSource()
    with Session(StepDriver(), FlatRenderer(), source) as session:
        assert source.on_state is not None
        for i in range(MESSAGES * 3):
            source.on_state(f"message {i}")
        assert len(session.messages) == MESSAGES
        assert session.messages[-1] == f"message {MESSAGES * 3 - 1}"


def test_a_listener_that_raises_harms_nobody() -> None:
    def listener(text: str) -> None:
        raise RuntimeError("listener")

    driver, sink = StepDriver(), ListSink()
    with Session(driver, FlatRenderer(), on_state=listener) as session:
        session.add_sink(sink)
        session.report("hello")
        step(driver, sink)


def test_what_comes_after_the_end_is_closed() -> None:
    session = Session(StepDriver(), FlatRenderer())
    session.start()
    session.close()
    driver, renderer, source = StepDriver(), FlatRenderer(), HandSource()
    session.set_driver(driver)
    session.set_renderer(renderer)
    session.set_source(source)
    assert driver.closed and renderer.closed and source.on_audio is None


def test_close_is_idempotent_and_final() -> None:
    session = Session(StepDriver(), FlatRenderer())
    session.start()
    session.close()
    session.close()
    with pytest.raises(RuntimeError):
        session.start()
    with pytest.raises(RuntimeError):
        session.add_sink(ListSink())
