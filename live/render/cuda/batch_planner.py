"""Which frames of many sessions a shared device should start now, decided from times passed in.

When the device is idle and frames are pending, waiting for one more frame costs every pending frame the wait, and
saves the device `cost(n) + cost(1) − cost(n + 1)`: running the late frame with the batch instead of after it. A frame
is never held longer than that, measured from its arrival, nor past its deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SMOOTHING: Final = 0.2
"""Weight of the newest measurement of a batch's cost and of a session's period."""

GONE_AFTER: Final = 4.0
"""Periods without a frame after which a session is not waited for."""


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
