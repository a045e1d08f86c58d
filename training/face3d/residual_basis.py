"""What the ICT shapes miss, learned from tracked people: a mean correction, identity modes and motion modes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from live.frames import RESIDUAL_COUNT
from live.motion.face_model import IDENTITY_COUNT, PART_EYEBALL, PART_FACE, PART_GUMS, PART_TEETH, FaceModel
from live.motion.fitting import FrameFitter, IdentityFitter, in_head, landmark_weights
from training.tracking import Person

Array = NDArray[np.float64]

LEARNED_IDENTITY = 10
"""The last identity modes are learned, the others are ICT's."""


@dataclass(frozen=True)
class Unexplained:
    """Head-coordinate landmark errors (cm) of a fit: `per_person` (P, 478, 3) means, `per_frame` (N, 478, 3) rest."""

    per_person: Array
    per_frame: Array


def unexplained(model: FaceModel, people: Sequence[Person]) -> Unexplained:
    """Fit everybody and keep what is left over."""
    means, rests = [], []
    for person in people:
        few = person.sample(10)
        identity = IdentityFitter(model, at_rest=person.at_rest).fit(few.landmarks, few.blendshapes)
        fitter = FrameFitter(model, identity, at_rest=person.at_rest)
        errors = []
        for landmarks, blendshapes in zip(person.landmarks, person.blendshapes, strict=True):
            fit = fitter.fit(landmarks, blendshapes)
            error = in_head(landmarks, fit) - model.landmarks(identity, fit.expression, fit.residual)
            # Depth is a guess of the tracker: believe little of it.
            error[:, 2] *= 0.3
            errors.append(error)
        mean = np.mean(errors, axis=0)
        means.append(mean)
        rests.extend(e - mean for e in errors)
    return Unexplained(np.array(means), np.array(rests))


def principal(samples: Array, count: int, weights: Array) -> Array:
    """Principal modes (count, 478, 3) of (N, 478, 3), each scaled to one standard deviation."""
    scaled = (samples * np.sqrt(weights)[None, :, None]).reshape(len(samples), -1)
    _, singular, modes = np.linalg.svd(scaled, full_matrices=False)
    modes = modes[:count].reshape(count, -1, 3) / np.sqrt(weights)[None, :, None]
    return np.asarray(modes * (singular[:count] / np.sqrt(len(samples)))[:, None, None])


def spread(model: FaceModel, landmark_fields: Array) -> Array:
    """Carry landmark displacements (M, 478, 3) to the mesh (M, V, 3): smooth on the skin, fading behind the ears.

    Teeth and gums move with the skull and the jaw, not with the lips in front of them, and eyeballs with the head.
    """
    skin = ~np.isin(model.mesh_part, (PART_TEETH, PART_GUMS, PART_EYEBALL))
    anchors = model.landmarks_mean[:468].astype(np.float64)
    count = len(landmark_fields)
    values = landmark_fields[:, :468].transpose(1, 0, 2).reshape(468, count * 3).astype(np.float64)
    spline = RBFInterpolator(anchors, values, kernel="linear", neighbors=24, smoothing=0.01)
    points = model.mesh_mean[skin].astype(np.float64)
    field = spline(points).reshape(len(points), count, 3).transpose(1, 0, 2)
    distance = np.linalg.norm(points[:, None] - anchors[None], axis=2).min(1)
    fade = np.exp(-((distance / 2.5) ** 2)) * np.where(model.mesh_part[skin] == PART_FACE, 1.0, 0.7)
    out = np.zeros((count, *model.mesh_mean.shape))
    out[:, skin] = field * fade[None, :, None]
    return out


def shifted(model: FaceModel, shift: Array) -> FaceModel:
    """The model with its mean face moved by landmark displacements (478, 3)."""
    return replace(
        model,
        landmarks_mean=(model.landmarks_mean + shift).astype(np.float32),
        mesh_mean=(model.mesh_mean + spread(model, shift[None])[0]).astype(np.float32),
    )


def learn(model: FaceModel, people: Sequence[Person]) -> FaceModel:
    """The model with its mean corrected and learned identity and motion modes filled in.

    The mean comes from people photographed at rest, so that zero weights mean a face at rest.
    """
    weights = np.sqrt(landmark_weights()).astype(np.float64)
    for turn in range(3):
        left = unexplained(model, [p for p in people if p.at_rest])
        print(f"mean, round {turn + 1}: {np.abs(left.per_person).mean():.4f} cm left at rest")
        model = shifted(model, left.per_person.mean(0))
    left = unexplained(model, people)
    print(f"identity: {np.abs(left.per_person).mean():.4f} cm left per person")
    modes = principal(left.per_person - left.per_person.mean(0), LEARNED_IDENTITY, weights)
    first = IDENTITY_COUNT - LEARNED_IDENTITY
    landmarks_identity, mesh_identity = model.landmarks_identity.copy(), model.mesh_identity.copy()
    landmarks_identity[first:], mesh_identity[first:] = modes, spread(model, modes)
    model = replace(model, landmarks_identity=landmarks_identity, mesh_identity=mesh_identity)
    left = unexplained(model, people)
    print(f"motion: {np.abs(left.per_frame).mean():.4f} cm left per frame")
    modes = principal(left.per_frame, RESIDUAL_COUNT, weights)
    return replace(
        model, landmarks_residual=modes.astype(np.float32), mesh_residual=spread(model, modes).astype(np.float32)
    )
