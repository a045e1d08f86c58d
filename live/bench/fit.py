"""`live bench fit`: landmark error of the face model on video clips, and the time of one fit."""

from __future__ import annotations

import argparse
import json
import time
from contextlib import closing
from pathlib import Path

import av
import numpy as np
from tqdm import tqdm

from live.errors import MediaError
from live.frames import FloatArray
from live.motion.face_model import FaceModel
from live.motion.fitting import FrameFitter, IdentityFitter, interocular
from live.motion.landmark_groups import EYELIDS, LIPS
from live.motion.trackers import open_tracker

IDENTITY_FRAMES = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of video clips with one face each"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")


def track(path: Path) -> tuple[list[FloatArray], list[FloatArray]]:
    """Landmarks and blendshapes of the frames that show a face."""
    landmarks, blendshapes = [], []
    with closing(open_tracker()) as tracker, av.open(path) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            face = tracker.track(image, round(float(frame.time or 0) * 1000))
            if face:
                landmarks.append(face.landmarks)
                blendshapes.append(face.blendshapes)
    return landmarks, blendshapes


def measure(path: Path, model: FaceModel) -> dict[str, float] | None:
    """Errors as fractions of the distance between the pupils, and ms per fit; `None` without a face."""
    landmarks, blendshapes = track(path)
    if not landmarks:
        return None
    step = max(1, len(landmarks) // IDENTITY_FRAMES)
    identity = IdentityFitter(model).fit(landmarks[::step], blendshapes[::step])
    fitter = FrameFitter(model, identity)
    previous = None
    every, detail, seconds = [], [], []
    for points, shapes in zip(landmarks, blendshapes, strict=True):
        start = time.perf_counter()
        previous = fitter.fit(points, shapes, previous=previous)
        seconds.append(time.perf_counter() - start)
        error = np.linalg.norm((fitter.landmarks_of(previous) - points)[:, :2], axis=1) / interocular(points)
        every.append(error.mean())
        detail.append(error[list(LIPS + EYELIDS)].mean())
    return {
        "frames": len(landmarks),
        "all": float(np.mean(every)),
        "lips_and_lids": float(np.mean(detail)),
        "fit_ms": float(np.median(seconds) * 1e3),
    }


def run(args: argparse.Namespace) -> int:
    """Measure every clip and print a table."""
    clips = sorted(p for p in args.data.glob("*") if p.suffix.lower() in (".mp4", ".mov", ".mkv", ".webm"))
    if not clips:
        raise MediaError(f"There is no video in {args.data}.", "Give a folder with .mp4 clips that show one face each.")
    model = FaceModel.load()
    rows = {}
    for clip in tqdm(clips, desc="fitting", unit="clip"):
        if figures := measure(clip, model):
            rows[clip.stem] = figures
        else:
            tqdm.write(f"{clip.name}: no face found, skipped")
    print(f"{'clip':<28}{'frames':>8}{'all %':>8}{'lips+lids %':>13}{'ms/fit':>8}")
    for name, row in rows.items():
        errors = f"{100 * row['all']:>8.2f}{100 * row['lips_and_lids']:>13.2f}"
        print(f"{name:<28}{row['frames']:>8}{errors}{row['fit_ms']:>8.2f}")
    total = {key: float(np.mean([row[key] for row in rows.values()])) for key in ("all", "lips_and_lids")}
    total["fit_ms"] = float(np.median([row["fit_ms"] for row in rows.values()]))
    print(f"{'mean':<36}{100 * total['all']:>8.2f}{100 * total['lips_and_lids']:>13.2f}{total['fit_ms']:>8.2f}")
    print("Mean landmark error in the image, in percent of the distance between the pupils.")
    if args.json:
        args.json.write_text(json.dumps({"clips": rows, "total": total}, indent=1))
    return 0
