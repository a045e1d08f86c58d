"""Outlines and masks of mouth and eyes."""

from __future__ import annotations

import numpy as np
import pytest

from live.frames import FloatArray
from live.motion.landmark_groups import INNER_LIP, RIGHT_EYE
from live.render.opening import eye_outline, gap, mouth_outline, opening_mask, without_openings


def mouth(opening: float) -> FloatArray:
    """Landmarks with a lens-shaped mouth of this height, 0.4 wide, about the middle of the crop."""
    landmarks = np.zeros((478, 3), np.float32)
    for i, index in enumerate(INNER_LIP):
        angle = np.pi * (1 - i / 10)
        landmarks[index] = [0.5 + 0.2 * np.cos(angle), 0.5 - 0.5 * opening * np.sin(angle), 0]
    return landmarks


def test_area_of_the_mask_is_the_outlines() -> None:
    mask = opening_mask(mouth_outline(mouth(0.2)), (128, 128))
    ellipse = np.pi * 0.2 * 0.1
    assert mask.sum() / 128**2 == pytest.approx(ellipse, rel=0.06)
    assert ((mask > 0) & (mask < 1)).any()  # anti-aliased


def test_a_patch_shows_the_same_as_the_whole() -> None:
    outline = mouth_outline(mouth(0.2))
    whole = opening_mask(outline, (200, 200))
    patch = opening_mask(outline, (100, 60), (50, 70), 200)
    assert np.abs(patch - whole[70:130, 50:150]).max() < 0.05


def test_gap_is_signed_and_crossed_lips_are_closed() -> None:
    assert gap(mouth(0.2), INNER_LIP).max() == pytest.approx(0.2, abs=1e-3)
    crossed = mouth(-0.05)
    assert gap(crossed, INNER_LIP).min() < -0.04
    assert (
        opening_mask(mouth_outline(crossed), (128, 128)).sum()
        < 0.1 * opening_mask(mouth_outline(mouth(0.1)), (128, 128)).sum()
    )


def test_eye_outline_is_a_loop_through_the_landmarks() -> None:
    landmarks = np.random.default_rng(1).random((478, 3)).astype(np.float32)
    landmarks[list(RIGHT_EYE[1:8]), 1] = 0.2
    landmarks[list(RIGHT_EYE[9:]), 1] = 0.8
    outline = eye_outline(landmarks, RIGHT_EYE)
    assert outline.shape == (64, 2)
    assert np.allclose(outline[::4], landmarks[list(RIGHT_EYE), :2], atol=1e-6)


def test_filled_openings_show_what_surrounds_them() -> None:
    landmarks = mouth(0.2)
    image = np.full((128, 128, 3), 120, np.uint8)
    image[opening_mask(mouth_outline(landmarks), (128, 128)) > 0] = (255, 255, 255)
    assert np.abs(without_openings(image, landmarks).astype(int) - 120).max() <= 1
