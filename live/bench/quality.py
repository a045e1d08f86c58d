"""`live bench quality`: how close the pictures come to the truth, against two baselines in the same table."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from live.bench.quality_clips import TruthFrame, read_clip
from live.bench.quality_editing import edit
from live.bench.quality_metrics import TIGHT, WIDE, jitter, l1, mouth_and_eyes, psnr, relight, ssim
from live.bench.quality_sheets import grid, labelled, write_picture, write_video
from live.bench.recognition import FaceRecogniser
from live.errors import MediaError, PortraitError
from live.frames import FloatArray, Image, MotionFrame
from live.motion.face_model import FaceModel
from live.motion.fitting import FrameFitter, interocular
from live.motion.openvino_tracker import OpenVinoFaceTracker
from live.motion.retarget import retarget
from live.motion.smoothing import MotionSmoother
from live.protocols import Renderer
from live.render import create_renderer
from live.render.avatar import Avatar

COLUMNS = ("l1", "psnr", "ssim", "region_l1", "wide_l1", "aed", "apd", "csim", "csim_share", "landmarks", "jitter")
PIXEL_MEASURES = COLUMNS[:5]
HEADINGS = ("L1", "PSNR", "SSIM", "mouth+eyes", "and around", "AED", "APD", "CSIM", "of own", "lm %", "jitter %")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of clips with one face each")
    parser.add_argument("--clips", default="*.mp4", metavar="GLOB", help="which clips (default: %(default)s)")
    parser.add_argument(
        "--nets", type=Path, metavar="DIR", help="folder with MobileFaceNet.onnx (default: DATA/../nets)"
    )
    parser.add_argument("--backend", default="auto", help="renderer to judge (default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=150, help="frames per clip (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("quality"), help="folder for table and sheets")
    parser.add_argument("--videos", action="store_true", help="write side-by-side videos too")


class Still:
    """The baseline that never moves: the portrait itself."""

    def __init__(self, renderer: Renderer, avatar: Avatar) -> None:
        self._picture = renderer.render(avatar.rest)

    def render(self, _motion: object) -> Image:
        """The portrait at rest, whatever is asked."""
        return self._picture


class Smoothed:
    """A renderer that gets its motion as a live session does: filtered, without a look ahead."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer, self._smoother = renderer, MotionSmoother()

    def render(self, motion: MotionFrame) -> Image:
        """The picture for the smoothed motion."""
        return self._renderer.render(self._smoother(motion))


@dataclass
class Scores:
    """What one renderer collects over a clip."""

    rows: list[dict[str, float]] = field(default_factory=list)
    pictures: list[Image] = field(default_factory=list)


def pixel_measures(picture: Image, truth: TruthFrame) -> dict[str, float]:
    """The figures that need nothing but two pictures of the same person."""
    size = len(picture)
    tight, wide = (mouth_and_eyes(truth.landmarks, size, margin) for margin in (TIGHT, WIDE))
    return {
        "l1": l1(picture, truth.image),
        "psnr": psnr(picture, truth.image),
        "ssim": ssim(picture, truth.image),
        "region_l1": l1(picture, truth.image, tight),
        "wide_l1": l1(picture, truth.image, wide),
    }


class Judge:
    """Compares pictures with truth, and reads them back with tracker, face model and face recognition."""

    def __init__(self, recogniser: FaceRecogniser, avatar: Avatar) -> None:
        self._recogniser = recogniser
        self._fitter = FrameFitter(FaceModel.load(), avatar.fit.identity)
        self._portrait = recogniser.embed(avatar.image, avatar.landmarks)

    def own_similarity(self, truth: TruthFrame) -> float:
        """Similarity of the real person to the portrait: what no renderer can be asked to exceed."""
        return float(self._recogniser.embed(truth.image, truth.landmarks) @ self._portrait)

    def score(
        self, tracker: OpenVinoFaceTracker, picture: Image, truth: TruthFrame, *, same_person: bool
    ) -> tuple[dict[str, float], FloatArray | None]:
        """Figures of one picture, and its tracked landmarks; pixel measures only where the truth is the same person."""
        row = pixel_measures(picture, truth) if same_person else {}
        face = tracker.track(picture)
        if face is None:
            return row, None
        fit = self._fitter.fit(face.landmarks, face.blendshapes)
        row["aed"] = float(np.abs(fit.expression - truth.motion.expression).mean())
        row["apd"] = float(np.abs(fit.rotation - truth.motion.rotation).mean())
        row["csim"] = float(self._recogniser.embed(picture, face.landmarks) @ self._portrait)
        if same_person:
            error = np.linalg.norm((face.landmarks - truth.landmarks)[:468, :2], axis=1).mean()
            row["landmarks"] = float(100 * error / interocular(truth.landmarks))
        return row, face.landmarks


