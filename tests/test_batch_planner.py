"""Which frames start when, with times passed in."""

from __future__ import annotations

import pytest

from live.render.cuda.batch_planner import BatchPlanner, CostModel


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

    def test_what_it_remembers_does_not_grow_with_time(self) -> None:
        """Neither where waiting never pays, so that nothing is ever looked up, nor where sessions come and go."""
        plan = planner(4, costs(_1=0.001, _2=0.002))
        for frame in range(200):
            for session in range(4):
                now = 0.04 * frame + 0.01 * session
                plan.arrive(session, now, now + 0.04)
                assert plan.plan(now).start == (session,)
        assert len(plan._coming) <= 8

    def test_of_several_that_are_expected_the_soonest_counts(self) -> None:
        plan = planner(3, costs(_1=0.02, _2=0.02, _3=0.02))
        for start in (0.0, 0.1):
            for session, offset in ((0, 0.0), (1, 0.012), (2, 0.006)):
                plan.arrive(session, start + offset, start + offset + 1)
                plan.plan(start + offset + 0.03)
        plan.arrive(0, 0.2, 1.2)
        assert plan.plan(0.2).wake == pytest.approx(0.206)
        plan.leave(2)
        assert plan.plan(0.2).wake == pytest.approx(0.212)
