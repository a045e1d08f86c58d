"""Many sessions share one device: frames that are due together are rendered together.

A session hands in one frame at a time and waits for it, so at most one frame per session is pending and nothing can
queue. `BatchPlanner` decides, from times passed in, which frames to start and when; `Batcher` owns the threads that
run them: one computes, one delivers what is finished.

When the device is idle and frames are pending, waiting for one more frame costs every pending frame the wait, and
saves the device `cost(n) + cost(1) − cost(n + 1)`: running the late frame with the batch instead of after it. A frame
is never held longer than that, measured from its arrival, nor past its deadline.
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

log = logging.getLogger(__name__)

HISTORY: Final = 500
"""Frames per session that the latency report covers: 20 s at 25 fps."""

SMOOTHING: Final = 0.2
"""Weight of the newest measurement of a batch's cost and of a session's period."""

GONE_AFTER: Final = 4.0
"""Periods without a frame after which a session is not waited for."""

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


class CostModel:
    """How long batches take, seconds, learned while running.

    Sizes not yet seen are estimated from their neighbours: between them linearly, beyond them as if each further frame
    cost as much as the ones before.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}

    def observe(self, frames: int, seconds: float) -> None:
        """Take a measurement into account."""
        old = self._seconds.get(frames)
        self._seconds[frames] = seconds if old is None else old + SMOOTHING * (seconds - old)

    def seconds(self, frames: int) -> float:
        """Estimate for a batch of `frames`; 0 when nothing was measured yet."""
        if frames in self._seconds:
            return self._seconds[frames]
        smaller = [n for n in self._seconds if n < frames]
        larger = [n for n in self._seconds if n > frames]
        if smaller and larger:
            a, b = max(smaller), min(larger)
            share = (frames - a) / (b - a)
            return (1 - share) * self._seconds[a] + share * self._seconds[b]
        if smaller:
            return self._seconds[max(smaller)] * frames / max(smaller)
        if larger:
            return self._seconds[min(larger)]
        return 0.0

    def saving(self, frames: int) -> float:
        """What one more frame in a batch of `frames` saves against running it alone afterwards; never negative."""
        return max(0.0, self.seconds(frames) + self.seconds(1) - self.seconds(frames + 1))


@dataclass(slots=True)
class _Member:
    """What the planner knows of a session. Times in seconds on the caller's clock."""

    arrived: float | None = None
    deadline: float = 0.0
    last_arrival: float | None = None
    period: float | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Start `start` now; or, if empty, look again at `wake` (`None`: when a frame comes)."""

    start: tuple[int, ...]
    wake: float | None


class BatchPlanner:
    """Decides when pending frames start. No clock, no threads: every time is passed in.

    Args:
        max_batch: most frames per batch.
        costs: shared with whoever measures.
    """

    def __init__(self, max_batch: int, costs: CostModel) -> None:
        self._max_batch = max_batch
        self._costs = costs
        self._members: dict[int, _Member] = {}
        self._turns = 0

    def join(self, session: int) -> None:
        """A session may hand in frames from now on."""
        self._members[session] = _Member()

    def leave(self, session: int) -> None:
        """Forget a session, with its pending frame."""
        self._members.pop(session, None)

    def arrive(self, session: int, now: float, deadline: float) -> None:
        """A session's frame is ready to be rendered and should be finished by `deadline`."""
        member = self._members[session]
        if member.last_arrival is not None:
            gap = now - member.last_arrival
            member.period = gap if member.period is None else member.period + SMOOTHING * (gap - member.period)
        member.arrived, member.last_arrival, member.deadline = now, now, deadline

    def plan(self, now: float) -> Plan:
        """What an idle device should do now."""
        pending = [(m.turn, m.arrived, s) for s, m in self._members.items() if m.arrived is not None]
        if not pending:
            return Plan((), None)
        if len(pending) < self._max_batch and (wake := self._worth_waiting(len(pending), now)) is not None:
            return Plan((), wake)
        # Longest not served first: with more sessions than places everybody has his turn.
        chosen = tuple(session for _, _, session in sorted(pending)[: self._max_batch])
        for session in chosen:
            self._members[session].arrived = None
            self._turns += 1
            self._members[session].turn = self._turns
        return Plan(chosen, None)

    def _worth_waiting(self, count: int, now: float) -> float | None:
        """Until when, if the next frame's arrival is worth holding those that are here."""
        waiting = [m for m in self._members.values() if m.arrived is not None]
        oldest = min(m.arrived for m in waiting if m.arrived is not None)
        tightest = min(m.deadline for m in waiting) - self._costs.seconds(count + 1)
        limit = min(oldest + self._costs.saving(count), tightest)
        coming = [
            m.last_arrival + m.period
            for m in self._members.values()
            if m.arrived is None
            and m.last_arrival is not None
            and m.period is not None
            and now - m.last_arrival < GONE_AFTER * m.period
        ]
        soon = [at for at in coming if now < at <= limit]
        return min(soon) if soon else None


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
