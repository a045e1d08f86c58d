"""Packing: stabilised crops and fits of all clips, in the files that `pack_format` describes.

Run once; training reads nothing else.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from live.frames import FloatArray
from live.motion.arkit import ARKIT_INDEX
from live.motion.face_model import FaceModel
from live.motion.fitting import FrameFitter, IdentityFitter
from live.motion.landmark_groups import INNER_LIP
from live.render.opening import gap
from live.render.portrait import crop, crop_box
from training.renderer.clips import Clip, find_clips, track
from training.renderer.pack_format import SIDE, SOURCE_SIDE, encode

SOURCES_PER_CLIP = 4
LARGEST_ERROR = 0.06
"""Fits worse than this (mean landmark error over the distance between the pupils) are left out."""
SMALLEST_FACE = 70.0
"""Pixels between forehead and chin below which a clip is left out."""


@dataclass
class Pack:
    """What is collected over the clips; written by `write`."""

    frames: list[bytes] = field(default_factory=list)
    sources: list[bytes] = field(default_factory=list)
    columns: dict[str, list[FloatArray]] = field(default_factory=dict)

    def add(self, **values: object) -> None:
        """Append one row to the columns named."""
        for name, value in values.items():
            self.columns.setdefault(name, []).append(np.asarray(value))

    def write(self, folder: Path) -> None:
        """Write the three files."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.stack(rows) for name, rows in self.columns.items()}
        for name, pictures in (("frame", self.frames), ("source", self.sources)):
            (folder / f"{name}s.bin").write_bytes(b"".join(pictures))
            arrays[f"{name}_start"] = np.cumsum([0, *map(len, pictures)])
        np.savez(folder / "index.npz", **arrays)


def add_clip(pack: Pack, clip: Clip, tracks: Path, model: FaceModel, most: int) -> str:
    """Pack one clip with at most `most` frames; returns what was done."""
    landmarks, blendshapes, found = track(clip, tracks)
    if found.sum() < (12 if clip.is_video else 2):
        return "no face"
    middle = np.median(landmarks[found], axis=0)
    if np.linalg.norm(middle[10] - middle[152]) < SMALLEST_FACE:
        return "face too small"
    first = next(iter(clip.frames()))[1]
    box = crop_box(middle.astype(np.float32), first)
    shift = np.array([box.left, box.top, 0], np.float32)
    landmarks = (landmarks - shift) * np.float32(SOURCE_SIDE / box.side)
    rows = np.flatnonzero(found)
    some = rows[:: max(1, len(rows) // 16)]
    identity = IdentityFitter(model).fit(list(landmarks[some]), list(blendshapes[some]))
    fitter = FrameFitter(model, identity)
    valid = np.zeros(len(landmarks), np.bool_)
    fit = None
    start = len(pack.columns.get("expression", []))
    for i, points in enumerate(landmarks):
        if found[i]:
            fit = fitter.fit(points, blendshapes[i], previous=fit if clip.is_video else None)
            inside = bool(np.all((points[:, :2] > -40) & (points[:, :2] < SOURCE_SIDE + 40)))
            valid[i] = fit.landmark_error < LARGEST_ERROR and inside
        if fit is None:
            fit = fitter.fit(landmarks[rows[0]], blendshapes[rows[0]])
        pack.add(
            expression=fit.expression,
            residual=fit.residual,
            rotation=fit.rotation,
            scale=np.float32(fit.scale / SOURCE_SIDE),
            offset=(fit.offset / SOURCE_SIDE).astype(np.float32),
            valid=valid[i],
        )
    pack.add(identity=identity, clip_name=np.array(clip.name, "U64"), clip_held_out=clip.held_out, clip_start=start)
    chosen = choose_frames(landmarks, valid, most)
    portraits = choose_portraits(pack, start, chosen, clip)
    wanted = dict.fromkeys(chosen.tolist())
    for i, (_, image) in enumerate(clip.frames()):
        if i not in wanted:
            continue
        large = crop(image, box)
        if i in portraits:
            pack.add(source_frame=len(pack.frames))
            pack.sources.append(encode(large))
        pack.frames.append(encode(cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA)))
        pack.add(frame_row=start + i, frame_landmarks=(landmarks[i] / SOURCE_SIDE).astype(np.float32))
    return f"{len(chosen)} frames, {len(portraits)} portraits, {valid.mean():.0%} valid"


def choose_frames(landmarks: FloatArray, valid: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    """Which frames to keep: half at regular steps, half with the widest open mouths."""
    rows = np.flatnonzero(valid)
    if len(rows) <= most:
        return rows
    regular = rows[np.linspace(0, len(rows) - 1, most // 2).astype(int)]
    rest = np.setdiff1d(rows, regular)
    opening = np.array([gap(landmarks[i], INNER_LIP).mean() for i in rest])
    widest = rest[np.argsort(-opening)[: most - len(regular)]]
    return np.sort(np.concatenate([regular, widest]))


def choose_portraits(pack: Pack, start: int, chosen: NDArray[np.intp], clip: Clip) -> set[int]:
    """Frames to animate: the most portrait-like (front, eyes open, mouth closed), and others spread over the clip."""
    if not clip.is_video or len(chosen) == 0:
        return set(chosen.tolist())
    expression = np.stack([pack.columns["expression"][start + i] for i in chosen])
    rotation = np.stack([pack.columns["rotation"][start + i] for i in chosen])
    jaw, left, right = (expression[:, ARKIT_INDEX[n]] for n in ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight"))
    cost = np.abs(rotation[:, :2]).sum(1) * 2 + np.maximum(jaw, 0) * 2 + np.maximum(left, 0) + np.maximum(right, 0)
    best = {int(chosen[np.argmin(cost)])}
    good = chosen[cost < np.quantile(cost, 0.7)]
    return best | {int(good[i]) for i in np.linspace(0, len(good) - 1, SOURCES_PER_CLIP - 1).astype(int)}


def main() -> None:
    """Pack everything."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tracks", type=Path, default=Path("training/work/renderer/tracks"))
    parser.add_argument("--out", type=Path, default=Path("training/work/renderer/pack"))
    parser.add_argument("--frames", type=int, default=150, help="most frames per clip")
    parser.add_argument("--grid", type=int, default=24, help="clips of the GRID speaker")
    arguments = parser.parse_args()
    model = FaceModel.load()
    pack = Pack()
    for clip in tqdm(find_clips(arguments.data, arguments.grid)):
        tqdm.write(f"{clip.name}: {add_clip(pack, clip, arguments.tracks, model, arguments.frames)}")
    pack.add(clip_start=len(pack.columns["expression"]))
    pack.write(arguments.out)
    print(f"{len(pack.frames)} frames and {len(pack.sources)} portraits in {arguments.out}")


if __name__ == "__main__":
    main()
