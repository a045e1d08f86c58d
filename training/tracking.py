"""Tracks the training clips and stills, then fits the face model to them.

Two caches under `training/work/`, both one `.npz` per clip:

* `landmarks/<folder>_<clip>.npz`: landmarks (N, 478, 3) px, blendshapes (N, 52), pts (N,) s, ok (N,), size (2,) h, w;
  `stills.npz`: lm (S, 478, 3), blendshapes (S, 52), names (S,).
* `tracks/<folder>_<clip>.npz` (needs the face model): the same frames that were tracked, plus identity (50,),
  expression (N, 52), residual (N, 16), rotation (N, 3), scale (N,), offset (N, 2), error (N,), frame (N,) index.

Example:
    python -m training.tracking --data ../shared/data          # landmarks
    python -m training.tracking --data ../shared/data --fit    # landmarks, then fits
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from live.motion.face_model import FaceModel
from live.motion.fitting import FrameFitter, IdentityFitter
from live.motion.openvino_tracker import OpenVinoFaceTracker

WORK = Path(__file__).parent / "work"
LANDMARKS = WORK / "landmarks"
TRACKS = WORK / "tracks"
FOLDERS = ("video", "grid", "eval")
"""`eval` is tracked to be measured; nothing in `training` learns from it."""


@dataclass
class Person:
    """Frames of one person: landmarks (478, 3) px and blendshapes (52,) each; `at_rest` if asked to look neutral."""

    landmarks: list[NDArray[np.float32]] = field(default_factory=list)
    blendshapes: list[NDArray[np.float32]] = field(default_factory=list)
    at_rest: bool = False

    def sample(self, count: int) -> Person:
        """About `count` frames, evenly spread."""
        step = max(1, len(self.landmarks) // count)
        return Person(self.landmarks[::step][:count], self.blendshapes[::step][:count], self.at_rest)


def track_clip(path: Path) -> dict[str, NDArray[np.generic]]:
    """Landmarks of every frame of a video file."""
    rows: dict[str, list[object]] = {"landmarks": [], "blendshapes": [], "pts": [], "ok": []}
    size = (0, 0)
    with OpenVinoFaceTracker() as tracker, av.open(path) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            image = frame.to_ndarray(format="rgb24")
            size = image.shape[:2]
            seconds = float(frame.pts * stream.time_base)
            face = tracker.track(image, round(seconds * 1000))
            rows["landmarks"].append(face.landmarks if face else np.zeros((478, 3), np.float32))
            rows["blendshapes"].append(face.blendshapes if face else np.zeros(52, np.float32))
            rows["pts"].append(seconds)
            rows["ok"].append(face is not None)
    return {**{k: np.array(v) for k, v in rows.items()}, "size": np.array(size)}


def track_stills(paths: list[Path]) -> dict[str, NDArray[np.generic]]:
    """Landmarks of photographs that show one face."""
    landmarks, blendshapes, names = [], [], []
    with OpenVinoFaceTracker(mode="image") as tracker:
        for path in tqdm(paths, desc="stills", unit="photo"):
            with av.open(path) as container:
                image = next(container.decode(video=0)).to_ndarray(format="rgb24")
            if face := tracker.track(np.ascontiguousarray(image)):
                landmarks.append(face.landmarks)
                blendshapes.append(face.blendshapes)
                names.append(path.name)
    return {"lm": np.array(landmarks), "blendshapes": np.array(blendshapes), "names": np.array(names)}


def person_of(name: str) -> str:
    """Who is in a clip: all of GRID is its speaker s1, otherwise every clip counts as a person of its own."""
    return "grid_s1" if "grid_" in name else name


def load_people(folder: Path, per_person: int = 60) -> list[Person]:
    """Everybody we may learn from: the talkers of the clips, and every still on its own."""
    clips: dict[str, Person] = {}
    for path in sorted(folder.glob("*.npz")):
        if path.stem.startswith("eval_") or path.stem == "stills":
            continue
        person = clips.setdefault(person_of(path.stem), Person())
        with np.load(path) as data:
            person.landmarks.extend(data["landmarks"][data["ok"]])
            person.blendshapes.extend(data["blendshapes"][data["ok"]])
    people = [p.sample(per_person) for p in clips.values() if len(p.landmarks) >= 10]
    with np.load(folder / "stills.npz") as data:
        for name, landmarks, blendshapes in zip(data["names"], data["lm"], data["blendshapes"], strict=True):
            people.append(Person([landmarks], [blendshapes], at_rest="_neutral" in str(name)))
    return people


def fit_clip(model: FaceModel, source: Path, identity: NDArray[np.float32] | None = None) -> dict[str, object]:
    """Fit every tracked frame of a landmark file; the identity is estimated from the clip unless given."""
    with np.load(source) as data:
        ok = data["ok"]
        landmarks, blendshapes, kept = data["landmarks"][ok], data["blendshapes"][ok], np.flatnonzero(ok)
        result: dict[str, object] = {
            "landmarks": landmarks,
            "blendshapes": blendshapes,
            "pts": data["pts"][ok],
            "frame": kept,
            "size": data["size"],
        }
    if not len(landmarks):
        raise ValueError(f"no face was tracked in {source}")
    if identity is None:
        step = max(1, len(landmarks) // 16)
        identity = IdentityFitter(model).fit(list(landmarks[::step]), list(blendshapes[::step]))
    fitter = FrameFitter(model, identity)
    fits = []
    previous = None
    for i, frame in enumerate(landmarks):
        follows = i > 0 and kept[i] == kept[i - 1] + 1
        previous = fitter.fit(frame, blendshapes[i], previous=previous if follows else None)
        fits.append(previous)
    result["identity"] = identity
    for name in ("expression", "residual", "rotation", "scale", "offset"):
        result[name] = np.array([getattr(f, name) for f in fits], np.float32)
    result["error"] = np.array([f.landmark_error for f in fits], np.float32)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="python -m training.tracking"
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the training data")
    parser.add_argument("--fit", action="store_true", help="fit the face model too (after `training.face3d`)")
    arguments = parser.parse_args()
    LANDMARKS.mkdir(parents=True, exist_ok=True)
    clips = [(f, p) for f in FOLDERS for p in sorted((arguments.data / f).glob("*.mp4"))]
    for folder, path in tqdm(clips, desc="tracking", unit="clip"):
        target = LANDMARKS / f"{folder}_{path.stem}.npz"
        if not target.exists():
            np.savez(target, **track_clip(path))  # type: ignore[arg-type]
    if not (stills := LANDMARKS / "stills.npz").exists():
        np.savez(stills, **track_stills(sorted((arguments.data / "portraits").glob("*.jpg"))))  # type: ignore[arg-type]
    if arguments.fit:
        TRACKS.mkdir(parents=True, exist_ok=True)
        model = FaceModel.load()
        sources = [LANDMARKS / f"{folder}_{path.stem}.npz" for folder, path in clips]
        for source in tqdm(sources, desc="fitting", unit="clip"):
            target = TRACKS / source.name
            if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
                np.savez(target, **fit_clip(model, source))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
