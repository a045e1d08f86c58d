"""The batcher with devices that fail, stall and count."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from live.errors import LiveError
from live.render.cuda.batcher import BatchedSession, Batcher


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
