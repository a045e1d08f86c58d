"""Rotations: the sign conventions of `live.frames`, and there and back again."""

from __future__ import annotations

import numpy as np
import pytest

from live.motion.pose import euler, rotation_matrix, small_rotation

NOSE, TOP, RIGHT = np.array([0, 0, 1.0]), np.array([0, 1.0, 0]), np.array([1.0, 0, 0])


def test_signs() -> None:
    assert (rotation_matrix(np.array([0.3, 0, 0])) @ NOSE)[1] < 0  # positive pitch looks down
    assert (rotation_matrix(np.array([0, 0.3, 0])) @ NOSE)[0] > 0  # positive yaw turns to the image's right
    assert (rotation_matrix(np.array([0, 0, 0.3])) @ RIGHT)[1] > 0  # positive roll lifts the image's right side


@pytest.mark.parametrize("angles", [(0, 0, 0), (0.4, -0.7, 0.2), (-1.0, 1.2, -2.0)])
def test_there_and_back(angles: tuple[float, float, float]) -> None:
    matrix = rotation_matrix(np.array(angles, np.float32))
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-5)
    assert euler(matrix) == pytest.approx(np.array(angles), abs=1e-4)


def test_rotation_vector() -> None:
    assert small_rotation(np.array([0.5, 0, 0], np.float32)) == pytest.approx(
        rotation_matrix(np.array([0.5, 0, 0], np.float32)), abs=1e-5
    )
    assert small_rotation(np.zeros(3, np.float32)) == pytest.approx(np.eye(3))
