"""Latency from two series, what went in and what came out. Pure functions of their arguments; times in ms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from live.bench.latency_signals import Series

ONSET_SHARE: Final = 0.2
"""Share of a response at which it is seen to begin."""

HALF: Final = 0.5
NOISE_FACTOR: Final = 5.0
"""Standard deviations of the mouth's own unrest by which a response must exceed it."""

LEAST_OPENING: Final = 0.12
"""Opening (1 = the reference) that counts as an answer."""

SILENCE_MS: Final = 200.0
"""Time before a word that tells what the mouth does in silence; before it the word before may still be closing."""

LONGEST_MS: Final = 1500.0
"""A response later than this answers something else."""

FREEZE_MS: Final = 200.0
"""A picture that stands longer than this is a freeze."""


@dataclass(frozen=True, slots=True)
class Response:
    """How the avatar answered one event.

    Attributes:
        event: instant of the event at the source, ms.
        onset: latency until the first presented picture that shows a beginning, ms.
        half: latency until the first presented picture past the middle of the change, ms.
        frame: index of the picture that counts: of `half` for jumps, of `onset` for speech.
    """

    event: float
    onset: float
    half: float
    frame: int


def step_responses(
    source: Sequence[tuple[float, bool]], shown: Series, opening: Series, longest: float = LONGEST_MS
) -> tuple[list[Response], int]:
    """Match jumps of the source's mouth with the avatar's.

    The avatar's levels are the 10th and 90th percentile of its opening. A jump is answered by the next crossing of
    their middle in the same direction that answers no earlier jump: `half` is the first picture past it, `onset` the
    first of the unbroken run of pictures before it that are past 20 % of the way.

    Args:
        source: (instant, mouth now open) of each jump.
        shown: instants at which pictures were presented, increasing.
        opening: the avatar's opening in them.
        longest: latency beyond which a response is not looked for.

    Returns:
        The responses, and the number of jumps that nothing answered.
    """
    found: list[Response] = []
    missed = 0
    if len(shown) < 2:
        return found, len(source)
    low, high = np.percentile(opening, (10, 90))
    if high - low < LEAST_OPENING:
        return found, len(source)
    crossings = {
        up: np.flatnonzero(np.diff((opening > (low + high) / 2).astype(np.int8)) == (1 if up else -1)) + 1
        for up in (True, False)
    }
    used = {True: -1, False: -1}
    for index, (event, up) in enumerate(source):
        end = event + longest
        if index + 2 < len(source):
            end = min(end, source[index + 2][0])
        if event < shown[0] or end > shown[-1]:
            continue
        candidates = [i for i in crossings[up] if i > used[up] and event < shown[i] < end]
        if not candidates:
            missed += 1
            continue
        half = used[up] = int(candidates[0])
        progress = (opening - low) / (high - low) if up else (high - opening) / (high - low)
        onset = half
        while onset > 0 and shown[onset - 1] > event and progress[onset - 1] >= ONSET_SHARE:
            onset -= 1
        found.append(Response(event, float(shown[onset] - event), float(shown[half] - event), half))
    return found, missed


