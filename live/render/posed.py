"""Posing one person's mesh: coefficients and head pose in, points in the crop out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from live.frames import FloatArray
from live.motion.face_model import FaceModel
from live.motion.fitting import FaceFit
from live.motion.pose import rotation_matrix
from live.render.contact import Contact


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

    @property
    def rotation_to_head(self) -> FloatArray:
        """Float32 (3, 3) that turns rows of crop differences (y down) back into head axes (y up)."""
        return self.rotation * np.array([[1], [-1], [1]], np.float32)

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
        fit: of the photo: identity, and the expression in which the photo's correction holds.
        correction: of the photo, see `live.render.correction`; with it, lips and lids are made to meet
            (`live.render.contact`).

    Attributes:
        rest: float32 ((V + 478) * 3,), stacked points (mesh, then landmarks) at zero weights, head coordinates, cm.
        moves: float32 (68, (V + 478) * 3), how expression and residual move them.
        contact: what makes lips and lids meet, if there is a correction.
    """

    def __init__(self, model: FaceModel, fit: FaceFit, correction: Correction | None = None) -> None:
        nothing = np.zeros(len(model.mesh_expression), np.float32), np.zeros(len(model.mesh_residual), np.float32)
        neutral = np.concatenate([model.mesh(fit.identity, *nothing), model.landmarks(fit.identity, *nothing)])
        moves = np.concatenate(
            [
                np.concatenate([model.mesh_expression, model.mesh_residual]),
                np.concatenate([model.landmarks_expression, model.landmarks_residual]),
            ],
            axis=1,
        )
        self._vertices = len(model.mesh_mean)
        self.moves = np.ascontiguousarray(moves.reshape(len(moves), -1), np.float32)
        self.rest = neutral
        self.contact: Contact | None = None
        if correction is not None:
            self.rest = neutral + np.concatenate([correction.mesh, correction.landmarks])
            photo = np.concatenate([fit.expression, fit.residual]).astype(np.float32)
            self.contact = Contact(model, neutral, self.rest, self.moves, photo)
        self.rest = np.ascontiguousarray(self.rest.reshape(-1), np.float32)

    def pose(
        self, expression: FloatArray, residual: FloatArray, rotation: FloatArray, scale: float, offset: FloatArray
    ) -> PosedFace:
        """Pose the person.

        Args:
            expression: float32 (52,); residual: float32 (16,); rotation: float32 (3,) radians.
            scale: crop sides per cm; offset: float32 (2,), position of the head's origin in crop sides.
        """
        weights = np.concatenate([expression, residual]).astype(np.float32)
        shape = (self.rest + weights @ self.moves).reshape(-1, 3)
        if self.contact is not None:
            self.contact.steer(shape, expression)
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
