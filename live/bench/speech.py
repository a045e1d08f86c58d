"""`live bench speech`: how well the mouth follows people that no training has seen, against two baselines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.bench.alignment import Aligner, Phones
from live.bench.lips import CLOSED, LipModel
from live.bench.speech_head import (
    HeadFigures,
    chance_figures,
    compare,
    driver_figures,
    head_report,
    tracked_figures,
)
from live.bench.speech_metrics import (
    Curve,
    Span,
    closed_share,
    closures,
    correlation,
    jitter,
    lag,
    quiet_spans,
    shrink,
)
from live.bench.speech_reference import LipReference, lip_reference, track_film
from live.capture.media import read_media
from live.errors import MediaError
from live.frames import AUDIO_RATE, AudioChunk, FloatArray
from live.motion.face_model import FaceModel
from live.motion.landmark_groups import LIPS
from live.motion.speech.baselines import EnergyMouth, RuleMouth
from live.motion.speech.mouth import MouthModel, NetworkMouth
from live.motion.speech.network import LOOK_AHEAD, STEP, mouth_matrix

SYSTEMS: Final[dict[str, Callable[[], MouthModel]]] = {
    "energy → jaw": EnergyMouth,
    "phone rules": RuleMouth,
    "network": NetworkMouth,
}
CONDITIONS: Final = ("network, -30 dBFS", "network, 10 dB noise")
VOWELS: Final = ("AA", "AE", "AO", "AW", "AY")
TARGETS: Final = "opening correlation ≥ 0.60 (median), |lag| ≤ 20 ms, closure recall ≥ 90 %, silence closed ≥ 99 %"


@dataclass
class Clip:
    """One recording with what is known about it; `reference` is `None` for sound alone."""

    name: str
    group: str
    samples: NDArray[np.int16]
    phones: Phones | None
    silence: list[Span]
    reference: LipReference | None = None


@dataclass
class Score:
    """Figures of one system on one clip; not a number or empty where the clip cannot tell."""

    clip: str
    group: str
    system: str
    opening_correlation: float = float("nan")
    width_correlation: float = float("nan")
    lag_ms: float = float("nan")
    shifted_correlation: float = float("nan")
    lip_distance: float = float("nan")
    jitter_ratio: float = float("nan")
    closures: list[bool] = field(default_factory=list)
    false_closures: list[bool] = field(default_factory=list)
    silence: tuple[int, int] = (0, 0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with eval/ and speech/ljspeech/"
    )
    parser.add_argument("--limit", type=int, default=0, help="use only so many clips of each kind (0 = all)")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw tracked and predicted opening of each clip")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="where speech.json and .md go")


def run(args: argparse.Namespace) -> int:
    """Measure, print and write the tables.

    Raises:
        MediaError: the folder holds no evaluation clips.
    """
    model = FaceModel.load()
    lips = LipModel(model)
    clips = load_clips(args.data, args.limit, model)
    if not clips:
        raise MediaError(f"{args.data} holds no evaluation clips.", "Point --data at a folder with eval/manifest.json.")
    scores: list[Score] = []
    for clip in clips:
        curves: dict[str, tuple[Curve, Curve]] = {}
        for system, (mouth, samples) in systems(clip):
            times, weights = mouth_curve(mouth, samples)
            scores.append(score(clip, system, times, weights, lips))
            curves[system] = (times, lips.opening(weights @ mouth_matrix()))
        if clip.reference is not None and clip.phones:
            scores.append(tracked_score(clip))
        if args.plots:
            from live.bench.speech_plots import plot_clip

            plot_clip(args.plots / f"{clip.name}.png", clip.name, clip.reference, clip.phones, curves)
        print(f"{clip.name}: " + "  ".join(_brief(s) for s in scores if s.clip == clip.name), flush=True)
    table = summary(scores)
    talkers = [clip for clip in clips if clip.group == "talkvid"]
    heads = compare_heads(talkers)
    text = report(table, scores) + (head_report(heads, len(talkers)) if heads else "")
    print(text)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "speech.md").write_text(text)
    rows = [{k: _plain(v) for k, v in vars(s).items()} for s in scores]
    (args.output / "speech.json").write_text(json.dumps({"summary": table, "head": heads, "clips": rows}, indent=1))
    return 0


def compare_heads(clips: list[Clip]) -> list[dict[str, object]]:
    """Figures of the driver's head and of the tracked ones over the same sound."""
    tracked: list[HeadFigures] = []
    driver: list[HeadFigures] = []
    chance: list[HeadFigures] = []
    for clip in clips:
        if clip.reference is not None:
            tracked.append(tracked_figures(clip.reference, clip.samples))
            chance.append(chance_figures(clip.reference, clip.samples))
            driver += driver_figures(clip.samples)
    return compare(tracked, driver, chance)


