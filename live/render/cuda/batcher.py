"""Many sessions share one device: frames that are due together are rendered together.

A session hands in one frame at a time and waits for it, so at most one frame per session is pending and nothing can
queue. `batch_planner.BatchPlanner` decides which frames to start and when; `Batcher` owns the threads that
run them: one computes, one delivers what is finished.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

import numpy as np

from live.errors import LiveError
from live.render.cuda.batch_planner import BatchPlanner, CostModel

log = logging.getLogger(__name__)

HISTORY: Final = 500
"""Frames per session that the latency report covers: 20 s at 25 fps."""

Job = TypeVar("Job")
Result = TypeVar("Result")
Job_contra = TypeVar("Job_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)


class BatchDevice(Protocol[Job_contra, Result_co]):
    """Renders frames together, in two steps, so that one batch's pictures travel while the next is computed.

    `start` and `finish` are called on different threads, `start` for one batch at a time and at most `in_flight` times
    ahead of `finish`. Either may raise; the batcher then tries the jobs one by one.
    """

    @property
    def max_batch(self) -> int:
        """Most frames per call."""
        ...

    @property
    def in_flight(self) -> int:
        """How many batches may be started and not finished."""
        ...

    def start(self, jobs: Sequence[Job_contra]) -> object:
        """Compute, and return as soon as another batch could be computed."""
        ...

    def finish(self, started: Any) -> Sequence[Result_co]:
        """Fetch the results of what `start` returned, one per job, in order."""
        ...


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """A session's last frames, milliseconds from handing in to result."""

    frames: int
    failures: int
    wait_p50: float
    """From handing in to the start of the batch."""
    total_p50: float
    total_p95: float
    mean_batch: float
    """Frames per batch that this session's frames shared."""


@dataclass(slots=True)
class _Request(Generic[Job, Result]):
    job: Job
    arrived: float
    done: threading.Event = field(default_factory=threading.Event)
    result: Result | None = None
    error: BaseException | None = None


_Item = tuple[int, _Request[Job, Result]]
"""A session's number and its frame."""


@dataclass(frozen=True, slots=True)
class _Batch(Generic[Job, Result]):
    items: list[_Item[Job, Result]]
    begun: float
    handle: object


