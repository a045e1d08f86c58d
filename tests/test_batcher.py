"""The batch planner with times passed in, and the batcher with devices that fail, stall and count."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from live.errors import LiveError
from live.render.cuda.batcher import BatchedSession, Batcher, BatchPlanner, CostModel


def costs(**seconds: float) -> CostModel:
    """A model that measured e.g. `_1=0.001, _2=0.0012`."""
    model = CostModel()
    for name, value in seconds.items():
        model.observe(int(name[1:]), value)
    return model


def planner(sessions: int, model: CostModel, max_batch: int = 8) -> BatchPlanner:
    made = BatchPlanner(max_batch, model)
    for session in range(sessions):
        made.join(session)
    return made


class TestCostModel:
    def test_between_measured_sizes_it_interpolates(self) -> None:
        model = costs(_1=1.0, _4=2.5)
        assert model.seconds(2) == pytest.approx(1.5)
        assert model.seconds(8) == pytest.approx(5.0), "beyond: as if batching brought nothing more"

    def test_saving_is_what_the_late_frame_would_cost_alone(self) -> None:
        assert costs(_1=1.0, _2=1.2).saving(1) == pytest.approx(0.8)
        assert costs(_1=1.0, _2=2.5).saving(1) == 0.0, "never negative"

    def test_new_measurements_move_it_slowly(self) -> None:
        model = costs(_1=1.0)
        model.observe(1, 2.0)
        assert 1.0 < model.seconds(1) < 1.5


class TestPlanner:
    def test_a_lone_frame_starts_at_once(self) -> None:
        plan = planner(1, costs(_1=0.002))
        plan.arrive(0, 10.0, 10.04)
        assert plan.plan(10.0).start == (0,)

    def test_nothing_pending_waits_for_a_frame(self) -> None:
        assert planner(2, costs()).plan(1.0) == planner(0, costs()).plan(1.0)
        assert planner(2, costs()).plan(1.0).wake is None

    def expecting(self, at: float, model: CostModel, *, deadline: float = 1.04) -> BatchPlanner:
        """Session 0 pending since 1.0; session 1 has a period of 0.04 and is expected at `at`."""
        made = planner(2, model)
        for i in range(4, 0, -1):
            made.arrive(1, at - 0.04 * i, at)
            made.plan(at - 0.04 * i)
        made.arrive(0, 1.0, deadline)
        return made

    def test_it_waits_for_a_frame_that_is_about_to_come(self) -> None:
        made = self.expecting(1.0005, costs(_1=0.002, _2=0.0022))  # saving 1.8 ms
        plan = made.plan(1.0)
        assert plan.start == ()
        assert plan.wake == pytest.approx(1.0005)

    def test_it_never_holds_a_frame_longer_than_that_saves(self) -> None:
        made = self.expecting(1.0025, costs(_1=0.002, _2=0.0022))  # saving 1.8 ms, 2.5 ms away
        assert made.plan(1.0).start == (0,)

    def test_it_does_not_wait_where_batching_saves_nothing(self) -> None:
        made = self.expecting(1.0005, costs(_1=0.002, _2=0.004))
        assert made.plan(1.0).start == (0,)

    def test_it_does_not_wait_past_a_deadline(self) -> None:
        made = self.expecting(1.0005, costs(_1=0.002, _2=0.0022), deadline=1.0024)
        assert made.plan(1.0).start == (0,)

    def test_an_expected_frame_that_does_not_come_is_not_waited_for_again(self) -> None:
        made = self.expecting(1.0005, costs(_1=0.002, _2=0.0022))
        assert made.plan(1.0).start == ()
        assert made.plan(1.0006).start == (0,)

    def test_a_session_that_went_silent_is_not_waited_for(self) -> None:
        made = self.expecting(1.0, costs(_1=0.002, _2=0.0022))
        made.plan(1.0)
        made.arrive(0, 1.2, 1.24)
        assert made.plan(1.2).start == (0,)

    def test_repeated_waiting_is_bounded_by_the_oldest_frame(self) -> None:
        """Frames trickle in one after another; the first must not be held for the sum of all waits."""
        model = costs(_1=0.002, _2=0.0022, _4=0.0026, _8=0.0034)
        made = planner(8, model)
        for session in range(8):
            due = 2.0 + 0.0004 * session
            for i in range(4, 0, -1):
                made.arrive(session, due - 0.04 * i, due)
                made.plan(due - 0.04 * i)
        now, started = 2.0, ()
        for session in range(8):
            now = 2.0 + 0.0004 * session
            made.arrive(session, now, now + 0.04)
            started = made.plan(now).start
            if started:
                break
        assert started
        assert now - 2.0 <= model.saving(len(started)) + 0.0004

    def test_a_full_batch_does_not_wait(self) -> None:
        made = planner(3, costs(_1=0.002, _2=0.0021), max_batch=2)
        made.arrive(0, 1.0, 1.04)
        made.arrive(1, 1.0, 1.04)
        assert made.plan(1.0).start == (0, 1)

    def test_with_more_sessions_than_places_everybody_has_his_turn(self) -> None:
        made = planner(5, costs(_1=0.002), max_batch=2)
        served = [0] * 5
        for step in range(50):
            now = 1.0 + 0.01 * step
            for session in range(5):
                made.arrive(session, now, now + 0.04)  # everybody always has a frame pending
            for session in made.plan(now).start:
                served[session] += 1
        assert sum(served) == 100
        assert max(served) - min(served) <= 1

    def test_a_session_that_left_is_forgotten(self) -> None:
        made = planner(2, costs(_1=0.002))
        made.arrive(0, 1.0, 1.04)
        made.leave(0)
        assert made.plan(1.0).start == ()


class Echo:
    """A device that returns its jobs, refuses some, and counts batches."""

    max_batch = 4
    in_flight = 2

    def __init__(self, *, poison: str = "", late: bool = False, gate: threading.Event | None = None) -> None:
        self.batches: list[list[str]] = []
        self._poison = poison
        self._late = late
        self._gate = gate

    def start(self, jobs: Sequence[str]) -> list[str]:
        if self._gate is not None:
            assert self._gate.wait(10)
        self.batches.append(list(jobs))
        if self._poison and self._poison in jobs and not self._late:
            raise ValueError(f"cannot render {self._poison}")
        return list(jobs)

    def finish(self, started: list[str]) -> list[str]:
        if self._poison and self._poison in started:
            raise ValueError(f"cannot render {self._poison}")
        return [job.upper() for job in started]


def test_frames_pending_together_are_rendered_together() -> None:
    device = Echo()
    batcher = Batcher(device, start=False)
    sessions = [batcher.open() for _ in range(3)]
    requests = [session.begin(name) for session, name in zip(sessions, "abc", strict=True)]
    assert batcher.step() == 3
    assert [request.result for request in requests] == ["A", "B", "C"]
    assert device.batches == [["a", "b", "c"]]
    assert sessions[0].report().mean_batch == 3.0


@pytest.mark.parametrize("late", [False, True])
def test_one_sessions_failure_is_its_own(late: bool) -> None:
    batcher = Batcher(Echo(poison="b", late=late), start=False)
    sessions = [batcher.open() for _ in range(3)]
    requests = [session.begin(name) for session, name in zip(sessions, "abc", strict=True)]
    batcher.step()
    assert [request.result for request in requests] == ["A", None, "C"]
    assert isinstance(requests[1].error, ValueError)
    assert [session.report().failures for session in sessions] == [0, 1, 0]
    again = sessions[1].begin("fine")
    batcher.step()
    assert again.result == "FINE", "it may go on afterwards"


def test_a_second_frame_before_the_first_is_refused() -> None:
    batcher = Batcher(Echo(), start=False)
    session = batcher.open()
    session.begin("a")
    with pytest.raises(RuntimeError, match="one frame at a time"):
        session.begin("b")


def test_render_waits_for_the_result_and_raises_the_devices_error() -> None:
    batcher = Batcher(Echo(poison="bad"))
    session = batcher.open()
    try:
        assert session.render("good") == "GOOD"
        with pytest.raises(ValueError, match="cannot render bad"):
            session.render("bad")
    finally:
        batcher.close()


def test_a_client_that_never_fetches_its_result_does_not_stall_others() -> None:
    batcher = Batcher(Echo())
    slow, quick = batcher.open(), batcher.open()
    try:
        slow.begin("never looked at")
        assert [quick.render(name) for name in ("a", "b", "c")] == ["A", "B", "C"]
    finally:
        batcher.close()


def test_leaving_wakes_a_waiting_render_and_spares_the_others() -> None:
    gate = threading.Event()
    batcher = Batcher(Echo(gate=gate))
    first, leaver, other = (batcher.open() for _ in range(3))
    errors: list[BaseException] = []
    try:
        blocked = first.begin("keeps the device busy")
        waiting = leaver.begin("pending")
        pending = other.begin("x")
        leaver.close()
        leaver.close()
        assert waiting.done.wait(10)
        assert isinstance(waiting.error, LiveError)
        gate.set()
        assert blocked.done.wait(10)
        assert pending.done.wait(10)
        assert pending.result == "X"
        with pytest.raises(LiveError):
            leaver.render("again")
    finally:
        gate.set()
        batcher.close()
    assert not errors


def test_close_wakes_everybody() -> None:
    batcher = Batcher(Echo(), start=False)
    session = batcher.open()
    request = session.begin("a")
    batcher.close()
    batcher.close()
    assert isinstance(request.error, LiveError)
    with pytest.raises(LiveError):
        batcher.open()


def test_many_threads_all_get_their_own_results() -> None:
    device = Echo()
    batcher = Batcher(device)
    failures: list[str] = []

    def run(session: BatchedSession[str, str], name: str) -> None:
        for i in range(40):
            if session.render(f"{name}{i}") != f"{name}{i}".upper():
                failures.append(f"{name}{i}")  # noqa: PERF401

    names = [f"s{i}-" for i in range(8)]
    threads = [threading.Thread(target=run, args=(batcher.open(), name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    try:
        assert not failures
        assert not any(thread.is_alive() for thread in threads)
        assert sum(map(len, device.batches)) == 320
        assert all(report.frames == 40 for report in batcher.reports().values())
    finally:
        batcher.close()
