"""Fit the face model to tracked landmarks: identity once per person, pose and expression per frame.

The camera is weak-perspective: a head point `X` (cm) appears at `u = s·(R X)_x + tx`, `v = -s·(R X)_y + ty` (pixels).
The tracker's depth is used too, with a small weight. All steps are regularised linear least squares: the per-frame
solve has 68 unknowns (52 expressions, bounded, and 16 residuals) and takes well under a millisecond, because the normal
matrix is a combination of six matrices that depend only on the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numba
import numpy as np

from live.frames import EXPRESSION_COUNT, RESIDUAL_COUNT, FloatArray
from live.motion.arkit import ARKIT_INDEX, ARKIT_NAMES
from live.motion.face_model import IDENTITY_COUNT, FaceModel
from live.motion.landmark_groups import (
    EYELIDS,
    FACE_OVAL,
    INNER_LIP,
    LEFT_IRIS,
    LIPS,
    RIGHT_IRIS,
)
from live.motion.pose import euler, rotation_matrix, small_rotation

DEPTH_WEIGHT: Final = 0.15
"""Weight of the tracker's depth against its image position, squared error."""
NOISE_CM: Final = 0.35
"""Assumed landmark error, cm: large, because neighbouring errors are correlated and 478 points outvote any prior."""
IDENTITY_NOISE_CM: Final = 0.6
EXPRESSION_SIGMA: Final = 0.35
"""Prior spread of an ARKit weight around the tracker's own estimate of it, or around 0."""
RESIDUAL_SIGMA: Final = 0.6
"""Below 1, so that the named shapes explain what they can before the learned ones do."""
RESIDUAL_BOUND: Final = 3.5
EXPRESSION_BOUNDS: Final = (-0.1, 1.2)
"""A little beyond 0..1: a person's face at rest is not the model's."""
_PAIRS: Final = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


@dataclass(frozen=True, slots=True)
class FaceFit:
    """A face model laid over one frame.

    Attributes:
        identity: float32 (50,), standard deviations.
        expression: float32 (52,) ARKit weights within `EXPRESSION_BOUNDS`.
        residual: float32 (16,), standard deviations.
        rotation: float32 (3,) pitch, yaw, roll in radians.
        scale: pixels per cm.
        offset: float32 (2,) image position of the head's origin, pixels.
        depth_offset: depth of the head's origin in the tracker's arbitrary units, pixels.
        landmark_error: mean distance of model and tracked landmarks in the image, as a fraction of `interocular`.
    """

    identity: FloatArray
    expression: FloatArray
    residual: FloatArray
    rotation: FloatArray
    scale: float
    offset: FloatArray
    landmark_error: float
    depth_offset: float = 0.0

    def project(self, points: FloatArray) -> FloatArray:
        """Image positions and depth, float32 (N, 3): x, y in pixels, z towards the viewer in pixels."""
        turned = points @ rotation_matrix(self.rotation).T * self.scale
        turned[:, 1] *= -1
        turned[:, :2] += self.offset
        return np.asarray(turned, np.float32)


def interocular(landmarks: FloatArray) -> float:
    """Distance between the pupils' centres in pixels, as 3-D distance so that a turned head counts the same."""
    return float(np.linalg.norm(landmarks[RIGHT_IRIS[0]] - landmarks[LEFT_IRIS[0]]))


def landmark_weights() -> FloatArray:
    """Weight of each landmark, float32 (478,): lips, lids and irises count more, the sliding outline less."""
    weights = np.ones(478, np.float32)
    weights[list(FACE_OVAL)] = 0.4
    weights[list(EYELIDS)] = 5.0
    weights[list(LIPS)] = 3.0
    weights[list(INNER_LIP)] = 4.0
    weights[list(RIGHT_IRIS + LEFT_IRIS)] = 2.0
    return weights


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _bounded_solve(
    matrix: FloatArray, vector: FloatArray, lower: FloatArray, upper: FloatArray, start: FloatArray, sweeps: int
) -> FloatArray:
    """Minimise x'Ax/2 - b'x within bounds by coordinate descent; converges for positive definite A."""
    x = start.copy()
    gradient = matrix @ x - vector
    for _ in range(sweeps):
        largest = 0.0
        for i in range(len(x)):
            new = min(max(x[i] - gradient[i] / matrix[i, i], lower[i]), upper[i])
            step = new - x[i]
            if step != 0.0:
                x[i] = new
                for j in range(len(x)):
                    gradient[j] += step * matrix[j, i]
                largest = max(largest, abs(step))
        if largest < 1e-4:
            break
    return x