def load_clips(data: Path, limit: int, model: FaceModel) -> list[Clip]:
    """Evaluation films with sound, tracked and (GRID) aligned, and LJSpeech sentences, aligned."""
    manifest = data / "eval" / "manifest.json"
    entries = json.loads(manifest.read_text()) if manifest.exists() else {}
    aligner = Aligner()
    clips: list[Clip] = []
    counts: dict[str, int] = {}
    for name, entry in entries.items():
        group = "grid" if "words" in entry else "talkvid"
        if not entry["audio"] or (limit and counts.get(group, 0) >= limit):
            continue
        counts[group] = counts.get(group, 0) + 1
        path = data / "eval" / f"{name}.mp4"
        samples = read_sound(path)
        words = [word for word in entry.get("words", []) if word[2] not in {"sil", "sp"}]
        spoken = (words[0][0], words[-1][1]) if words else None
        phones = aligner.align(samples, " ".join(word[2] for word in words), spoken) if words else None
        reference = lip_reference(track_film(path), model)
        clips.append(Clip(name, group, samples, phones, _silence(samples, phones), reference))
    table = data / "speech" / "ljspeech" / "metadata.csv"
    lines = table.read_text().splitlines() if table.exists() else []
    for line in lines[: limit or None]:
        name, *_, text = line.split("|")
        samples = read_sound(table.parent / f"{name}.opus")
        phones = aligner.align(samples, text)
        clips.append(Clip(name, "ljspeech", samples, phones, _silence(samples, phones)))
    return clips


def read_sound(path: Path) -> NDArray[np.int16]:
    """All sound of a file, int16 mono 48 kHz, from media time 0."""
    chunks = [item.samples for item in read_media(path, video=False) if isinstance(item, AudioChunk)]
    return np.concatenate(chunks)


def systems(clip: Clip) -> list[tuple[str, tuple[MouthModel, NDArray[np.int16]]]]:
    """Every system with the sound that it is given."""
    sound = clip.samples.astype(np.float64)
    quiet = np.rint(sound * (32767.0 * 10 ** (-30.0 / 20.0) / max(np.abs(sound).max(), 1.0))).astype(np.int16)
    loud = np.abs(sound) > 0.1 * np.abs(sound).max()
    hiss = np.random.default_rng(0).standard_normal(len(sound)) * sound[loud].std() * 10 ** (-10.0 / 20.0)
    noisy = np.clip(np.rint(sound + hiss), -32768, 32767).astype(np.int16)
    plain = [(name, (make(), clip.samples)) for name, make in SYSTEMS.items()]
    return [*plain, (CONDITIONS[0], (NetworkMouth(), quiet)), (CONDITIONS[1], (NetworkMouth(), noisy))]


def mouth_curve(mouth: MouthModel, samples: NDArray[np.int16]) -> tuple[Curve, FloatArray]:
    """Times (n,) in seconds and mouth weights (n, 19) of a recording; the look-ahead is filled with silence."""
    steps = mouth.push(np.concatenate((samples, np.zeros(round((LOOK_AHEAD + STEP) * AUDIO_RATE), np.int16))))
    return np.array([s.time for s in steps]), np.stack([s.mouth for s in steps])


def score(clip: Clip, system: str, times: Curve, weights: FloatArray, lips: LipModel) -> Score:
    """All figures of one system on one clip."""
    grid = np.arange(0.0, len(clip.samples) / AUDIO_RATE, 0.005)
    fine = _at(grid, times, weights)
    opening = lips.opening(fine @ mouth_matrix())
    result = Score(clip.name, clip.group, system, silence=closed_share(clip.silence, grid, opening))
    if clip.phones:
        result.closures = closures([(a, b) for a, b, n in clip.phones if n in {"P", "B", "M"}], grid, opening)
        middles = [(a + b) / 2 for a, b, n in clip.phones if n in VOWELS]
        result.false_closures = [bool(np.interp(t, grid, opening) <= CLOSED) for t in middles]
    reference = clip.reference
    if reference is not None:
        expression = _at(reference.pts, times, weights) @ mouth_matrix()
        predicted = lips.opening(expression)
        result.opening_correlation = correlation(reference.opening, predicted)
        result.width_correlation = correlation(reference.width, lips.width(expression))
        result.lag_ms, result.shifted_correlation = lag(reference.pts, reference.opening, grid, opening)
        moved = lips.landmarks(expression) - lips.landmarks(np.zeros_like(expression))
        error = (moved[:, list(LIPS)] - reference.lips)[:, :, :2]
        result.lip_distance = float(np.linalg.norm(error, axis=2).mean())
        result.jitter_ratio = jitter(predicted) / jitter(reference.opening)
    return result


def tracked_score(clip: Clip) -> Score:
    """What the tracked face itself reaches where phones are known: the ceiling of closures and silence."""
    reference = clip.reference
    assert reference is not None and clip.phones is not None
    grid = np.arange(reference.pts[0], reference.pts[-1], 0.005)
    opening = np.interp(grid, reference.pts, reference.opening)
    result = Score(clip.name, clip.group, "tracked face", silence=closed_share(clip.silence, grid, opening))
    result.closures = closures([(a, b) for a, b, n in clip.phones if n in {"P", "B", "M"}], grid, opening)
    middles = [(a + b) / 2 for a, b, n in clip.phones if n in VOWELS]
    result.false_closures = [bool(np.interp(t, grid, opening) <= CLOSED) for t in middles]
    return result