class Batcher(Generic[Job, Result]):
    """Shares a device between sessions, each of which renders from a thread of its own.

    Args:
        device: what renders.
        clock: monotonic seconds.
    """

    def __init__(
        self, device: BatchDevice[Job, Result], *, clock: Callable[[], float] = time.monotonic, start: bool = True
    ) -> None:
        self._device = device
        self._clock = clock
        self.costs = CostModel()
        self._planner = BatchPlanner(device.max_batch, self.costs)
        self._changed = threading.Condition()
        self._requests: dict[int, _Request[Job, Result]] = {}
        self._sessions: dict[int, BatchedSession[Job, Result]] = {}
        self._next_session = 0
        self._closed = False
        self._room = threading.Semaphore(device.in_flight)
        self._started: queue.SimpleQueue[_Batch[Job, Result] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._compute_loop, "batch-compute"), (self._deliver_loop, "batch-deliver"))
        ]
        if start:
            for thread in self._threads:
                thread.start()

    def open(self) -> BatchedSession[Job, Result]:
        """Join with a new session. Raises `LiveError` after `close`."""
        with self._changed:
            if self._closed:
                raise LiveError("The renderer was shut down.")
            session = BatchedSession(self, self._next_session)
            self._next_session += 1
            self._sessions[session.number] = session
            self._planner.join(session.number)
            return session

    def close(self) -> None:
        """Stop; sessions that wait get a `LiveError`. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(timeout=10)
        with self._changed:
            pending = list(self._requests.values())
            self._requests.clear()
        for request in pending:
            _fail(request, LiveError("The renderer was shut down."))

    def reports(self) -> dict[int, LatencyReport]:
        """Latency of every open session by its number."""
        with self._changed:
            sessions = list(self._sessions.values())
        return {session.number: session.report() for session in sessions}

    def _hand_in(self, session: int, job: Job, patience: float) -> _Request[Job, Result]:
        with self._changed:
            if self._closed or session not in self._sessions:
                raise LiveError("This session's renderer is closed.")
            if session in self._requests:
                raise RuntimeError("a session renders one frame at a time")
            now = self._clock()
            request = _Request[Job, Result](job, now)
            self._requests[session] = request
            self._planner.arrive(session, now, now + patience)
            self._changed.notify_all()
            return request

    def _leave(self, session: int) -> None:
        with self._changed:
            self._sessions.pop(session, None)
            self._planner.leave(session)
            request = self._requests.pop(session, None)
            self._changed.notify_all()
        if request is not None:
            _fail(request, LiveError("This session's renderer is closed."))

    def _compute_loop(self) -> None:
        while True:
            # Room first: a frame that comes while there is none still makes it into the next batch.
            while not self._room.acquire(timeout=0.1):
                if self._closed:
                    break
            with self._changed:
                plan = self._planner.plan(self._clock())
                while not plan.start and not self._closed:
                    timeout = None if plan.wake is None else max(0.0, plan.wake - self._clock())
                    self._changed.wait(timeout)
                    plan = self._planner.plan(self._clock())
                batch = [(session, self._requests.pop(session)) for session in plan.start]
            if self._closed:
                for _, request in batch:
                    _fail(request, LiveError("The renderer was shut down."))
                self._started.put(None)
                return
            started = self._start(batch)
            if started is None:
                self._room.release()
            else:
                self._started.put(started)

    def _deliver_loop(self) -> None:
        while (batch := self._started.get()) is not None:
            try:
                self._deliver(batch)
            finally:
                self._room.release()

    def step(self) -> int:
        """Do what is due now, without the threads, for tests and benchmarks. Returns the frames rendered."""
        with self._changed:
            plan = self._planner.plan(self._clock())
            batch = [(session, self._requests.pop(session)) for session in plan.start]
        if batch and (started := self._start(batch)) is not None:
            self._deliver(started)
        return len(batch)

    def _start(self, items: list[_Item[Job, Result]]) -> _Batch[Job, Result] | None:
        """Start a batch; `None` when it had to be dealt with frame by frame."""
        begun = self._clock()
        try:
            handle = self._device.start([request.job for _, request in items])
        except Exception as error:
            self._one_by_one(items, begun, error)
            return None
        self.costs.observe(len(items), self._clock() - begun)
        return _Batch(items, begun, handle)

    def _deliver(self, batch: _Batch[Job, Result]) -> None:
        items = batch.items
        try:
            results = self._device.finish(batch.handle)
            if len(results) != len(items):
                raise RuntimeError(f"{len(results)} results for {len(items)} frames")
        except Exception as error:
            self._one_by_one(items, batch.begun, error)
            return
        for item, result in zip(items, results, strict=True):
            self._finish(item, result, None, batch.begun, len(items))

    def _one_by_one(self, items: list[_Item[Job, Result]], begun: float, error: Exception) -> None:
        """A batch failed. One of its frames may be at fault: alone, it fails alone."""
        if len(items) == 1:
            self._finish(items[0], None, error, begun, 1)
            return
        log.warning("a batch of %d frames failed (%s); rendering them one by one", len(items), error)
        for item in items:
            try:
                (result,) = self._device.finish(self._device.start([item[1].job]))
            except Exception as own:
                self._finish(item, None, own, begun, 1)
            else:
                self._finish(item, result, None, begun, 1)

    def _finish(
        self,
        item: _Item[Job, Result],
        result: Result | None,
        error: BaseException | None,
        started: float,
        count: int,
    ) -> None:
        session, request = item
        with self._changed:
            owner = self._sessions.get(session)
        if owner is not None:
            owner.note(started - request.arrived, self._clock() - request.arrived, count, failed=error is not None)
        request.result, request.error = result, error
        request.done.set()


def _fail(request: _Request[Any, Any], error: BaseException) -> None:
    request.error = error
    request.done.set()


class BatchedSession(Generic[Job, Result]):
    """One session's way to the shared device."""

    def __init__(self, batcher: Batcher[Job, Result], number: int) -> None:
        self.number = number
        self._batcher = batcher
        self._lock = threading.Lock()
        self._times: deque[tuple[float, float, int]] = deque(maxlen=HISTORY)
        self._frames = self._failures = 0

    def render(self, job: Job, *, patience: float = 0.04) -> Result:
        """Render one frame and wait for it.

        Args:
            job: what the device takes.
            patience: seconds within which the result is wanted. The batcher never waits for others beyond that.

        Raises:
            LiveError: the session or the batcher was closed.
            Exception: whatever the device raised for this very frame.
        """
        request = self.begin(job, patience=patience)
        request.done.wait()
        if request.error is not None:
            raise request.error
        result = request.result
        assert result is not None
        return result

    def begin(self, job: Job, *, patience: float = 0.04) -> _Request[Job, Result]:
        """Hand a frame in without waiting; its `done` event is set when `result` or `error` is there."""
        return self._batcher._hand_in(self.number, job, patience)

    def note(self, wait: float, total: float, count: int, *, failed: bool) -> None:
        """Record a frame's times, seconds."""
        with self._lock:
            self._frames += 1
            self._failures += failed
            self._times.append((wait, total, count))

    def report(self) -> LatencyReport:
        """Latency of the last frames."""
        with self._lock:
            times, frames, failures = list(self._times), self._frames, self._failures
        if not times:
            return LatencyReport(frames, failures, 0.0, 0.0, 0.0, 0.0)
        wait, total, count = np.array(times).T
        p50, p95 = np.percentile(total, (50, 95)) * 1e3
        return LatencyReport(
            frames, failures, float(np.median(wait)) * 1e3, float(p50), float(p95), float(count.mean())
        )

    def close(self) -> None:
        """Leave. A waiting `render` gets a `LiveError`. Safe to call twice."""
        self._batcher._leave(self.number)