class FrameFitter:
    """Fits pose, expression and residual of one known person, frame after frame.

    Args:
        model: the face model.
        identity: float32 (50,) of the person.
        at_rest: the face is known to be neutral: fit its pose only.
    """

    def __init__(self, model: FaceModel, identity: FloatArray | None = None, *, at_rest: bool = False) -> None:
        self._model = model
        self._weights = landmark_weights()
        basis = np.concatenate([model.landmarks_expression, model.landmarks_residual])
        self._basis = np.ascontiguousarray(basis.transpose(1, 2, 0))  # (478, 3, 68)
        weighted = self._basis * self._weights[:, None, None]
        gram = np.einsum("nai,nbj->abij", weighted, self._basis, optimize=True)
        self._gram = [gram[a, b] if a == b else gram[a, b] + gram[b, a] for a, b in _PAIRS]
        sigma = np.full(EXPRESSION_COUNT, EXPRESSION_SIGMA, np.float32)
        sigma[ARKIT_INDEX["tongueOut"]] = 1e-3  # invisible to the landmarks
        sigma[ARKIT_INDEX["mouthClose"]] = 0.2  # nearly the inverse of jawOpen; keep it small
        self._prior = np.concatenate([sigma, np.full(RESIDUAL_COUNT, RESIDUAL_SIGMA, np.float32)]) ** -2
        # The tracker reads lowered lids and gaze into many open eyes; there the landmarks know better.
        self._trust = np.array(
            [0.0 if n.startswith(("eyeLook", "eyeSquint")) else 0.8 for n in ARKIT_NAMES], np.float32
        )
        count = (EXPRESSION_COUNT, RESIDUAL_COUNT)
        low, high = (0.0, 0.0) if at_rest else EXPRESSION_BOUNDS
        extent = 0.0 if at_rest else RESIDUAL_BOUND
        self._lower = np.repeat(np.array([low, -extent], np.float32), count)
        self._upper = np.repeat(np.array([high, extent], np.float32), count)
        self.set_identity(np.zeros(IDENTITY_COUNT, np.float32) if identity is None else identity)

    def set_identity(self, identity: FloatArray) -> None:
        """Change the person, float32 (50,)."""
        self.identity = np.asarray(identity, np.float32)
        self._rest = self._model.landmarks_mean + np.tensordot(self.identity, self._model.landmarks_identity, 1)
        self._rest = self._rest.astype(np.float32)

    def fit(
        self,
        landmarks: FloatArray,
        blendshapes: FloatArray | None = None,
        *,
        previous: FaceFit | None = None,
        rounds: int = 3,
    ) -> FaceFit:
        """Fit one frame.

        Args:
            landmarks: float32 (478, 3) in pixels, as `FaceTracker` gives them (y down, z away from the viewer).
            blendshapes: float32 (52,), the tracker's own estimate of the ARKit weights. It decides between
                combinations that move the landmarks alike, so that each weight means what its name says.
            previous: the preceding frame's fit, a good start: one round is enough.
            rounds: Gauss-Newton steps.

        Returns:
            The fit. Landmarks that are not finite give the previous fit, or a neutral one, with infinite error.
        """
        if not np.isfinite(landmarks).all():
            return replace(previous or self._neutral(), landmark_error=float("inf"))
        target = landmarks * np.array([1, -1, -1], np.float32)  # to the head's axes: y up, z to the viewer
        coefficients = np.zeros(EXPRESSION_COUNT + RESIDUAL_COUNT, np.float32)
        expected = np.zeros_like(coefficients)
        if blendshapes is not None:
            expected[:EXPRESSION_COUNT] = np.nan_to_num(blendshapes) * self._trust
        if previous is not None:
            coefficients = np.concatenate([previous.expression, previous.residual])
            rotation, scale, offset = (
                rotation_matrix(previous.rotation),
                previous.scale,
                np.array([previous.offset[0], -previous.offset[1], previous.depth_offset], np.float32),
            )
            shape = self._shape(coefficients)
        else:
            shape = self._rest
            rotation, scale, offset = rigid_start(shape, target, self._weights)
        for _ in range(rounds if previous is None else 1):
            coefficients, step = self._solve(target, shape, rotation, scale, offset, expected, coefficients)
            rotation = orthonormal(small_rotation(step[:3]) @ rotation)
            scale *= float(np.exp(np.clip(step[3], -0.5, 0.5)))
            offset = offset + step[4:]
            shape = self._shape(coefficients)
        placed = scale * shape @ rotation.T + offset
        error = np.linalg.norm((placed - target)[:, :2], axis=1).mean() / max(interocular(landmarks), 1e-6)
        return FaceFit(
            identity=self.identity,
            expression=coefficients[:EXPRESSION_COUNT].copy(),
            residual=coefficients[EXPRESSION_COUNT:].copy(),
            rotation=euler(rotation),
            scale=float(scale),
            offset=np.array([offset[0], -offset[1]], np.float32),
            landmark_error=float(error),
            depth_offset=float(offset[2]),
        )

    def landmarks_of(self, fit: FaceFit) -> FloatArray:
        """The fit's landmarks in the image, float32 (478, 3): pixels, z towards the viewer."""
        return fit.project(self._shape(np.concatenate([fit.expression, fit.residual])))

    def _shape(self, coefficients: FloatArray) -> FloatArray:
        return np.asarray(self._rest + self._basis @ coefficients, np.float32)

    def _solve(
        self,
        target: FloatArray,
        shape: FloatArray,
        rotation: FloatArray,
        scale: float,
        offset: FloatArray,
        expected: FloatArray,
        start: FloatArray,
    ) -> tuple[FloatArray, FloatArray]:
        """One Gauss-Newton step: new coefficients (68,) and pose step (7,): rotation vector, log scale, offset.

        Jaw and pitch, smile and size move the landmarks alike, so that alternating between them creeps. Pose and
        coefficients are therefore solved together: the pose is eliminated (Schur complement), the bounded problem
        of the coefficients is solved, and the pose follows.
        """
        metric = rotation.T @ np.diag(np.array([1, 1, DEPTH_WEIGHT], np.float32)) @ rotation / NOISE_CM**2
        matrix = np.diag(self._prior)
        for (a, b), gram in zip(_PAIRS, self._gram, strict=True):
            matrix = matrix + metric[a, b] * gram
        observed = (target - offset) @ rotation / scale - self._rest  # head coordinates, cm
        vector = np.tensordot((observed * self._weights[:, None]) @ metric, self._basis, 2) + self._prior * expected
        pose = pose_jacobian(shape, rotation, scale)
        weighted = np.einsum("n,ab,nbk->nak", self._weights, metric, pose, optimize=True)
        own = np.tensordot(weighted, pose, ((0, 1), (0, 1))) + 1e-6 * np.eye(7, dtype=np.float32)
        shared = np.tensordot(self._basis, weighted, ((0, 1), (0, 1)))  # (68, 7)
        pull = np.tensordot(weighted, observed, ((0, 1), (0, 1)))
        solved = np.linalg.solve(own, np.column_stack([shared.T, pull]))
        coefficients: FloatArray = _bounded_solve(
            np.ascontiguousarray(matrix - shared @ solved[:, :-1], np.float32),
            np.asarray(vector - shared @ solved[:, -1], np.float32),
            self._lower,
            self._upper,
            start,
            60,
        )
        return coefficients, np.asarray(solved[:, -1] - solved[:, :-1] @ coefficients, np.float32)

    def _neutral(self) -> FaceFit:
        return FaceFit(
            self.identity,
            np.zeros(EXPRESSION_COUNT, np.float32),
            np.zeros(RESIDUAL_COUNT, np.float32),
            np.zeros(3, np.float32),
            1.0,
            np.zeros(2, np.float32),
            float("inf"),
        )


