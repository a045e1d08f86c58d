"""Head rotation: (pitch, yaw, roll) and matrices, in the convention of `live.frames`."""

from __future__ import annotations

import numpy as np

from live.frames import FloatArray


def rotation_matrix(rotation: FloatArray) -> FloatArray:
    """`Rz(roll) @ Ry(yaw) @ Rx(pitch)` of float32 (3,) radians, as float32 (3, 3)."""
    pitch, yaw, roll = (float(v) for v in rotation)
    cp, sp = np.cos(pitch), np.sin(pitch)
    cy, sy = np.cos(yaw), np.sin(yaw)
    cr, sr = np.cos(roll), np.sin(roll)
    return np.array(
        [
            [cr * cy, cr * sy * sp - sr * cp, cr * sy * cp + sr * sp],
            [sr * cy, sr * sy * sp + cr * cp, sr * sy * cp - cr * sp],
            [-sy, cy * sp, cy * cp],
        ],
        np.float32,
    )


def euler(matrix: FloatArray) -> FloatArray:
    """Inverse of `rotation_matrix`: float32 (3,) pitch, yaw, roll in radians, yaw within ±π/2."""
    yaw = np.arcsin(np.clip(-matrix[2, 0], -1.0, 1.0))
    pitch = np.arctan2(matrix[2, 1], matrix[2, 2])
    roll = np.arctan2(matrix[1, 0], matrix[0, 0])
    return np.array([pitch, yaw, roll], np.float32)


def small_rotation(vector: FloatArray) -> FloatArray:
    """Rotation matrix (3, 3) of the rotation vector (3,) in radians (Rodrigues' formula)."""
    angle = float(np.linalg.norm(vector))
    x, y, z = (float(v) for v in vector)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], np.float32)
    if angle < 1e-8:
        return np.asarray(np.eye(3) + cross, np.float32)
    sine, cosine = np.sin(angle) / angle, (1.0 - np.cos(angle)) / angle**2
    return np.asarray(np.eye(3) + sine * cross + cosine * (cross @ cross), np.float32)
