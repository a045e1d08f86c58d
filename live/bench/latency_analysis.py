"""From the probe's record of one run to its figures. All times in milliseconds of the page's clock."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from live.bench.latency_browser import COLUMNS, ROWS, Record
from live.bench.latency_disturbances import Disturbance, skew_after, undisturbed
from live.bench.latency_estimators import (
    Response,
    drift,
    envelope_lag,
    freezes,
    match_onsets,
    quantiles,
    speech_responses,
    step_responses,
)
from live.bench.latency_mouth import MouthReader
from live.bench.latency_signals import Series, SoundLevel, chunk_times, sound_onsets, steps
from live.bench.latency_stimulus import Stimulus, luma_crop
from live.errors import LiveError

WARM_UP_MS: Final = 5000.0
"""What happens in this time after the first picture is not counted: models warm up, buffers find their size."""

COUNTERS: Final = (
    "framesReceived",
    "framesDecoded",
    "framesDropped",
    "freezeCount",
    "totalFreezesDuration",
    "keyFramesDecoded",
    "packetsLost",
    "jitterBufferDelay",
    "jitterBufferEmittedCount",
    "jitterBufferTargetDelay",
    "concealedSamples",
    "totalSamplesReceived",
    "framesSent",
    "framesEncoded",
    "totalEncodeTime",
    "nackCount",
    "pliCount",
    "estimatedPlayoutTimestamp",
    "currentRoundTripTime",
    "availableOutgoingBitrate",
    "qualityLimitationReason",
)
"""What is kept of the browser's own statistics (W3C webrtc-stats)."""

LISTS: Final = ("camera", "preview", "avatar", "sound", "pulls", "stats", "pings", "messages")


@dataclass(slots=True)
class Run:
    """One driver on one pipeline.

    Attributes:
        pipeline: "live" or "stock".
        driver: "webcam" or "microphone".
        figures: plain numbers for JSON.
        series: curves for the plot, by name: (times, values).
        responses: the events that were answered.
    """

    pipeline: str
    driver: str
    figures: dict[str, Any]
    series: dict[str, tuple[Series, Series]] = field(default_factory=dict)
    responses: list[Response] = field(default_factory=list)


def merge(records: list[Record]) -> Record:
    """Records that were taken one after the other as one."""
    merged: Record = dict(records[-1])
    for name in LISTS:
        merged[name] = [item for record in records for item in record[name]]
    return merged


