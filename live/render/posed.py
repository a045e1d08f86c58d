"""Posing one person's mesh: coefficients and head pose in, points in the crop out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from live.frames import FloatArray
from live.motion.face_model import FaceModel
from live.motion.fitting import FaceFit
from live.motion.pose import rotation_matrix


@dataclass(frozen=True, slots=True)
class PosedFace:
    """Where a face is in a square crop. Unit: the crop's side, so that any resolution can use it.

    Attributes:
        points: float32 (V, 3) mesh; x right 0..1, y down 0..1, z towards the viewer (origin: the head's).
        landmarks: float32 (478, 3), the same for the MediaPipe landmarks.
        rotation: float32 (3, 3) head to camera (y up).
        scale: crop sides per cm.
        offset: float32 (2,), position of the head's origin.
    """

    points: FloatArray
    landmarks: FloatArray
    rotation: FloatArray
    scale: float
    offset: FloatArray

    def project(self, head_points: FloatArray) -> FloatArray:
        """Head coordinates (N, 3) cm to the crop, float32 (N, 3)."""
        return _project(head_points, self.rotation, self.scale, self.offset)


@dataclass(frozen=True, slots=True)
class Correction:
    """What the model leaves unexplained of one photo, in head coordinates (cm); added to every pose.

    Attributes:
        mesh: float32 (V, 3).
        landmarks: float32 (478, 3).
    """

    mesh: FloatArray
    landmarks: FloatArray


class FacePoser:
    """Poses the mesh of one person.

    Args:
        model: the face model.
        identity: float32 (50,).
        correction: per-photo correction, see `live.render.correction`.
    """

    def __init__(self, model: FaceModel, identity: FloatArray, correction: Correction | None = None) -> None:
        nothing = np.zeros(model.mesh_expression.shape[0], np.float32), np.zeros(len(model.mesh_residual), np.float32)
        mesh = model.mesh(identity, *nothing)
        landmarks = model.landmarks(identity, *nothing)
        if correction is not None:
            mesh, landmarks = mesh + correction.mesh, landmarks + correction.landmarks
        self._vertices = len(mesh)
        self._rest = np.concatenate([mesh, landmarks]).reshape(-1)
        moves = np.concatenate(
            [
                np.concatenate([model.mesh_expression, model.mesh_residual]),
                np.concatenate([model.landmarks_expression, model.landmarks_residual]),
            ],
            axis=1,
        )
        self._moves = np.ascontiguousarray(moves.reshape(len(moves), -1), np.float32)

    def pose(
        self, expression: FloatArray, residual: FloatArray, rotation: FloatArray, scale: float, offset: FloatArray
    ) -> PosedFace:
        """Pose the person.

        Args:
            expression: float32 (52,); residual: float32 (16,); rotation: float32 (3,) radians.
            scale: crop sides per cm; offset: float32 (2,), position of the head's origin in crop sides.
        """
        weights = np.concatenate([expression, residual]).astype(np.float32)
        shape = (self._rest + weights @ self._moves).reshape(-1, 3)
        matrix = rotation_matrix(rotation)
        placed = _project(shape, matrix, scale, offset)
        return PosedFace(
            points=placed[: self._vertices],
            landmarks=placed[self._vertices :],
            rotation=matrix,
            scale=float(scale),
            offset=np.asarray(offset, np.float32),
        )

    def pose_fit(self, fit: FaceFit, side: float) -> PosedFace:
        """Pose as fitted to a crop whose side is `side` pixels; the fit's own identity is ignored."""
        return self.pose(fit.expression, fit.residual, fit.rotation, fit.scale / side, fit.offset / np.float32(side))


def _project(points: FloatArray, rotation: FloatArray, scale: float, offset: FloatArray) -> FloatArray:
    turned = points @ (rotation.T * np.float32(scale))
    turned[:, 1] *= -1
    turned[:, :2] += offset
    return np.ascontiguousarray(turned, np.float32)
