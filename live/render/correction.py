"""The part of a face that the model does not explain: landmark residuals of one photo, spread over the mesh.

With it the posed mesh meets the photo's landmarks exactly at rest, so that the warp starts from the photo itself.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.spatial.distance import cdist

from live.frames import FloatArray
from live.motion.arkit import ARKIT_INDEX
from live.motion.face_model import PART_EYE_SOCKET, PART_EYEBALL, PART_GUMS, PART_MOUTH_SOCKET, PART_TEETH, FaceModel
from live.motion.fitting import FaceFit
from live.motion.landmark_groups import LEFT_IRIS, LIPS, LOWER_LIP_INNER, RIGHT_IRIS, UPPER_LIP_INNER
from live.motion.pose import rotation_matrix
from live.render.posed import Correction

SKIN_LANDMARKS: Final = 468
JAW_DROP: Final = 0.5
"""Lips that touch would share a residual; the distances are those of a face with its mouth this far open."""
REACH_CM: Final = 5.0
"""Distance from the nearest landmark over which the residual fades (scalp, neck)."""
SMOOTHING_CM: Final = 0.02
"""Diagonal term of the kernel matrix against tracker noise between close landmarks."""
UPPER_TEETH_SHOWN_CM: Final = 0.35
LOWER_TEETH_SHOWN_CM: Final = 0.05
"""Height of the incisors that shows when the jaw drops and the lips are slack."""
LARGEST_TOOTH_SHIFT_CM: Final = 0.6


def photo_correction(model: FaceModel, fit: FaceFit, landmarks: FloatArray) -> Correction:
    """Spread what a fit leaves unexplained.

    Interpolates with the biharmonic kernel |r| of three dimensions (Carr et al. 2001, "Reconstruction and
    representation of 3D objects with radial basis functions").

    Args:
        model: the face model.
        fit: of the photo.
        landmarks: float32 (478, 3) tracked in the photo, pixels of the fit's picture.

    Returns:
        Shifts within the picture plane of the fit's pose, in head coordinates (cm).
    """
    head = model.landmarks(fit.identity, fit.expression, fit.residual)
    shift = np.zeros_like(head)
    shift[:, :2] = (landmarks[:, :2] - fit.project(head)[:, :2]) / np.float32(fit.scale)
    shift[:, 1] *= -1
    residual = shift @ rotation_matrix(fit.rotation)  # R^T applied to rows
    jaw = ARKIT_INDEX["jawOpen"]
    centres = (model.landmarks_mean + JAW_DROP * model.landmarks_expression[jaw])[:SKIN_LANDMARKS].astype(np.float64)
    targets = (model.mesh_mean + JAW_DROP * model.mesh_expression[jaw]).astype(np.float64)
    kernel = -cdist(centres, centres) - SMOOTHING_CM * np.eye(SKIN_LANDMARKS)
    system = np.zeros((SKIN_LANDMARKS + 1, SKIN_LANDMARKS + 1))
    system[:-1, :-1], system[-1, :-1], system[:-1, -1] = kernel, 1.0, 1.0
    known = np.zeros((SKIN_LANDMARKS + 1, 3))
    known[:-1] = residual[:SKIN_LANDMARKS]
    solution = np.linalg.solve(system, known)
    distance = cdist(targets, centres)
    mesh = -distance @ solution[:-1] + solution[-1]
    nearest = distance.min(1)
    mesh *= np.exp(-((np.maximum(nearest - 1.0, 0.0) / REACH_CM) ** 2))[:, None]
    part = model.mesh_part
    inside = np.isin(part, (PART_MOUTH_SOCKET, PART_GUMS, PART_TEETH))
    mesh[inside] = residual[list(LIPS)].mean(0)
    jaw_moves = np.linalg.norm(model.mesh_expression[jaw], axis=1) > 0.5
    for lower in (False, True):
        arch = inside & (part != PART_MOUTH_SOCKET) & (jaw_moves == lower)
        mesh[arch, 1] += _tooth_shift(model, fit, residual, float(mesh[inside, 1].mean()), lower)
    eyes = np.isin(part, (PART_EYEBALL, PART_EYE_SOCKET))
    on_left = model.mesh_mean[:, 0] > 0  # the subject's left is at the image's right
    mesh[eyes & on_left] = residual[list(LEFT_IRIS)].mean(0)
    mesh[eyes & ~on_left] = residual[list(RIGHT_IRIS)].mean(0)
    return Correction(mesh=mesh.astype(np.float32), landmarks=residual.astype(np.float32))


def _tooth_shift(model: FaceModel, fit: FaceFit, residual: FloatArray, already: float, lower: bool) -> float:
    """How much higher (cm) a tooth row must be to show as much as it should beyond the lip of a slack, open mouth.

    `already`: shift that it has, cm.
    """
    slack = np.zeros(len(fit.expression), np.float32)
    slack[ARKIT_INDEX["jawOpen"]] = JAW_DROP
    nothing = np.zeros(len(fit.residual), np.float32)
    landmarks = model.landmarks(fit.identity, slack, nothing) + residual
    mesh = model.mesh(fit.identity, slack, nothing)
    moves = np.linalg.norm(model.mesh_expression[ARKIT_INDEX["jawOpen"]], axis=1) > 0.5
    incisors = (model.mesh_part == PART_TEETH) & (moves == lower) & (np.abs(model.mesh_mean[:, 0]) < 0.9)
    if not incisors.any():
        return 0.0
    if lower:
        wanted = float(landmarks[LOWER_LIP_INNER[4], 1]) + LOWER_TEETH_SHOWN_CM
        edge = float(mesh[incisors, 1].max())
    else:
        wanted = float(landmarks[UPPER_LIP_INNER[4], 1]) - UPPER_TEETH_SHOWN_CM
        edge = float(mesh[incisors, 1].min())
    return float(np.clip(wanted - edge - already, -LARGEST_TOOTH_SHIFT_CM, LARGEST_TOOTH_SHIFT_CM))
