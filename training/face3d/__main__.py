"""Builds the face model asset.

Example:
    python -m training.tracking --data ../shared/data          # once: landmarks of the training clips and stills
    python -m training.face3d --data ../shared/data
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from live.motion.face_model import IDENTITY_COUNT, FaceModel
from training.face3d.decimation import decimate
from training.face3d.ict import load_ict
from training.face3d.registration import embed_landmarks
from training.face3d.residual_basis import LEARNED_IDENTITY, learn
from training.tracking import LANDMARKS, load_people

ASSET = Path(__file__).parents[2] / "live" / "assets" / "face_model.npz"


def read_canonical(path: Path) -> NDArray[np.float64]:
    """Vertices (468, 3) of MediaPipe's canonical face, cm."""
    rows = [line.split()[1:4] for line in path.read_text().splitlines() if line.startswith("v ")]
    return np.array(rows, float)


def base_model(data: Path) -> FaceModel:
    """ICT's shapes at the landmarks and at the light mesh; learned modes are still zero."""
    ict = load_ict(data / "face3d" / "ict_facekit.npz")
    vertices, weights = embed_landmarks(ict, read_canonical(data / "face3d" / "canonical_face_model.obj"))
    mesh = decimate(ict)

    def at_landmarks(field: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.einsum("vk,vkc->vc", weights, field[vertices]))

    kept = ict.identity[: IDENTITY_COUNT - LEARNED_IDENTITY]
    blank = [np.zeros_like(ict.neutral)] * LEARNED_IDENTITY
    identity = [*kept, *blank]
    neutral = mesh.resample(ict.neutral)
    low, high = neutral.min(0), neutral.max(0)
    return FaceModel(
        landmarks_mean=at_landmarks(ict.neutral).astype(np.float32),
        landmarks_identity=np.array([at_landmarks(f) for f in identity], np.float32),
        landmarks_expression=np.array([at_landmarks(f) for f in ict.expression], np.float32),
        landmarks_residual=np.zeros((16, 478, 3), np.float32),
        mesh_mean=neutral.astype(np.float32),
        mesh_identity=np.array([mesh.resample(f) for f in identity], np.float32),
        mesh_expression=np.array([mesh.resample(f) for f in ict.expression], np.float32),
        mesh_residual=np.zeros((16, *neutral.shape), np.float32),
        mesh_faces=mesh.faces,
        mesh_part=mesh.part,
        mesh_uv=((neutral - low) / (high - low))[:, :2].astype(np.float32),
    )


def save(model: FaceModel, path: Path) -> None:
    """Write the asset: half precision for the modes (their rounding is below 0.01 mm), compressed."""
    arrays = {}
    for field in fields(model):
        value = getattr(model, field.name)
        if field.name.startswith("mesh_faces"):
            value = value.astype(np.uint16)
        elif value.ndim == 3:
            value = value.astype(np.float16)
        arrays[field.name] = value
    np.savez_compressed(path, **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="python -m training.face3d"
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the training data")
    parser.add_argument("--landmarks", type=Path, default=LANDMARKS, help="cache written by training.tracking")
    parser.add_argument("-o", "--output", type=Path, default=ASSET)
    arguments = parser.parse_args()
    model = base_model(arguments.data)
    people = load_people(arguments.landmarks)
    print(f"{len(people)} people, {sum(len(p.landmarks) for p in people)} frames")
    save(learn(model, people), arguments.output)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
