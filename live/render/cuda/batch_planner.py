"""Which frames of many sessions a shared device should start now, decided from times passed in.

When the device is idle and frames are pending, waiting for one more frame costs every pending frame the wait, and
saves the device `cost(n) + cost(1) − cost(n + 1)`: running the late frame with the batch instead of after it. A frame
is never held longer than that, measured from its arrival, nor past its deadline.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Final

SMOOTHING: Final = 0.2
"""Weight of the newest measurement of a batch's cost and of a session's period."""


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
        # Apart, because planning happens at every arrival, and most members are between frames then.
        self._pending: dict[int, _Member] = {}
        # When members between frames are expected, soonest first: time, turn, session. Whoever came or left meanwhile
        # no longer has that turn.
        self._coming: list[tuple[float, int, int]] = []
        self._turns = 0

    def join(self, session: int) -> None:
        """A session may hand in frames from now on."""
        self._members[session] = _Member()

    def leave(self, session: int) -> None:
        """Forget a session, with its pending frame."""
        self._members.pop(session, None)
        self._pending.pop(session, None)

    def arrive(self, session: int, now: float, deadline: float) -> None:
        """A session's frame is ready to be rendered and should be finished by `deadline`."""
        member = self._members[session]
        if member.last_arrival is not None:
            gap = now - member.last_arrival
            member.period = gap if member.period is None else member.period + SMOOTHING * (gap - member.period)
        member.arrived, member.last_arrival, member.deadline = now, now, deadline
        self._pending[session] = member

    def plan(self, now: float) -> Plan:
        """What an idle device should do now."""
        if not self._pending:
            return Plan((), None)
        count = len(self._pending)
        if count < self._max_batch and (wake := self._worth_waiting(now)) is not None:
            return Plan((), wake)
        # Longest not served first: with more sessions than places everybody has his turn.
        order = sorted((m.turn, m.arrived, session) for session, m in self._pending.items())
        chosen = tuple(session for _, _, session in order[: self._max_batch])
        while self._coming and self._coming[0][0] <= now:  # late: nobody knows when they will come
            heapq.heappop(self._coming)
        for session in chosen:
            member = self._pending.pop(session)
            self._turns += 1
            member.turn, member.arrived = self._turns, None
            if member.last_arrival is not None and member.period is not None:
                heapq.heappush(self._coming, (member.last_arrival + member.period, member.turn, session))
        return Plan(chosen, None)

    def _worth_waiting(self, now: float) -> float | None:
        """Until when, if the next frame's arrival is worth holding those that are here."""
        count, waiting = len(self._pending), self._pending.values()
        oldest = min(m.arrived for m in waiting if m.arrived is not None)
        tightest = min(m.deadline for m in waiting) - self._costs.seconds(count + 1)
        limit = min(oldest + self._costs.saving(count), tightest)
        if limit <= now:
            return None
        while self._coming:
            at, turn, session = self._coming[0]
            member = self._members.get(session)
            if at > now and member is not None and member.arrived is None and member.turn == turn:
                return at if at <= limit else None
            heapq.heappop(self._coming)
        return None