class IdentityFitter:
    """Estimates who somebody is from several frames, by alternating frame fits and one shared identity solve."""

    def __init__(self, model: FaceModel, *, at_rest: bool = False) -> None:
        self._model = model
        self._frames = FrameFitter(model, at_rest=at_rest)
        weights = np.sqrt(landmark_weights() / IDENTITY_NOISE_CM**2)
        self._basis = np.ascontiguousarray((model.landmarks_identity * weights[None, :, None]).transpose(1, 2, 0))
        self._scale = weights

    def fit(
        self, frames: Sequence[FloatArray], blendshapes: Sequence[FloatArray] | None = None, rounds: int = 6
    ) -> FloatArray:
        """Identity, float32 (50,), of landmarks (478, 3) in pixels of one person; more and varied frames are better.

        `blendshapes` are the tracker's (52,) for each frame, see `FrameFitter.fit`.

        Raises:
            ValueError: `frames` is empty.
        """
        if not frames:
            raise ValueError("an identity needs at least one frame of landmarks")
        identity = np.zeros(IDENTITY_COUNT, np.float32)
        fits: list[FaceFit | None] = [None] * len(frames)
        for _ in range(rounds):
            self._frames.set_identity(identity)
            matrix = np.eye(IDENTITY_COUNT, dtype=np.float64)
            vector = np.zeros(IDENTITY_COUNT)
            for i, landmarks in enumerate(frames):
                fit = self._frames.fit(landmarks, blendshapes[i] if blendshapes is not None else None, previous=fits[i])
                fits[i] = fit
                rotation = rotation_matrix(fit.rotation)
                observed = in_head(landmarks, fit)
                coefficients = np.concatenate([fit.expression, fit.residual])
                moved = np.tensordot(self._frames._basis, coefficients, 1)
                error = (observed - self._model.landmarks_mean - moved) * self._scale[:, None]
                root = rotation.T @ np.diag(np.array([1, 1, DEPTH_WEIGHT**0.5], np.float32)) @ rotation
                basis = np.einsum("ab,nbk->nak", root, self._basis).reshape(-1, IDENTITY_COUNT)
                matrix += basis.T @ basis
                vector += basis.T @ (error @ root).reshape(-1)
            # Frames of one clip are not independent: beyond a few, more of them must not outvote the prior.
            share = min(1.0, 8 / len(frames))
            matrix = np.eye(IDENTITY_COUNT) + share * (matrix - np.eye(IDENTITY_COUNT))
            identity = np.clip(np.linalg.solve(matrix, share * vector), -4, 4).astype(np.float32)
        return identity