def speech_responses(
    onsets: Series, shown: Series, opening: Series, longest: float = 600.0
) -> tuple[list[Response], int]:
    """Match beginnings of sound with the mouth that answers.

    The mouth's level in silence is taken from the 200 ms before each onset; its unrest from there and from all onsets
    together, whichever is greater. `onset` is the first presented picture that exceeds the level by five standard
    deviations of the unrest, and by 20 % of the peak that follows or `LEAST_OPENING`, whichever is less: in a phrase
    the widest vowel may come long after the mouth has left its rest.

    Returns:
        The responses, and the number of onsets that nothing answered.
    """
    found: list[Response] = []
    missed = 0
    silences = [opening[(shown >= event - SILENCE_MS) & (shown <= event + 20.0)] for event in onsets]
    usual = float(np.median([s.std() for s in silences if len(s) >= 3] or [0.0]))
    for event, before in zip(onsets, silences, strict=True):
        if event < shown[0] + SILENCE_MS or event + longest > shown[-1]:
            continue
        during = np.flatnonzero((shown > event) & (shown <= event + longest))
        if len(before) < 3 or not len(during):
            missed += 1
            continue
        level, unrest = float(np.median(before)), max(float(before.std()), usual)
        height = float(opening[during].max()) - level
        if height < max(LEAST_OPENING, NOISE_FACTOR * unrest):
            missed += 1
            continue
        progress = (opening[during] - level) / height
        share = min(max(min(ONSET_SHARE, LEAST_OPENING / height), NOISE_FACTOR * unrest / height), HALF)
        onset, half = (int(during[np.flatnonzero(progress >= part)[0]]) for part in (share, HALF))
        found.append(Response(float(event), float(shown[onset] - event), float(shown[half] - event), onset))
    return found, missed


def match_onsets(source: Series, received: Series, longest: float = LONGEST_MS) -> tuple[Series, Series]:
    """Pair every beginning of sound with the first one received after it and before the next.

    Returns:
        (instants at the source, latencies), of those that were received.
    """
    events: list[float] = []
    latencies: list[float] = []
    for index, event in enumerate(source):
        end = min(event + longest, source[index + 1] if index + 1 < len(source) else np.inf)
        after = received[(received > event) & (received < end)]
        if len(after):
            events.append(float(event))
            latencies.append(float(after[0] - event))
    return np.array(events), np.array(latencies)


def envelope_lag(source: Series, received: Series, longest: int = 1000) -> float:
    """Lag (samples) at which `received` resembles `source` most, by normalised cross-correlation of equal-rate series.

    Sub-sample by a parabola through the peak. NaN if either is constant.
    """
    size = min(len(source), len(received))
    a, b = source[:size] - source[:size].mean(), received[:size] - received[:size].mean()
    if size <= longest or not a.any() or not b.any():
        return float("nan")
    length = 1 << (2 * size - 1).bit_length()
    spectrum = np.conj(np.fft.rfft(a, length)) * np.fft.rfft(b, length)
    correlation = np.fft.irfft(spectrum, length)[:longest]
    peak = int(correlation.argmax())
    if 0 < peak < longest - 1:
        left, middle, right = correlation[peak - 1 : peak + 2]
        bend = left - 2 * middle + right
        if bend < 0:
            return peak + float(0.5 * (left - right) / bend)
    return float(peak)


def quantiles(values: Sequence[float] | Series) -> dict[str, float]:
    """p50, p95, p99, the greatest and the count; NaN where there is nothing."""
    data = np.asarray(values, np.float64)
    data = data[np.isfinite(data)]
    if not len(data):
        return {"p50": float("nan"), "p95": float("nan"), "p99": float("nan"), "max": float("nan"), "count": 0}
    p50, p95, p99 = np.percentile(data, (50, 95, 99))
    return {"p50": float(p50), "p95": float(p95), "p99": float(p99), "max": float(data.max()), "count": len(data)}


def freezes(shown: Series, longest: float = FREEZE_MS) -> dict[str, float]:
    """How often and how long a picture stood still for more than `longest` ms."""
    gaps = np.diff(shown)
    long = gaps[gaps > longest]
    return {
        "count": len(long),
        "total_ms": float(long.sum()),
        "longest_gap_ms": float(gaps.max()) if len(gaps) else float("nan"),
    }


def drift(times: Series, values: Series) -> float:
    """Total change over the recording (same unit as `values`), by the median of pairwise slopes (Theil–Sen)."""
    if len(times) < 3:
        return float("nan")
    step = max(1, len(times) // 300)
    t, v = times[::step], values[::step]
    first, second = np.triu_indices(len(t), 1)
    apart = t[second] != t[first]
    slopes = (v[second] - v[first])[apart] / (t[second] - t[first])[apart]
    return float(np.median(slopes) * (times[-1] - times[0]))