def analyse(
    record: Record, stimulus: Stimulus, pipeline: str, driver: str, disturbances: Sequence[Disturbance] = ()
) -> Run:
    """Evaluate a run; what happens around its `disturbances` is not judged.

    Raises:
        LiveError: the page presented too few pictures.
    """
    pictures = [p for p in record["avatar"] if p["width"] > 16]
    if len(pictures) < 30:
        raise LiveError(
            f"The page presented only {len(pictures)} pictures.", "See whether `live serve` works on this machine."
        )
    begin = float(pictures[0]["shown"]) + WARM_UP_MS
    shown = np.array([p["shown"] for p in pictures], np.float64)
    opening = mouth_reader(stimulus, driver).read(_crops(pictures))
    local, remote = _sound(record, "local"), _sound(record, "remote")
    sound_events, sound_latencies = match_onsets(sound_onsets(local), sound_onsets(remote))
    judged = (sound_events >= begin) & undisturbed(sound_events, disturbances)
    sound_events, sound_latencies = sound_events[judged], sound_latencies[judged]
    series = {"avatar": (shown, opening), "microphone": (local.times, local.level), "ear": (remote.times, remote.level)}

    if driver == "webcam":
        films = record["camera"]
        captured = capture_times(record)
        film_opening = mouth_reader(stimulus, "film").read(_crops(films))
        series["film"] = (captured, film_opening)
        events = [step for step in steps(captured, film_opening) if step[0] >= begin]
        kept = undisturbed(np.array([at for at, _ in events]), disturbances)
        events = [step for step, good in zip(events, kept, strict=True) if good]
        responses, missed = step_responses(events, shown, opening)
        seen = well_captured(captured, np.array([r.event for r in responses]))
        responses = [r for r, good in zip(responses, seen, strict=True) if good]
        latencies = np.array([r.half for r in responses])
        skew_events, skews = _interpolated_skews(responses, sound_events, sound_latencies, disturbances)
        camera_fps = _rate(captured[captured >= begin])
    else:
        onsets = sound_onsets(local)
        onsets = onsets[(onsets >= begin) & undisturbed(onsets, disturbances)]
        responses, missed = speech_responses(onsets, shown, opening)
        latencies = np.array([r.onset for r in responses])
        heard = dict(zip(sound_events.tolist(), sound_latencies.tolist(), strict=True))
        skew_events = np.array([r.event for r in responses if r.event in heard])
        skews = np.array([heard[r.event] - r.onset for r in responses if r.event in heard])
        camera_fps = float("nan")

    counted = shown[shown >= begin]
    stamped = _stamped(record, pictures, begin)
    figures: dict[str, Any] = {
        "latency_ms": quantiles(latencies),
        "latency_onset_ms": quantiles([r.onset for r in responses]),
        "latency_half_ms": quantiles([r.half for r in responses]),
        "answered": len(responses),
        "unanswered": missed,
        "sound_latency_ms": quantiles(sound_latencies),
        "sound_latency_by_correlation_ms": _correlated(record),
        "skew_ms": quantiles(skews) | {"abs_p95": quantiles(np.abs(skews))["p95"]},
        "skews": skews.tolist(),
        "skew_events": skew_events.tolist(),
        "disturbances": [{"kind": d.kind, "begin": d.begin, "end": d.end} for d in disturbances],
        "after_disturbances": skew_after(disturbances, skew_events.tolist(), skews.tolist()),
        "camera_fps": camera_fps,
        "avatar_fps": _rate(counted),
        "interval_ms": quantiles(np.diff(counted)),
        "freezes": freezes(counted),
        "drops": _drops(record, pictures, begin),
        "stamped": stamped["figures"],
        "not_stamped_ms": quantiles(
            [
                (r.half if driver == "webcam" else r.onset) - stamped["totals"][r.frame]
                for r in responses
                if r.frame in stamped["totals"]
            ]
        ),
        "clock_error_ms": stamped["clock_error"],
        "drift_ms": {
            "latency": drift(np.array([r.event for r in responses]), latencies),
            "sound": drift(sound_events, sound_latencies),
            "skew": drift(skew_events, skews),
        },
        "engine_sound_delay_ms": quantiles([s["audio_delay_ms"] for s in record["stats"] if "audio_delay_ms" in s]),
        "browser_buffer_ms": {kind: _buffered(record, kind) for kind in ("audio", "video")},
        "browser": _browser(record),
    }
    return Run(pipeline, driver, figures, series, responses)


def account_for_lips(run: Run, timing: list[Response], missed: int) -> None:
    """Take the mouth's own timing, measured without transport, out of a microphone run's skew.

    The latency stays what a person sees. `lip_timing_ms` says how much of it is the mouth's own, and how many onsets
    (`missed`) went unanswered without any transport.
    """
    run.figures["lip_timing_ms"] = quantiles([r.onset for r in timing]) | {"unanswered": missed}
    own = run.figures["lip_timing_ms"]["p50"]
    heard = np.array(run.figures.pop("skews")) + own
    run.figures["skew_ms"] = quantiles(heard) | {"abs_p95": quantiles(np.abs(heard))["p95"]}
    run.figures["skews"] = heard.tolist()
    disturbances = [Disturbance(**one) for one in run.figures["disturbances"]]
    run.figures["after_disturbances"] = skew_after(disturbances, run.figures["skew_events"], heard.tolist())


def mouth_reader(stimulus: Stimulus, which: str) -> MouthReader:
    """For the film (`film`), or the avatar driven by `webcam` or `microphone`."""
    faces = {"film": [stimulus.film_faces], "webcam": [stimulus.avatar_faces], "microphone": stimulus.speaking_faces}
    box = stimulus.film_mouth if which == "film" else stimulus.avatar_mouth
    pairs = [
        (luma_crop(rest, box, COLUMNS, ROWS), luma_crop(opened, box, COLUMNS, ROWS)) for rest, opened in faces[which]
    ]
    return MouthReader(pairs)