def summary(scores: list[Score]) -> list[dict[str, object]]:
    """One row per group and system; medians of correlations, lag and distance, shares of events."""
    rows: list[dict[str, object]] = []
    groups = [*dict.fromkeys(s.group for s in scores), "all"]
    for group in groups:
        for system in [*SYSTEMS, *CONDITIONS, "tracked face"]:
            chosen = [s for s in scores if s.system == system and group in (s.group, "all")]
            if not chosen:
                continue
            closed = [c for s in chosen for c in s.closures]
            false = [c for s in chosen for c in s.false_closures]
            quiet = np.sum([s.silence for s in chosen], axis=0)
            rows.append(
                {
                    "group": group,
                    "system": system,
                    "clips": len(chosen),
                    "opening_correlation": _median([s.opening_correlation for s in chosen]),
                    "width_correlation": _median([s.width_correlation for s in chosen]),
                    "lag_ms": _median([s.lag_ms for s in chosen]),
                    "shifted_correlation": _median([s.shifted_correlation for s in chosen]),
                    "lip_distance": _median([s.lip_distance for s in chosen]),
                    "jitter_ratio": _median([s.jitter_ratio for s in chosen]),
                    "closure_recall": round(float(np.mean(closed)), 3) if closed else None,
                    "closure_count": len(closed),
                    "open_vowels_closed": round(float(np.mean(false)), 3) if false else None,
                    "silence_closed": round(float(quiet[0] / quiet[1]), 4) if quiet[1] else None,
                }
            )
    return rows


def report(table: list[dict[str, object]], scores: list[Score]) -> str:
    """The tables in Markdown."""
    columns = {
        "group": "group",
        "system": "system",
        "clips": "clips",
        "opening r": "opening_correlation",
        "opening r, sync corrected": "shifted_correlation",
        "width r": "width_correlation",
        "lag ms": "lag_ms",
        "lip distance": "lip_distance",
        "jitter": "jitter_ratio",
        "closure recall": "closure_recall",
        "open vowels closed": "open_vowels_closed",
        "silence closed": "silence_closed",
    }
    lines = [
        "# Speech to mouth",
        "",
        f"Targets: {TARGETS}. Look-ahead {1000 * LOOK_AHEAD:.0f} ms at 25 and 50 fps, at most "
        f"{1000 * (LOOK_AHEAD + STEP):.0f} ms at other rates; lag is the shift with the best correlation, "
        "positive = late. Sync corrected: the correlation at that shift, estimated for each clip by itself within "
        "±200 ms. Clips from the web need not have their own sound in sync, so this says how well the mouth follows, "
        "and the other how well it would look under that sound; the best shift flatters every system a little.",
        "Correlations, lag, distance and jitter are medians over clips. Lengths are in pupil distances "
        f"(lips count as closed up to {CLOSED}); jitter is relative to the tracked face's.",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
    ]
    lines += ["| " + " | ".join(_cell(row[k]) for k in columns.values()) + " |" for row in table]
    lines += [
        "",
        "## Per clip (network)",
        "",
        "| clip | opening r | opening r, sync corrected | width r | lag ms | lip distance | closures |",
        "|" + "---|" * 7,
    ]
    for s in scores:
        if s.system == "network":
            closed = f"{sum(s.closures)}/{len(s.closures)}" if s.closures else ""
            r, shifted = s.opening_correlation, s.shifted_correlation
            cells = (s.clip, r, shifted, s.width_correlation, s.lag_ms, s.lip_distance, closed)
            lines.append("| " + " | ".join(_cell(c) for c in cells) + " |")
    return "\n".join(lines) + "\n"


def _silence(samples: NDArray[np.int16], phones: Phones | None) -> list[Span]:
    if phones is None:
        return shrink(quiet_spans(samples, AUDIO_RATE), 0.2, 0.15)
    spans: list[Span] = []
    for start, end, name in phones:
        if name != "SIL":
            continue
        if spans and abs(spans[-1][1] - start) < 0.02:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return shrink([s for s in spans if s[1] - s[0] >= 0.3], 0.2, 0.15)


def _at(times: Curve, grid: Curve, values: FloatArray) -> FloatArray:
    return np.stack([np.interp(times, grid, column) for column in values.T], 1).astype(np.float32)


def _median(values: list[float]) -> float | None:
    finite = [v for v in values if np.isfinite(v)]
    return round(float(np.median(finite)), 4) if finite else None


def _plain(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return list(value) if isinstance(value, tuple) else value


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return ""
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _brief(s: Score) -> str:
    return f"{s.system} r={s.opening_correlation:.2f}"
