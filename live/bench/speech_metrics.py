"""How well a mouth follows speech: correlation, lag, distance, closures, silence, jitter.

Openings are in pupil distances above the resting mouth (`live.bench.lips`), at the times of the film's pictures or on a
fine even grid where stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.bench.lips import CLOSED

Curve = NDArray[np.float64]
Span = tuple[float, float]

LONGEST_LAG_S: Final = 0.2
CLOSURE_MARGIN_S: Final = 0.02
"""A closure may come this much before or after the aligned phone."""


def correlation(a: Curve, b: Curve) -> float:
    """Pearson's; not a number when one of them does not move."""
    if len(a) < 3 or a.std() < 1e-9 or b.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def lag(pts: Curve, tracked: Curve, grid: Curve, predicted: Curve) -> tuple[float, float]:
    """Milliseconds by which the prediction is late and the correlation then: the best shift within ±200 ms.

    Args:
        pts: (n,) s, times of `tracked` (n,).
        grid: (m,) s, increasing, times of `predicted` (m,).
    """
    shifts = np.arange(-LONGEST_LAG_S, LONGEST_LAG_S + 1e-9, 0.005)
    scores = [correlation(tracked, np.interp(pts + shift, grid, predicted)) for shift in shifts]
    if np.all(np.isnan(scores)):
        return float("nan"), float("nan")
    best = int(np.nanargmax(scores))
    return float(1000.0 * shifts[best]), float(scores[best])


def closures(spans: Sequence[Span], grid: Curve, opening: Curve) -> list[bool]:
    """For each bilabial (start s, end s): whether the lips close (opening at most `CLOSED`) within its margins."""
    found = []
    for start, end in spans:
        inside = (grid >= start - CLOSURE_MARGIN_S) & (grid <= end + CLOSURE_MARGIN_S)
        if inside.any():
            found.append(bool(opening[inside].min() <= CLOSED))
    return found


def closed_share(spans: Sequence[Span], grid: Curve, opening: Curve) -> tuple[int, int]:
    """(instants with closed lips, instants) of the grid within the spans."""
    inside = np.zeros(len(grid), bool)
    for start, end in spans:
        inside |= (grid >= start) & (grid <= end)
    return int((opening[inside] <= CLOSED).sum()), int(inside.sum())


def jitter(opening: Curve) -> float:
    """Root mean square of the second difference of a curve sampled at picture rate, in thousandths."""
    return float(1000.0 * np.sqrt(np.mean(np.diff(opening, 2) ** 2))) if len(opening) > 2 else float("nan")


def quiet_spans(samples: NDArray[np.int16], rate: int, shortest: float = 0.3) -> list[Span]:
    """Stretches without speech of a clean recording, by energy: 35 dB below its loud parts, at least `shortest` s."""
    hop = rate // 100
    count = len(samples) // hop
    power = (samples[: count * hop].astype(np.float64).reshape(count, hop) ** 2).mean(1)
    level = 10.0 * np.log10(power + 1.0)
    quiet = level < np.quantile(level, 0.95) - 35.0
    edges = np.flatnonzero(np.diff(np.concatenate(([0], quiet.astype(int), [0]))))
    return [(a / 100, b / 100) for a, b in zip(edges[::2], edges[1::2], strict=True) if (b - a) / 100 >= shortest]


def shrink(spans: Sequence[Span], head: float, tail: float) -> list[Span]:
    """Spans without their first `head` and last `tail` seconds; those that vanish are left out.

    Around speech the lips move although nothing is heard: they close after it and open before it.
    """
    return [(start + head, end - tail) for start, end in spans if end - start > head + tail + 0.02]
