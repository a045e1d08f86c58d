"""The 3-D morphable face model: ICT identity and ARKit expressions, resampled onto the landmarks that the tracker sees.

Linear in its coefficients (3DMM, Blanz & Vetter 1999): `X = mean + identity·i + expression·e + residual·r`, in head
coordinates (cm). The asset is built by `training/face3d` from the ICT Face Model Light (USC ICT, MIT licence), the
MediaPipe canonical face (Apache-2.0) and landmarks tracked in the training clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from live.errors import ModelError
from live.frames import EXPRESSION_COUNT, RESIDUAL_COUNT, FloatArray

IDENTITY_COUNT: Final = 50
LANDMARK_COUNT: Final = 478

PART_FACE: Final = 0
PART_HEAD: Final = 1
PART_MOUTH_SOCKET: Final = 2
PART_EYE_SOCKET: Final = 3
PART_GUMS: Final = 4
PART_TEETH: Final = 5
PART_EYEBALL: Final = 6


@dataclass(frozen=True, slots=True)
class FaceModel:
    """Shapes of the model; all float32 in cm unless stated.

    Attributes:
        landmarks_mean: (478, 3) MediaPipe landmarks of the mean face at rest.
        landmarks_identity: (50, 478, 3), landmarks_expression: (52, 478, 3), landmarks_residual: (16, 478, 3).
        mesh_mean: (V, 3) surface with head, neck, mouth cavity, teeth, tongue and eyeballs.
        mesh_identity: (50, V, 3), mesh_expression: (52, V, 3), mesh_residual: (16, V, 3).
        mesh_faces: int32 (F, 3), counter-clockwise seen from outside.
        mesh_part: uint8 (V,), one of the `PART_*` constants.
        mesh_uv: (V, 2) texture coordinates in 0..1 (front projection of the mean face).
    """

    landmarks_mean: FloatArray
    landmarks_identity: FloatArray
    landmarks_expression: FloatArray
    landmarks_residual: FloatArray
    mesh_mean: FloatArray
    mesh_identity: FloatArray
    mesh_expression: FloatArray
    mesh_residual: FloatArray
    mesh_faces: NDArray[np.int32]
    mesh_part: NDArray[np.uint8]
    mesh_uv: FloatArray

    @staticmethod
    @cache
    def load(path: Path | None = None) -> FaceModel:
        """Read the asset that ships with the package, or another file of the same layout.

        Raises:
            ModelError: the file is missing, damaged or of another layout.
        """
        source = path or Path(str(resources.files("live") / "assets" / "face_model.npz"))
        hint = "Reinstall the package, or rebuild the file with `python -m training.face3d`."
        try:
            with np.load(source, allow_pickle=False) as data:
                arrays = {name: data[name] for name in data.files}
        except (OSError, ValueError, BadZipFile) as error:
            raise ModelError(f"The face model {source} cannot be read: {error}.", hint) from error
        names = FaceModel.__dataclass_fields__.keys()
        if missing := names - arrays.keys():
            raise ModelError(f"The face model {source} lacks {', '.join(sorted(missing))}.", hint)
        keep = {"mesh_faces": np.int32, "mesh_part": np.uint8}
        model = FaceModel(**{n: np.ascontiguousarray(arrays[n], keep.get(n, np.float32)) for n in names})
        expected = (IDENTITY_COUNT, EXPRESSION_COUNT, RESIDUAL_COUNT)
        found = (len(model.mesh_identity), len(model.mesh_expression), len(model.mesh_residual))
        if found != expected or model.landmarks_mean.shape != (LANDMARK_COUNT, 3):
            raise ModelError(f"The face model {source} has {found} modes instead of {expected}.", hint)
        return model

    def landmarks(self, identity: FloatArray, expression: FloatArray, residual: FloatArray) -> FloatArray:
        """The landmarks, float32 (478, 3), of coefficients (50,), (52,) and (16,)."""
        return (
            self.landmarks_mean
            + np.tensordot(identity, self.landmarks_identity, 1)
            + np.tensordot(expression, self.landmarks_expression, 1)
            + np.tensordot(residual, self.landmarks_residual, 1)
        ).astype(np.float32, copy=False)

    def mesh(self, identity: FloatArray, expression: FloatArray, residual: FloatArray) -> FloatArray:
        """The surface, float32 (V, 3), of coefficients (50,), (52,) and (16,)."""
        return (
            self.mesh_mean
            + np.tensordot(identity, self.mesh_identity, 1)
            + np.tensordot(expression, self.mesh_expression, 1)
            + np.tensordot(residual, self.mesh_residual, 1)
        ).astype(np.float32, copy=False)
