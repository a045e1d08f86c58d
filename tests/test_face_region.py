from __future__ import annotations

import numpy as np
import pytest

from live.motion.face_region import MARGIN, FaceRegion


@pytest.mark.parametrize("angle", [-0.6, 0.0, 0.4])
def test_the_crop_shows_what_the_map_says(angle: float) -> None:
    y, x = np.mgrid[0:200, 0:300]
    image = np.stack([x * 0.8, y * 1.2, np.zeros_like(x)], -1).astype(np.uint8)  # colour tells the place
    region = FaceRegion(140.0, 90.0, 60.0, angle)
    out = np.empty((32, 32, 3), np.uint8)
    region.crop(image, out)
    crop = out.astype(float)
    rows, columns = np.mgrid[0:32, 0:32]
    centres = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5, np.zeros(1024)], 1).astype(np.float32)
    places = region.to_picture(centres, 32).reshape(32, 32, 3)
    assert np.abs(crop[..., 0] / 0.8 - (places[..., 0] - 0.5)).max() < 2.5  # whole grey levels
    assert np.abs(crop[..., 1] / 1.2 - (places[..., 1] - 0.5)).max() < 1.7


def test_centre_scale_and_depth() -> None:
    region = FaceRegion(50.0, 70.0, 64.0, 0.3)
    middle = region.to_picture(np.array([[128.0, 128.0, 40.0]], np.float32), 256)[0]
    assert middle == pytest.approx([50.0, 70.0, 10.0], abs=1e-4)


def test_the_region_turns_with_the_eyes() -> None:
    low, high = np.array([10.0, 20.0], np.float32), np.array([50.0, 80.0], np.float32)
    region = FaceRegion.around(low, high, np.array([20.0, 40.0], np.float32), np.array([30.0, 50.0], np.float32))
    assert (region.x, region.y, region.size) == (30.0, 50.0, MARGIN * 60.0)
    assert region.angle == pytest.approx(np.pi / 4)
    # In the crop the eyes are level.
    back = np.linalg.inv(np.vstack([region.matrix(100), [0, 0, 1]]))
    right, left = (back @ [x, y, 1.0] for x, y in ((20.0, 40.0), (30.0, 50.0)))
    assert right[1] == pytest.approx(left[1], abs=1e-3) and right[0] < left[0]


def test_a_region_beyond_the_picture_is_filled() -> None:
    image = np.full((20, 20, 3), 77, np.uint8)
    crop = np.zeros((16, 16, 3), np.uint8)
    FaceRegion(-5.0, -5.0, 30.0, 0.2).crop(image, crop)
    assert (crop == 77).all()


def test_usable() -> None:
    assert FaceRegion(1.0, 1.0, 50.0, 0.0).usable
    assert not FaceRegion(1.0, float("nan"), 50.0, 0.0).usable
    assert not FaceRegion(1.0, 1.0, 0.5, 0.0).usable
