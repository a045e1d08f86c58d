"""What users do in the middle of a session: pause, take another microphone, let a program speak and interrupt it.

Sound and picture must be as much in time afterwards as they were before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from live.bench.latency_browser import AvatarPage, Record
from live.bench.latency_estimators import quantiles
from live.bench.latency_signals import Series

PAUSE_SECONDS: Final = 4.0
SPEECH_SECONDS: Final = 3.0
"""Time after which a program's speech is interrupted."""

SETTLE_MS: Final = 1000.0
"""Time after a disturbance that does not count: the words that it cut have no beginning."""

ANSWER_MS: Final = 1500.0
"""Events so shortly before a disturbance may not get their answer."""

JUDGED_MS: Final = 20_000.0
"""Time after a disturbance in which its consequences are looked for."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What was done, and between which instants of the page's clock (ms)."""

    kind: str
    begin: float
    end: float


class Disturber:
    """Disturbs a page in one way after the other.

    Args:
        page: shows the avatar.
        speech: sound file for the program that speaks.
    """

    def __init__(self, page: AvatarPage, speech: Path) -> None:
        self._page, self._speech = page, speech
        self._ways: dict[str, Callable[[], None]] = {
            "pause": self._pause,
            "another microphone": self._other_microphone,
            "interrupted program": self._interrupt,
        }
        self.done: list[Disturbance] = []
        self.records: list[Record] = []

    def disturb(self) -> None:
        """Do the next thing; meanwhile the page's record is fetched, which makes the page stand still for a moment."""
        kind = list(self._ways)[len(self.done) % len(self._ways)]
        begin = self._page.now()
        self._ways[kind]()
        self.done.append(Disturbance(kind, begin, self._page.now()))

    def _pause(self) -> None:
        self._page.mute()
        self.records.append(self._page.take())
        self._page.wait(PAUSE_SECONDS)
        self._page.mute()

    def _other_microphone(self) -> None:
        self._page.take_other_microphone()
        self.records.append(self._page.take())

    def _interrupt(self) -> None:
        self._page.begin_program(self._speech)
        self.records.append(self._page.take())
        self._page.wait(SPEECH_SECONDS)
        self._page.end_program()


def undisturbed(events: Series, disturbances: Sequence[Disturbance]) -> NDArray[np.bool_]:
    """`bool (n,)`: which events (ms) lie far enough from every disturbance to be judged."""
    kept = np.ones(len(events), np.bool_)
    for one in disturbances:
        kept &= (events < one.begin - ANSWER_MS) | (events > one.end + SETTLE_MS)
    return kept


def skew_after(
    disturbances: Sequence[Disturbance], events: Sequence[float], skews: Sequence[float]
) -> dict[str, dict[str, Any]]:
    """For each kind of disturbance, how often it was done and quantiles of the skew in the 20 s after it."""
    at, values = np.asarray(events, np.float64), np.asarray(skews, np.float64)
    found: dict[str, dict[str, Any]] = {}
    for kind in dict.fromkeys(one.kind for one in disturbances):
        ends = [one.end for one in disturbances if one.kind == kind]
        near = np.zeros(len(at), np.bool_)
        for end in ends:
            near |= (at > end + SETTLE_MS) & (at <= end + SETTLE_MS + JUDGED_MS)
        chosen = values[near]
        found[kind] = {"times": len(ends), **quantiles(chosen), "abs_p95": quantiles(np.abs(chosen))["p95"]}
    return found


def disturbances_markdown(driver: str, after: dict[str, dict[str, Any]]) -> str:
    """The disturbances' part of the report, for one driver."""
    lines = [
        "",
        f"Sound against picture ({driver}) in the {JUDGED_MS / 1e3:g} s after what users do, first second excepted:",
        "",
        "| | times | words | p50 | abs. p95 |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {kind} | {row['times']} | {row['count']} | {row['p50']:.0f} | {row['abs_p95']:.0f} |"
        for kind, row in after.items()
    ]
    return "\n".join(lines) + "\n"
