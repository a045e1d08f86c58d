"""Which material there is: clips and stills as lists of frames with tracked landmarks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from live.frames import EXPRESSION_COUNT, FloatArray, Image
from live.motion.openvino_tracker import OpenVinoFaceTracker
from live.motion.tracker import LANDMARK_COUNT
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


class Tracked(NamedTuple):
    """A clip's face: landmarks (N, 478, 3) in pixels, the tracker's blendshapes (N, 52), and where there is a face."""

    landmarks: FloatArray
    blendshapes: FloatArray
    found: NDArray[np.bool_]


def track(clip: Clip, tracks: Path) -> Tracked:
    """The clip's face; tracked once, then read again.

    A file in `tracks` named like the clip (with or without its kind in front) is used; otherwise one is written.
    """
    for name in (clip.name, clip.name.partition("_")[2]):
        path = tracks / f"{name}.npz"
        if path.is_file():
            with np.load(path) as data:
                return Tracked(*(data[key] for key in ("landmarks", "blendshapes", "ok")))
    landmarks, blendshapes, found = [], [], []
    with OpenVinoFaceTracker(mode="video" if clip.is_video else "image") as tracker:
        for _, image in clip.frames():
            face = tracker.track(image)
            found.append(face is not None)
            landmarks.append(face.landmarks if face else np.zeros((LANDMARK_COUNT, 3), np.float32))
            blendshapes.append(face.blendshapes if face else np.zeros(EXPRESSION_COUNT, np.float32))
    tracked = Tracked(np.stack(landmarks), np.stack(blendshapes), np.array(found))
    tracks.mkdir(parents=True, exist_ok=True)
    np.savez(
        tracks / f"{clip.name}.npz", landmarks=tracked.landmarks, blendshapes=tracked.blendshapes, ok=tracked.found
    )
    return tracked
