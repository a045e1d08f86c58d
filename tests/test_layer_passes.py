from __future__ import annotations

import numpy as np

from live.render.grid import smooth_step
from live.render.layer_passes import affine_positions, lay_eye, shade

RANDOM = np.random.default_rng(11)


def uniform(*shape: int, high: float = 1.0) -> np.ndarray:
    return RANDOM.uniform(0, high, shape).astype(np.float32)


def test_positions_are_the_map_of_the_pixels() -> None:
    affine = RANDOM.normal(size=(2, 3))
    got = affine_positions(affine, 7, 5)
    assert got.shape == (5, 7, 2) and got.dtype == np.float32
    np.testing.assert_allclose(got[4, 2], affine @ (2, 4, 1), rtol=1e-6)


def test_an_eye_is_white_under_iris_under_shadow_under_the_photo() -> None:
    size = (6, 9)
    under = RANDOM.integers(0, 256, (*size, 3)).astype(np.uint8)
    alpha, shadow, known, iris_alpha = (uniform(*size) for _ in range(4))
    white, iris, photo = (uniform(*size, 3, high=200) for _ in range(3))
    alpha[0] = 0
    composed = (white * (1 - iris_alpha[..., None]) + iris) * (1 - 0.3 * (1 - smooth_step(shadow, 0.2, 0.9)))[..., None]
    keep = (smooth_step(known, 0.3, 0.7) * np.float32(0.6))[..., None]
    expected = under + (composed + (photo - composed) * keep - under) * alpha[..., None]
    got = under.copy()
    lay_eye(got, alpha, white, iris, iris_alpha, shadow, 0.3, photo, known, 0.6)
    assert np.abs(got - np.clip(expected, 0, 255)).max() <= 0.51
    np.testing.assert_array_equal(got[0], under[0])


def test_light_falls_with_depth_and_comes_from_one_side() -> None:
    points, ones = np.zeros((3, 3), np.float32), np.ones(3, np.float32)
    points[1, 2] = -0.2  # 4 cm behind the teeth
    colours = shade(
        points, np.array([1, 1, -1], np.float32), 0.0, 0.05, 4 * ones, 0.5 * ones, np.full((3, 3), 100, "f4")
    )
    np.testing.assert_allclose(colours[:, 0], [100, 100 / np.e, 50], rtol=1e-5)
