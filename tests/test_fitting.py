"""Fitting recovers known faces: made by the model itself, posed, projected and disturbed."""

from __future__ import annotations

import numpy as np
import pytest

from live.motion.arkit import ARKIT_INDEX
from live.motion.face_model import FaceModel
from live.motion.fitting import FaceFit, FrameFitter, IdentityFitter, interocular

MODEL = FaceModel.load()


def made_face(
    identity: np.ndarray,
    *,
    expression: dict[str, float] | None = None,
    rotation: tuple[float, float, float] = (0, 0, 0),
) -> tuple[FaceFit, np.ndarray]:
    """A fit and its landmarks in the tracker's convention (z away from the viewer)."""
    weights = np.zeros(52, np.float32)
    for name, value in (expression or {}).items():
        weights[ARKIT_INDEX[name]] = value
    residual = np.zeros(16, np.float32)
    fit = FaceFit(
        identity, weights, residual, np.array(rotation, np.float32), 20.0, np.array([200, 210], np.float32), 0
    )
    points = fit.project(MODEL.landmarks(identity, weights, residual))
    return fit, points * np.array([1, 1, -1], np.float32)


@pytest.fixture
def identity() -> np.ndarray:
    return (np.random.default_rng(3).standard_normal(50) * 0.7).astype(np.float32)


@pytest.mark.parametrize("rotation", [(0, 0, 0), (0.2, 0.5, -0.2), (-0.25, -0.4, 0.3)])
def test_pose_and_expression_are_recovered(identity: np.ndarray, rotation: tuple[float, float, float]) -> None:
    wanted = {"jawOpen": 0.6, "mouthSmileLeft": 0.5, "browInnerUp": 0.4}
    truth, landmarks = made_face(identity, expression=wanted, rotation=rotation)
    fit = FrameFitter(MODEL, identity).fit(landmarks, truth.expression)
    assert fit.landmark_error < 0.005
    assert fit.rotation == pytest.approx(truth.rotation, abs=0.02)
    assert fit.scale == pytest.approx(truth.scale, rel=0.03)
    for name, value in wanted.items():
        assert fit.expression[ARKIT_INDEX[name]] == pytest.approx(value, abs=0.15), name


def test_a_previous_fit_gives_the_same_answer_in_one_round(identity: np.ndarray) -> None:
    fitter = FrameFitter(MODEL, identity)
    _, landmarks = made_face(identity, expression={"jawOpen": 0.3}, rotation=(0.1, 0.2, 0))
    first = fitter.fit(landmarks, rounds=6)
    again = fitter.fit(landmarks, previous=first)
    assert again.expression == pytest.approx(first.expression, abs=0.05)
    assert again.landmark_error < 0.01


def test_identity_is_shared_by_frames(identity: np.ndarray) -> None:
    poses = [(0, 0, 0), (0.1, 0.4, 0), (-0.1, -0.4, 0.1), (0.2, 0.1, 0)]
    frames = [made_face(identity, expression={"jawOpen": 0.15 * i}, rotation=r)[1] for i, r in enumerate(poses)]
    found = IdentityFitter(MODEL).fit(frames)

    def own_shape(coefficients: np.ndarray) -> np.ndarray:
        face = MODEL.landmarks(coefficients, np.zeros(52, np.float32), np.zeros(16, np.float32))
        face = face - face.mean(0)  # position and size belong to the pose
        return face / np.linalg.norm(face)

    mean, truth = own_shape(np.zeros(50, np.float32)), own_shape(identity)
    assert np.linalg.norm(own_shape(found) - truth) < 0.7 * np.linalg.norm(mean - truth)
    assert FrameFitter(MODEL, found).fit(frames[1]).landmark_error < 0.01


def test_noise_does_not_leave_the_bounds(identity: np.ndarray) -> None:
    _, landmarks = made_face(identity)
    noisy = landmarks + np.random.default_rng(0).normal(0, 0.3 * interocular(landmarks), landmarks.shape)
    fit = FrameFitter(MODEL, identity).fit(noisy.astype(np.float32))
    assert fit.expression.min() >= -0.1 and fit.expression.max() <= 1.2
    assert np.abs(fit.residual).max() <= 3.5
    assert np.isfinite(fit.rotation).all()


def test_landmarks_that_are_not_numbers_keep_the_previous_fit(identity: np.ndarray) -> None:
    fitter = FrameFitter(MODEL, identity)
    _, landmarks = made_face(identity, expression={"jawOpen": 0.5})
    before = fitter.fit(landmarks)
    landmarks[7] = np.nan
    after = fitter.fit(landmarks, previous=before)
    assert np.array_equal(after.expression, before.expression)
    assert after.landmark_error == float("inf")
    assert fitter.fit(landmarks).landmark_error == float("inf")


def test_an_identity_needs_a_frame() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        IdentityFitter(MODEL).fit([])