def watch(pictures: list[Image], truth: list[TruthFrame], judge: Judge) -> Scores:
    """Figures of the pictures that show one performance, with a tracker that starts afresh."""
    own = float(np.mean([judge.own_similarity(frame) for frame in truth]))
    kept = Scores(pictures=pictures)
    tracks: list[FloatArray] = []
    with OpenVinoFaceTracker() as tracker:
        for picture, frame in zip(pictures, truth, strict=True):
            row, landmarks = judge.score(tracker, picture, frame, same_person=True)
            row["csim_share"] = row.get("csim", float("nan")) / own
            kept.rows.append(row)
            if landmarks is not None:
                tracks.append(landmarks[:468, :2] / interocular(truth[0].landmarks))
    for row in kept.rows:
        row["jitter"] = 100 * jitter(np.array(tracks))
    return kept


def reconstruct(
    truth: list[TruthFrame], renderers: dict[str, Renderer | Still | Smoothed], judge: Judge
) -> dict[str, Scores]:
    """Every renderer performs the clip; the portrait is its first frame.

    Beside them stands what the last renderer would reach if it knew the light and colour of the true frames and had to
    find their detail only: one photo does not tell how light falls on another pose. The true pictures are looked at in
    the same way, at the same size: what they differ from the motion that was read from the larger clip is the
    measurement's own error.
    """
    scores = {
        name: watch([renderer.render(frame.motion) for frame in truth], truth, judge)
        for name, renderer in renderers.items()
    }
    name = [name for name, renderer in renderers.items() if not isinstance(renderer, Smoothed)][-1]
    pairs = list(zip(scores[name].pictures, truth, strict=True))
    light = [pixel_measures(relight(picture, frame.image), frame) for picture, frame in pairs]
    scores[f"{name}, true light"] = Scores(light)
    seen = watch([frame.image for frame in truth], truth, judge)
    scores["truth"] = Scores([{k: v for k, v in row.items() if k not in PIXEL_MEASURES} for row in seen.rows])
    return scores


