from __future__ import annotations

import numpy as np
import pytest

from live.motion.blazeface import SIDE, decode, network_input


def answer(places: list[tuple[int, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """A network answer with faces (anchor, logit, size in pixels) on their anchors."""
    regressors, logits = np.zeros((896, 16), np.float32), np.full(896, -50.0, np.float32)
    for anchor, logit, size in places:
        logits[anchor] = logit
        regressors[anchor, 2:4] = size
        regressors[anchor, 4:] = np.arange(12)
    return regressors, logits


def test_the_picture_is_fitted_in_with_bars() -> None:
    image = np.full((100, 400, 3), 255, np.uint8)
    picture, scale, corner = network_input(image)
    assert picture.shape == (1, SIDE, SIDE, 3) and scale == pytest.approx(3.125)
    assert corner.tolist() == [0, 48]
    assert picture[0, 64, 64].tolist() == [1, 1, 1] and picture[0, 10, 64].tolist() == [-1, -1, -1]


def test_boxes_come_back_in_pixels_of_the_picture() -> None:
    # Anchor 0 is the first cell of the 16 x 16 grid: centre at (4, 4) of 128.
    faces = decode(*answer([(0, 5.0, 20.0)]), 2.0, np.array([1.0, 2.0], np.float32), threshold=0.5)
    assert len(faces) == 1
    assert faces[0].low.tolist() == [2 * (4 - 10 - 1), 2 * (4 - 10 - 2)]
    assert faces[0].high.tolist() == [2 * (4 + 10 - 1), 2 * (4 + 10 - 2)]
    assert faces[0].points[0].tolist() == [2 * (4 - 1), 2 * (4 + 1 - 2)]
    assert faces[0].score == pytest.approx(1 / (1 + np.exp(-5.0)))
    assert faces[0].area == pytest.approx(1600.0)


def test_overlapping_detections_are_one_face_and_distant_ones_are_two() -> None:
    corner = np.zeros(2, np.float32)
    same = decode(*answer([(0, 5.0, 40.0), (1, 3.0, 42.0)]), 1.0, corner, threshold=0.5)
    assert len(same) == 1 and 40.0 < float((same[0].high - same[0].low)[0]) < 42.0
    apart = decode(*answer([(0, 3.0, 20.0), (400, 5.0, 20.0)]), 1.0, corner, threshold=0.5)
    assert len(apart) == 2 and apart[0].score > apart[1].score


def test_low_scores_are_no_faces() -> None:
    assert decode(*answer([(0, -0.1, 20.0)]), 1.0, np.zeros(2, np.float32), threshold=0.5) == []