def in_head(landmarks: FloatArray, fit: FaceFit) -> FloatArray:
    """Tracked landmarks (478, 3), pixels, moved by a fit's pose into head coordinates, cm."""
    target = landmarks * np.array([1, -1, -1], np.float32)
    offset = np.array([fit.offset[0], -fit.offset[1], fit.depth_offset], np.float32)
    return np.asarray((target - offset) @ rotation_matrix(fit.rotation) / fit.scale, np.float32)


def rigid_start(shape: FloatArray, target: FloatArray, weights: FloatArray) -> tuple[FloatArray, float, FloatArray]:
    """Best similarity from `shape` to `target`, both (N, 3) (Umeyama 1991): rotation, scale, offset."""
    w = (weights / weights.sum())[:, None]
    mean_shape, mean_target = (w * shape).sum(0), (w * target).sum(0)
    a, b = shape - mean_shape, target - mean_target
    u, singular, vt = np.linalg.svd((b * w).T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = float((singular * sign).sum() / max(float((w * a**2).sum()), 1e-12))
    offset = mean_target - scale * rotation @ mean_shape
    return rotation.astype(np.float32), scale, offset.astype(np.float32)


def pose_jacobian(shape: FloatArray, rotation: FloatArray, scale: float) -> FloatArray:
    """How head points (N, 3), cm, move with the pose, float32 (N, 3, 7), in head coordinates.

    The seven: a rotation vector about the camera's axes, the logarithm of the scale, and the offset x, y, z in pixels.
    """
    turned = shape @ rotation.T
    x, y, z = turned[:, 0], turned[:, 1], turned[:, 2]
    jacobian = np.zeros((len(shape), 7, 3), np.float32)
    jacobian[:, 0, 1], jacobian[:, 0, 2] = -z, y
    jacobian[:, 1, 0], jacobian[:, 1, 2] = z, -x
    jacobian[:, 2, 0], jacobian[:, 2, 1] = -y, x
    jacobian[:, 3] = turned
    jacobian[:, 4:] = np.eye(3, dtype=np.float32) / scale
    return np.ascontiguousarray((jacobian @ rotation).transpose(0, 2, 1))


def orthonormal(matrix: FloatArray) -> FloatArray:
    """The rotation nearest to a nearly orthonormal (3, 3): products of many small steps drift."""
    u, _, vt = np.linalg.svd(matrix)
    return np.asarray(u @ vt, np.float32)