def reenact(avatar: Avatar, truth: list[TruthFrame], renderer: Renderer, judge: Judge) -> dict[str, float]:
    """Somebody else's motion, relative to their first frame: identity kept (CSIM), motion followed (AED, APD)."""
    neutral = truth[0].motion
    rows = []
    with OpenVinoFaceTracker() as tracker:
        for frame in truth[:: max(1, len(truth) // 30)]:
            wanted = retarget(frame.motion, neutral, avatar.rest)
            target = TruthFrame(frame.image, frame.landmarks, wanted)
            rows.append(judge.score(tracker, renderer.render(wanted), target, same_person=False)[0])
    return mean_of(rows)


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """Column means over the rows that have a number there; columns without any are left out."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            if not np.isnan(value):
                columns.setdefault(key, []).append(value)
    return {key: float(np.mean(values)) for key, values in sorted(columns.items())}


def table(totals: dict[str, dict[str, float]]) -> str:
    """Markdown, one renderer a line."""
    lines = ["| renderer | " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * len(HEADINGS)]
    for name, row in totals.items():
        cells = [f"{row[c]:.{2 if c == 'psnr' else 4}f}" if c in row else "" for c in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def run(args: argparse.Namespace) -> int:
    """Measure reconstruction, reenactment and editing; write `quality.md`, `quality.json` and sheets."""
    clips = sorted(args.data.glob(args.clips))
    if not clips:
        raise MediaError(f"No clip in {args.data} matches {args.clips}.", "Give a folder of .mp4 clips with --data.")
    recogniser = FaceRecogniser((args.nets or args.data.parent / "nets") / "MobileFaceNet.onnx")
    args.output.mkdir(parents=True, exist_ok=True)
    size = (args.size, args.size)
    per_clip: dict[str, dict[str, dict[str, float]]] = {}
    across: list[dict[str, float]] = []
    sheet: list[list[Image]] = []
    editing: dict[str, dict[str, float]] = {}
    last: list[TruthFrame] | None = None
    for path in tqdm(clips, desc="quality", unit="clip"):
        try:
            avatar, truth = read_clip(path, args.size, args.limit)
        except PortraitError as error:
            tqdm.write(f"{path.name}: skipped: {error}")
            continue
        if len(truth) < 3:
            tqdm.write(f"{path.name}: skipped: fewer than 3 frames with a face")
            continue
        prior = create_renderer(avatar, "geometric", size)
        judged = create_renderer(avatar, args.backend, size)
        renderers: dict[str, Renderer | Still | Smoothed] = {"static portrait": Still(prior, avatar)}
        renderers["motion prior"] = prior
        if type(judged) is not type(prior):
            renderers[args.backend] = judged
        renderers[f"{args.backend}, smoothed"] = Smoothed(judged)
        judge = Judge(recogniser, avatar)
        scores = reconstruct(truth, renderers, judge)
        per_clip[path.stem] = {name: mean_of(kept.rows) for name, kept in scores.items()}
        if last is not None:
            across.append(reenact(avatar, last, judged, judge))
        last = truth
        sheet.extend(rows_of(path.stem, truth, scores))
        if args.videos:
            films = [[frame.image for frame in truth], *(s.pictures for s in scores.values() if s.pictures)]
            frames = [np.concatenate(row, axis=1) for row in zip(*films, strict=True)]
            write_video(args.output / f"{path.stem}.mp4", frames, 25)
        if not editing:
            editing, pictures = edit(judged, avatar)
            write_picture(args.output / "editing.jpg", pictures)
        prior.close()
        judged.close()
    if not per_clip:
        raise MediaError(
            "No clip could be used.", "Use clips of one face, at least 48 pixels high, seen from the front."
        )
    names = list(next(iter(per_clip.values())))
    totals = {name: mean_of([figures[name] for figures in per_clip.values()]) for name in names}
    write_picture(args.output / "contact.jpg", grid(sheet))
    report = [f"Reconstruction: first frame to whole clip, {len(per_clip)} clips at {args.size}².", "", table(totals)]
    if across:
        crossed = mean_of(across)
        report += ["", "Reenactment by another person: " + ", ".join(f"{k} {v:.3f}" for k, v in crossed.items())]
    shares = [row["share"] for name, row in editing.items() if row["changed"] > 0]
    report += ["", f"Editing: on average {100 * np.mean(shares):.0f} % of a slider's change lies in its own region."]
    text = "\n".join(report)
    print(text)
    (args.output / "quality.md").write_text(text + "\n")
    figures = {"clips": per_clip, "total": totals, "reenactment": across, "editing": editing}
    (args.output / "quality.json").write_text(json.dumps(figures, indent=1))
    print(f"\nSheets: {args.output / 'contact.jpg'}, {args.output / 'editing.jpg'}")
    return 0


def rows_of(name: str, truth: list[TruthFrame], scores: dict[str, Scores]) -> list[list[Image]]:
    """Two rows for the contact sheet: the frames with the widest mouth and the largest turn."""
    opening = [float(np.linalg.norm(f.landmarks[13] - f.landmarks[14])) for f in truth]
    turn = [float(np.abs(f.motion.rotation - truth[0].motion.rotation).sum()) for f in truth]
    rows = []
    for index in (int(np.argmax(opening)), int(np.argmax(turn))):
        row = [labelled(truth[index].image, f"{name} truth {index}")]
        row += [labelled(kept.pictures[index], which) for which, kept in scores.items() if kept.pictures]
        rows.append(row)
    return rows
