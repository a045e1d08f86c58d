"""Mouth weights of tracked clips: what the network should say. `python -m training.speech.targets --data DIR`.

The face is tracked picture by picture without temporal smoothing (which delays the lips by a third of a frame), posed
back into head coordinates, and the lips' and jaw's displacement from the person's own closed mouth is explained by the
face model's mouth expressions, left and right together, by non-negative least squares.
Output: `<work>/targets/<clip>.npz` with `pts` (n,), `mouth` (n, 19), `opening` and `width` (n,) in pupil distances
above rest, `rotation` (n, 3), `blendshapes` (n, 52).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from tqdm import tqdm

from live.bench.speech_reference import TrackedFilm, lip_reference, track_film
from live.motion.face_model import FaceModel
from live.motion.landmark_groups import INNER_LIP, LIPS
from live.motion.speech.network import MOUTH_COUNT, mouth_matrix

CHIN = (152, 148, 176, 149, 377, 400, 378, 175, 199, 200, 201, 421, 83, 313, 18)
CHEEKS = (50, 280, 205, 425, 187, 411, 216, 436, 212, 432, 64, 294)
DEPTH_WEIGHT = 0.15
RIDGE = 0.25
SMOOTHING = (0.15, 0.7, 0.15)


class MouthSolver:
    """Explains displacements of lips, chin and cheeks (cm) by the 19 mouth weights."""

    def __init__(self, model: FaceModel, ridge: float = RIDGE) -> None:
        self.points = [*LIPS, *CHIN, *CHEEKS]
        weights = np.ones(len(self.points))
        weights[: len(INNER_LIP)] = 3.0
        weights[: len(LIPS)] += 1.0
        self._weights = np.sqrt(weights[:, None] * np.array([1.0, 1.0, DEPTH_WEIGHT]))
        basis = np.tensordot(mouth_matrix(), model.landmarks_expression[:, self.points], 1)
        flat = (basis * self._weights).reshape(MOUTH_COUNT, -1).T
        self._matrix = np.concatenate((flat, ridge * np.eye(MOUTH_COUNT) * np.sqrt(len(self.points))))

    def solve(self, displacement: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights (19,) in 0..1 of a displacement (P, 3) of `points`."""
        vector = np.concatenate(((displacement * self._weights).reshape(-1), np.zeros(MOUTH_COUNT)))
        return np.minimum(nnls(self._matrix, vector)[0], 1.0)


def mouth_targets(film: TrackedFilm, model: FaceModel) -> dict[str, NDArray[np.generic]]:
    """See the module.

    Raises:
        ValueError: too few pictures show a face.
    """
    reference = lip_reference(film, model)
    solver = MouthSolver(model)
    moved = (reference.heads - reference.rest)[:, solver.points].astype(np.float64)
    mouth = np.stack([solver.solve(displacement) for displacement in moved])
    mouth = np.stack([np.convolve(np.pad(m, 1, mode="edge"), SMOOTHING, "valid") for m in mouth.T], 1)
    return {
        "pts": reference.pts,
        "mouth": mouth.astype(np.float32),
        "opening": reference.opening.astype(np.float32),
        "width": reference.width.astype(np.float32),
        "rotation": reference.rotation,
        "blendshapes": film.blendshapes[reference.seen],
    }


def main() -> None:
    """Track and solve every clip with sound that is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    options = parser.parse_args()
    model = FaceModel.load()
    tracks, target = options.work / "light", options.work / "targets"
    tracks.mkdir(parents=True, exist_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    for folder in ("video", "grid"):
        manifest = json.loads((options.data / folder / "manifest.json").read_text())
        for name in tqdm([n for n, e in manifest.items() if e["audio"]], desc=folder, mininterval=10):
            if not (tracks / f"{name}.npz").exists():
                film = track_film(options.data / folder / f"{name}.mp4")
                np.savez(tracks / f"{name}.npz", **asdict(film))
            if (target / f"{name}.npz").exists():
                continue
            try:
                np.savez(target / f"{name}.npz", **mouth_targets(TrackedFilm(**np.load(tracks / f"{name}.npz")), model))
            except ValueError as error:
                print(f"{name}: {error}")


if __name__ == "__main__":
    main()