def capture_times(record: Record) -> Series:
    """Capture instants of all camera pictures on the page's clock.

    Their stamps are on another clock, which begins anew with every opening of a camera. The preview's callbacks tell
    capture instants on the page's clock, of most of the same pictures: arrival gives the offset to a few milliseconds,
    the nearest neighbours then give it exactly.
    """
    known = np.array([p["captured"] for p in record["preview"] if p["captured"] is not None], np.float64)
    taps: dict[int, list[dict[str, Any]]] = {}
    for picture in record["camera"]:
        taps.setdefault(picture["tap"], []).append(picture)
    times = [np.zeros(0)]
    for pictures in taps.values():
        begin, end = pictures[0]["at"] - 1e3, pictures[-1]["at"]
        times.append(_captured(pictures, known[(known > begin) & (known < end)]))
    return np.concatenate(times)


def _captured(pictures: list[dict[str, Any]], known: Series) -> Series:
    """Capture instants of one opening's pictures, given those that the preview knows."""
    stamps = np.array([p["stamp"] for p in pictures], np.float64)
    offset = float(min(p["at"] - p["stamp"] for p in pictures))
    if len(known):
        nearest = np.clip(np.searchsorted(stamps, known - offset), 1, max(1, len(stamps) - 1))
        pairs = stamps[np.stack([nearest - 1, np.minimum(nearest, len(stamps) - 1)])] + offset
        errors = known - pairs
        offset += float(np.median(np.where(np.abs(errors[0]) < np.abs(errors[1]), errors[0], errors[1])))
    result: Series = stamps + offset
    return result


def well_captured(captured: Series, events: Series) -> NDArray[np.bool_]:
    """Which events the camera saw without a gap: right before (their instant would be unknown), nor a long one in the
    1.5 s before (another event may have gone unseen)."""
    gaps = np.diff(captured)
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    good = np.ones(len(events), np.bool_)
    for number, event in enumerate(events):
        index = int(np.searchsorted(captured, event))
        recent = gaps[(captured[1:] > event - 1500.0) & (captured[1:] <= event)]
        good[number] = index > 0 and gaps[index - 1] <= 1.6 * usual and not (recent > 400.0).any()
    return good


def _crops(pictures: list[dict[str, Any]]) -> NDArray[np.uint8]:
    data = [np.frombuffer(base64.b64decode(p["luma"]), np.uint8) for p in pictures]
    return np.stack(data).reshape(-1, ROWS, COLUMNS) if data else np.zeros((0, ROWS, COLUMNS), np.uint8)


def _sound(record: Record, name: str) -> SoundLevel:
    """Level over time. A captured sample is as old as the rest of its chunk is long; a received one waits for the ones
    before it to be played."""
    chunks = [c for c in record["pulls"] if c["name"] == name and c["bins"]]
    if not chunks:
        return SoundLevel(np.zeros(0), np.zeros(0))
    taps: dict[int, list[dict[str, Any]]] = {}
    for chunk in chunks:
        taps.setdefault(chunk["tap"], []).append(chunk)
    times, levels = np.zeros(0), np.zeros(0)
    for tapped in taps.values():
        at = chunk_times(np.array([c["at"] for c in tapped]), np.array([c["end"] for c in tapped]))
        begins = at - [len(c["bins"]) for c in tapped] if name == "local" else at
        spans = [begin + np.arange(len(c["bins"])) for begin, c in zip(begins, tapped, strict=True)]
        times = np.concatenate([times, *spans])
        levels = np.concatenate([levels, *(c["bins"] for c in tapped)])
    order = np.argsort(times, kind="stable")
    return SoundLevel(times[order], levels[order])


def _correlated(record: Record) -> float:
    """Microphone to ear on one sample clock, the AudioWorklet's; independent of onsets and of message delivery."""
    blocks = record["sound"]
    if not blocks:
        return float("nan")
    local, remote = (np.concatenate([b[name] for b in blocks]).astype(np.float64) for name in ("local", "remote"))
    started = int(np.argmax(remote > 0)) + round(WARM_UP_MS)
    return envelope_lag(local[started:], remote[started:])


