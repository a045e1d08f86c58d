"""The shipped face model: shapes, names that mean what they say, and damaged files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import live
from live.errors import ModelError
from live.motion.arkit import ARKIT_INDEX
from live.motion.face_model import PART_EYEBALL, PART_GUMS, PART_TEETH, FaceModel
from live.motion.landmark_groups import LEFT_EYE, LEFT_IRIS, RIGHT_EYE

MODEL = FaceModel.load()
UPPER_LIP, LOWER_LIP, LEFT_CORNER, RIGHT_CORNER = 13, 14, 291, 61


def moved(name: str) -> np.ndarray:
    return MODEL.landmarks_expression[ARKIT_INDEX[name]]


def test_coefficients_are_linear_and_zero_is_the_mean() -> None:
    zero = (np.zeros(50, np.float32), np.zeros(52, np.float32), np.zeros(16, np.float32))
    assert np.array_equal(MODEL.landmarks(*zero), MODEL.landmarks_mean)
    assert np.array_equal(MODEL.mesh(*zero), MODEL.mesh_mean)
    one = np.eye(52, dtype=np.float32)[ARKIT_INDEX["jawOpen"]]
    assert np.allclose(MODEL.landmarks(zero[0], one, zero[2]) - MODEL.landmarks_mean, moved("jawOpen"), atol=1e-5)


def test_jaw_opens_downwards_and_leaves_the_upper_lip() -> None:
    assert moved("jawOpen")[LOWER_LIP, 1] < -1.0
    assert abs(moved("jawOpen")[UPPER_LIP, 1]) < 0.4


def test_left_and_right_are_the_subjects() -> None:
    assert moved("mouthSmileLeft")[LEFT_CORNER, 1] > 0.4
    assert abs(moved("mouthSmileLeft")[RIGHT_CORNER, 1]) < 0.1
    assert MODEL.landmarks_mean[LEFT_CORNER, 0] > 0  # the subject's left is the image's right


def test_a_blink_closes_one_eye() -> None:
    rest = MODEL.landmarks_mean
    shut = rest + moved("eyeBlinkLeft")
    gap = lambda face, eye: np.ptp(face[list(eye), 1])  # noqa: E731
    assert gap(shut, LEFT_EYE) < 0.55 * gap(rest, LEFT_EYE)
    assert gap(shut, RIGHT_EYE) == pytest.approx(gap(rest, RIGHT_EYE), rel=0.02)


def test_gaze_turns_the_eyeball() -> None:
    assert moved("eyeLookInLeft")[LEFT_IRIS[0], 0] < -0.3
    assert moved("eyeLookUpLeft")[LEFT_IRIS[0], 1] > 0.3


def test_upper_teeth_stay_when_the_jaw_opens() -> None:
    teeth = MODEL.mesh_part == PART_TEETH
    fall = MODEL.mesh_expression[ARKIT_INDEX["jawOpen"]][teeth, 1]
    assert (np.abs(fall) < 0.05).sum() > 100
    assert (fall < -0.5).sum() > 100


def test_residual_shapes_leave_teeth_and_eyeballs_alone() -> None:
    inner = np.isin(MODEL.mesh_part, (PART_TEETH, PART_GUMS, PART_EYEBALL))
    assert not MODEL.mesh_residual[:, inner].any()
    assert MODEL.mesh_residual[:, ~inner].any()


def test_faces_are_valid_indices() -> None:
    assert MODEL.mesh_faces.min() == 0
    assert MODEL.mesh_faces.max() == len(MODEL.mesh_mean) - 1


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    broken = tmp_path / "face_model.npz"
    broken.write_bytes(b"not a model")
    with pytest.raises(ModelError, match="Reinstall"):
        FaceModel.load(broken)
    whole = (Path(live.__file__).parent / "assets" / "face_model.npz").read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    FaceModel.load.cache_clear()
    with pytest.raises(ModelError, match="Reinstall"):
        FaceModel.load(broken)
    np.savez(tmp_path / "other.npz", landmarks_mean=np.zeros((478, 3)))
    with pytest.raises(ModelError, match="lacks"):
        FaceModel.load(tmp_path / "other.npz")
