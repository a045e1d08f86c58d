"""One source, one driver, one renderer, any number of sinks: the loop that turns capture into pictures.

Threads: the source delivers on its own; one thread draws (`driver.next_motion` → `renderer.render` →
`sink.push_video`); one thread hands out sound when its picture is ready, if any sink does not time sound itself.
Everything may be exchanged while it runs, and nothing that a part raises ends the session.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from live.audio_ring import AudioRing
from live.av_delay import AudioDelay
from live.errors import LiveError
from live.frames import AudioChunk, MotionFrame, RenderedFrame, VideoFrame
from live.garbage import exempt_what_is_loaded
from live.one_thread import compute_in_one_thread
from live.priority import yield_to_sound
from live.protocols import Driver, Renderer, Sink, Source, StateCallback
from live.source_feed import SourceFeed
from live.statistics import FrameStatistics, StatisticsSnapshot

MOTION_TIMEOUT: Final = 0.2
"""Seconds to wait for motion before looking whether something was exchanged."""

ERROR_PAUSE: Final = 0.05
"""Seconds to pause after a failure, so that a part that always fails does not spin."""

SINK_FAILURES: Final = 5
"""Failures in a row after which a sink is removed."""

MESSAGES: Final = 100
"""State messages kept."""

FARTHEST: Final = 0.4
"""Seconds by which a driver's `pts` may differ from its capture instant on the session clock. Beyond that the driver
counts from somewhere else (sliders, idle motion before the first sound), and the capture instant is used."""


class Session:
    """Runs the pipeline. The session owns what it is given and closes it when it is exchanged or at `close`.

    After `close` what is handed over is closed at once, and a source is not started.

    The session clock starts at 0 when the session is made. What a source delivers is moved onto that clock (its own may
    start anywhere), so a source can be exchanged without time jumping back.

    Args:
        driver: makes motion.
        renderer: draws it.
        source: captures; `None` when somebody else calls the driver (sliders).
        on_state: told every sentence for the user, from any thread; must return at once.
        clock_ns: monotonic clock, for tests.
    """

    def __init__(
        self,
        driver: Driver,
        renderer: Renderer,
        source: Source | None = None,
        *,
        on_state: StateCallback | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._clock_ns = clock_ns
        self._epoch_ns = clock_ns()
        self._on_state = on_state
        self._lock = threading.RLock()
        self._driver = driver
        self._renderer = renderer
        self._next_renderer: Renderer | None = None
        self._source = source
        self._feed: SourceFeed | None = None
        self._sinks: tuple[Sink, ...] = ()
        self._sink_failures: Counter[int] = Counter()
        self._sink_drops = 0
        self._statistics = FrameStatistics()
        self._errors: Counter[str] = Counter()
        self._reported: set[tuple[str, str]] = set()
        self._messages: deque[str] = deque(maxlen=MESSAGES)
        self._ring = AudioRing()
        self._delay = AudioDelay()
        self._last_pts = -1.0
        self._last_frame: RenderedFrame | None = None
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._hands_out_sound = False

    # -- life cycle

    def start(self) -> None:
        """Start the source and the threads.

        Raises:
            DeviceError, MediaError: from the source, when it can never work. Nothing runs then.
        """
        if self._threads or self._stopping.is_set():
            raise RuntimeError("a session can be started once")
        compute_in_one_thread()
        self._start_source(self._source)
        with self._lock:
            self._start_thread("render", self._render_loop)
            self._start_sound()

    def close(self) -> None:
        """Stop the source and the threads, then close driver, renderer and sinks. Safe to call twice."""
        if self._stopping.is_set():
            return
        with self._lock:
            self._stopping.set()
            source, self._source, self._feed = self._source, None, None
        if source is not None:
            self._guard("source", source.stop)
        self._guard("driver", self._driver.close)  # nothing is exchanged from here on
        self._ring.close()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=10.0)
        for renderer in (self._renderer, self._next_renderer):
            if renderer is not None:
                self._guard("renderer", renderer.close)
        for sink in self._sinks:
            self._guard("sink", sink.close)
        self._sinks = ()

    def __enter__(self) -> Session:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- exchanging parts while it runs

    def add_sink(self, sink: Sink) -> None:
        """Give every later picture and sound to `sink` too; it gets the newest picture at once."""
        with self._lock:
            if self._stopping.is_set():
                raise RuntimeError("the session is closed")
            self._sinks = (*self._sinks, sink)
            newest = self._last_frame
            if self._threads:
                self._start_sound()
        if newest is not None:
            self._guard("sink", lambda: sink.push_video(newest))

    def remove_sink(self, sink: Sink) -> None:
        """Stop giving to `sink` and close it. Nothing happens if it is not there."""
        with self._lock:
            if not any(s is sink for s in self._sinks):
                return
            self._sinks = tuple(s for s in self._sinks if s is not sink)
            self._sink_failures.pop(id(sink), None)
            self._sink_drops += getattr(sink, "dropped", 0)
        self._guard("sink", sink.close)

    def set_driver(self, driver: Driver) -> None:
        """Let another driver take over from the next picture on."""
        with self._lock:
            closed = self._stopping.is_set()
            old, self._driver = (driver, self._driver) if closed else (self._driver, driver)
            self._delay.reset()
        if closed or old is not driver:
            self._guard("driver", old.close)

    def set_renderer(self, renderer: Renderer) -> None:
        """Show another avatar from the next picture on."""
        with self._lock:
            if self._stopping.is_set():
                skipped: Renderer | None = renderer
            else:
                skipped, self._next_renderer = self._next_renderer, renderer
        if skipped is not None:
            self._guard("renderer", skipped.close)

    def set_source(self, source: Source | None) -> None:
        """Capture from somewhere else.

        Raises:
            DeviceError, MediaError: from the new source, when it can never work. The old one is gone all the same.
        """
        with self._lock:
            if self._stopping.is_set():
                return
            old, self._source, self._feed = self._source, source, None
        if old is not None:
            self._guard("source", old.stop)
        self._ring.clear()
        self._delay.reset()
        if self._threads:
            self._start_source(source)

    # -- what it is like

    @property
    def driver(self) -> Driver:
        """The driver in charge."""
        return self._driver

    @property
    def renderer(self) -> Renderer:
        """The renderer that draws (or is about to)."""
        with self._lock:
            return self._next_renderer or self._renderer

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """The sinks there are now."""
        return self._sinks

    @property
    def audio_delay(self) -> float:
        """Seconds by which sound is held back to meet its picture."""
        return self._delay.seconds(self._clock_ns())

    @property
    def messages(self) -> list[str]:
        """The last sentences for the user, oldest first."""
        return list(self._messages)

    def now(self) -> float:
        """The session clock, seconds."""
        return (self._clock_ns() - self._epoch_ns) / 1e9

    def statistics(self) -> StatisticsSnapshot:
        """Frame rate, per-stage times, drops and failures."""
        sinks = self._sinks
        drops = {
            "sound": self._ring.dropped,
            "driver": int(getattr(self._driver, "dropped", 0)),
            "sinks": self._sink_drops + sum(int(getattr(sink, "dropped", 0)) for sink in sinks),
        }
        return self._statistics.snapshot(drops, dict(self._errors), self.audio_delay)

    def report(self, message: str) -> None:
        """Add a sentence for the user."""
        self._messages.append(message)
        if self._on_state is not None:
            try:
                self._on_state(message)
            except Exception:
                self._errors["on_state"] += 1

    # -- inside

    def _start_source(self, source: Source | None) -> None:
        if source is None:
            return
        feed = SourceFeed(self._epoch_ns, self._accept_audio, self._accept_video, self._accept_state)
        with self._lock:
            self._feed = feed
        try:
            source.start(feed.on_audio, feed.on_video, feed.on_state)
        except LiveError:
            with self._lock:
                self._source = self._feed = None
            raise

    def _start_thread(self, name: str, target: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=target, name=f"live-{name}", daemon=True))
        self._threads[-1].start()

    def _start_sound(self) -> None:
        """Hand out sound from now on, if there is a sink that does not time it itself. Called with the lock held."""
        if not self._hands_out_sound and not all(_times_sound(sink) for sink in self._sinks):
            self._hands_out_sound = True
            self._start_thread("sound", self._sound_loop)

    def _guard(self, stage: str, call: Callable[[], object]) -> bool:
        """Run `call`; count what it raises and report each kind of failure once."""
        try:
            call()
        except Exception as error:
            self._failed(stage, error)
            return False
        return True

    def _failed(self, stage: str, error: Exception) -> None:
        self._errors[stage] += 1
        kind = (stage, type(error).__name__)
        if kind not in self._reported:
            self._reported.add(kind)
            text = str(error) if isinstance(error, LiveError) else f"{type(error).__name__}: {error}"
            self.report(f"The {stage} failed and the session goes on without it: {text}")

    # What a source still delivers after it was exchanged is ignored.

    def _accept_audio(self, feed: SourceFeed, chunk: AudioChunk) -> None:
        if feed is not self._feed:
            return
        self._delay.observe_sound(chunk)
        self._guard("driver", lambda: self._driver.push_audio(chunk))
        if self._hands_out_sound:
            self._ring.put(chunk)
        for sink in self._sinks:
            if _times_sound(sink):  # it delays sound itself, to the instant its pictures leave
                self._give(sink, lambda sink=sink: sink.push_audio(chunk))  # type: ignore[misc]

    def _accept_video(self, feed: SourceFeed, frame: VideoFrame) -> None:
        if feed is self._feed:
            self._guard("driver", lambda: self._driver.push_video(frame))

    def _accept_state(self, feed: SourceFeed, message: str) -> None:
        if feed is self._feed:
            self.report(message)

    def _render_loop(self) -> None:
        yield_to_sound()
        while not self._stopping.is_set():
            with self._lock:
                driver = self._driver
                old, new = self._renderer, self._next_renderer
                if new is not None:
                    self._renderer, self._next_renderer = new, None
                renderer = self._renderer
            if new is not None:
                self._guard("renderer", old.close)
            try:
                motion = driver.next_motion(MOTION_TIMEOUT)
            except Exception as error:
                self._failed("driver", error)
                self._stopping.wait(ERROR_PAUSE)
                continue
            if motion is None:
                continue
            try:
                image = renderer.render(motion)
            except Exception as error:
                self._failed("renderer", error)
                self._stopping.wait(ERROR_PAUSE)
                continue
            self._deliver(RenderedFrame(image, self._monotone(motion), motion))

    def _monotone(self, motion: MotionFrame) -> float:
        pts = motion.pts
        captured = (motion.trace.capture_ns - self._epoch_ns) / 1e9
        if not abs(pts - captured) <= FARTHEST:  # also true for a pts that is not a number
            pts = captured
        self._last_pts = max(pts, self._last_pts + 1e-3)
        return self._last_pts

    def _deliver(self, frame: RenderedFrame) -> None:
        ready_ns = self._clock_ns()
        self._delay.observe_picture(frame.pts, frame.trace.capture_ns, ready_ns)
        self._statistics.observe(frame.trace, ready_ns)
        with self._lock:
            self._last_frame = frame
            sinks = self._sinks
        for sink in sinks:
            self._give(sink, lambda sink=sink: sink.push_video(frame))  # type: ignore[misc]
        exempt_what_is_loaded()

    def _give(self, sink: Sink, call: Callable[[], None]) -> None:
        if self._guard("sink", call):
            self._sink_failures.pop(id(sink), None)
            return
        self._sink_failures[id(sink)] += 1
        if self._sink_failures[id(sink)] >= SINK_FAILURES:
            self.report(f"An output kept failing and was removed ({type(sink).__name__}).")
            self.remove_sink(sink)

    def _sound_loop(self) -> None:
        while not self._stopping.is_set():
            for chunk in self._ring.due(self._clock_ns(), self.audio_delay):
                for sink in self._sinks:
                    if not _times_sound(sink):
                        self._give(sink, lambda sink=sink, chunk=chunk: sink.push_audio(chunk))  # type: ignore[misc]
            self._ring.wait(self._clock_ns(), self.audio_delay, longest=MOTION_TIMEOUT)


def _times_sound(sink: Sink) -> bool:
    return bool(getattr(sink, "times_sound", False))