def _interpolated_skews(
    responses: list[Response], events: Series, latencies: Series, disturbances: Sequence[Disturbance]
) -> tuple[Series, Series]:
    """Jumps between two heard onsets, no disturbance among them, and sound latency minus picture latency there:
    positive = sound comes later."""
    if len(events) < 2:
        return np.zeros(0), np.zeros(0)
    ends = np.array([one.end for one in disturbances])
    inside = []
    for response in responses:
        after = int(np.searchsorted(events, response.event))
        if events[0] <= response.event <= events[-1]:
            around = events[max(after - 1, 0)], events[after]
            if not ((ends > around[0]) & (ends < around[1])).any():
                inside.append(response)
    skews = [float(np.interp(r.event, events, latencies)) - r.half for r in inside]
    return np.array([r.event for r in inside]), np.array(skews)


def _rate(times: Series) -> float:
    return float((len(times) - 1) * 1e3 / (times[-1] - times[0])) if len(times) > 1 else float("nan")


def _stamped(record: Record, pictures: list[dict[str, Any]], begin: float) -> dict[str, Any]:
    """What the server says about the pictures that were presented, on the page's clock."""
    pings = record["pings"]
    reported = {f["rtp"]: f for s in record["stats"] for f in s.get("frames", ()) if "capture_ms" in f}
    if not pings or not reported:
        return {"figures": None, "totals": {}, "clock_error": float("nan")}
    best = min(pings, key=lambda p: p["at"] - p["sent"])
    offset = best["server"] - (best["sent"] + best["at"]) / 2
    stages: dict[str, list[float]] = {}
    totals: dict[int, float] = {}
    for index, picture in enumerate(pictures):
        frame = reported.get(picture["rtp"])
        if frame is None:
            continue
        capture, sent = frame["capture_ms"] - offset, frame["sent_ms"] - offset
        totals[index] = picture["shown"] - capture
        if picture["shown"] < begin:
            continue
        spent: dict[str, float] = {}
        for name, _, duration in frame["stages"]:
            spent[name] = spent.get(name, 0.0) + duration
        spent["waiting"] = sent - capture - sum(spent.values())
        received = picture["received"] if picture["received"] is not None else picture["shown"]
        spent["network"], spent["browser"] = received - sent, picture["shown"] - received
        spent["total"] = picture["shown"] - capture
        for name, value in spent.items():
            stages.setdefault(name, []).append(value)
    figures = {name: quantiles(values) for name, values in stages.items()}
    return {"figures": figures, "totals": totals, "clock_error": (best["at"] - best["sent"]) / 2}


def _drops(record: Record, pictures: list[dict[str, Any]], begin: float) -> dict[str, float]:
    """Pictures lost on the way: sent but never presented, and captured but never drawn."""
    presented = {p["rtp"] for p in pictures}
    sent = [
        f["rtp"]
        for s in record["stats"]
        for f in s.get("frames", ())
        if s["at"] >= begin and s["at"] < record["now"] - 1000.0
    ]
    engine = [s["drops"] for s in record["stats"] if s["at"] >= begin and "drops" in s]
    lost = sum(1 for rtp in sent if rtp not in presented)
    result = {"sent": len(sent), "not_presented": lost, "share": lost / len(sent) if sent else float("nan")}
    if engine:
        for place in engine[0]:
            result[f"engine_{place}"] = engine[-1][place] - engine[0][place]
    return result


def _buffered(record: Record, kind: str) -> float:
    """Mean time that received sound or pictures spent in the browser's jitter buffer."""
    for report in record["reports"]:
        if report["type"] == "inbound-rtp" and report.get("kind") == kind and report.get("jitterBufferEmittedCount"):
            return 1e3 * float(report["jitterBufferDelay"]) / float(report["jitterBufferEmittedCount"])
    return float("nan")


def _browser(record: Record) -> dict[str, Any]:
    """The browser's own counters."""
    found: dict[str, Any] = {}
    for report in record["reports"]:
        key = "-".join(str(report[k]) for k in ("type", "kind") if k in report)
        found[key] = {name: report[name] for name in COUNTERS if name in report}
    found["outputLatency"] = record.get("outputLatency")
    return found
