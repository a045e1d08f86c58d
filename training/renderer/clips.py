"""Which material there is: clips and stills as lists of frames with tracked landmarks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray, Image
from live.motion.tracker import FaceTracker
from live.render.portrait import read_photo
from training.speech.media import read_video

HELD_OUT = (
    "liveportrait_d13", "echomimic_b", "real3d_may", "sadtalker_wda_a", "pcavs_audio_00086", "videoretalking_2",
    "latentsync_demo1", "tpsmm",
)  # fmt: skip
"""Clips of people that training never sees; every eighth person of the stills is held out as well."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One person before one camera.

    Attributes:
        name: unique; person: stills of one person share it.
        held_out: for validation only.
        files: one video, or stills of the same person from the same camera position.
    """

    name: str
    person: str
    held_out: bool
    files: tuple[Path, ...]

    @property
    def is_video(self) -> bool:
        """Whether the frames follow each other in time."""
        return self.files[0].suffix == ".mp4"

    def frames(self) -> Iterator[tuple[float, Image]]:
        """Media time and picture of each frame."""
        if self.is_video:
            yield from read_video(self.files[0])
        else:
            for i, path in enumerate(self.files):
                yield float(i), read_photo(path)


def find_clips(data: Path, grid_clips: int) -> list[Clip]:
    """All training material under `data`; never its `eval` folder. `grid_clips`: how many of the one GRID speaker."""
    videos = sorted((data / "video").glob("*.mp4"))
    clips = [Clip(f"video_{path.stem}", path.stem, path.stem in HELD_OUT, (path,)) for path in videos]
    grid = sorted((data / "grid").glob("*.mp4"))
    step = max(1, len(grid) // max(grid_clips, 1))
    clips += [Clip(f"grid_{path.stem}", "grid_s1", False, (path,)) for path in grid[::step][:grid_clips]]
    people: dict[str, list[Path]] = {}
    for path in sorted((data / "portraits").glob("*.jpg")):
        people.setdefault(re.sub(r"_(neutral|smiling)$", "", path.stem), []).append(path)
    for i, (person, files) in enumerate(people.items()):
        if len(files) > 1:
            clips.append(Clip(f"still_{person}", person, i % 8 == 7, tuple(files)))
    return clips


def landmarks_of(clip: Clip, tracks: Path) -> tuple[FloatArray, NDArray[np.bool_], NDArray[np.float64]]:
    """Landmarks (N, 478, 3) in pixels, which frames have a face, and media times; tracked once, then read again.

    A file in `tracks` named like the clip (with or without its kind in front) is used; otherwise one is written.
    """
    for name in (clip.name, clip.name.partition("_")[2]):
        path = tracks / f"{name}.npz"
        if path.is_file():
            with np.load(path) as data:
                landmarks = np.asarray(data["landmarks"], np.float32)
                pts = np.asarray(data["pts"], np.float64)
            found = np.isfinite(landmarks).all((1, 2)) & (np.abs(landmarks).sum((1, 2)) > 0)
            return landmarks, found, pts
    tracked, times = [], []
    with FaceTracker(mode="video" if clip.is_video else "image") as tracker:
        for i, (pts, image) in enumerate(clip.frames()):
            face = tracker.track(image, 40 * i) if clip.is_video else tracker.track(image)
            tracked.append(np.full((478, 3), np.nan, np.float32) if face is None else face.landmarks)
            times.append(pts)
    landmarks, pts_array = np.stack(tracked), np.array(times)
    tracks.mkdir(parents=True, exist_ok=True)
    np.savez(tracks / f"{clip.name}.npz", landmarks=landmarks, pts=pts_array)
    return landmarks, np.isfinite(landmarks).all((1, 2)), pts_array
