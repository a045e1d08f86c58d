"""Avatars from the photo that ships, and on disk."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from live import models
from live.errors import PortraitError
from live.motion.tracker import FaceTracker
from live.render.avatar import Avatar
from tests.faces import made_up_avatar

COLLINS = Path(str(resources.files("live") / "assets" / "portraits" / "collins.jpg"))


@pytest.fixture(scope="module")
def tracker() -> Iterator[FaceTracker]:
    if not models.is_intact(models.FACE_LANDMARKER):
        pytest.skip("face_landmarker.task is not on this machine yet; `live doctor` fetches it")
    with FaceTracker(mode="image", max_faces=3) as made:
        yield made


@pytest.fixture(scope="module")
def collins(tracker: FaceTracker) -> Avatar:
    return Avatar.create(COLLINS, tracker=tracker)


def test_the_photo_that_ships_becomes_an_avatar(collins: Avatar) -> None:
    assert collins.name == "collins" and collins.image.shape == (512, 512, 3)
    assert collins.fit.landmark_error < 0.03
    assert np.abs(np.degrees(collins.fit.rotation)).max() < 15
    height = np.ptp(collins.landmarks[:, 1]) / 512
    assert 0.42 < height < 0.55


def test_the_corrected_mesh_meets_the_landmarks(collins: Avatar) -> None:
    posed = collins.posed(collins.poser(), collins.rest)
    error = np.abs(posed.landmarks[:, :2] * 512 - collins.landmarks[:, :2])
    assert np.median(error) < 0.1
    assert np.quantile(error, 0.99) < 2.0  # lids or lips that had crossed are kept apart


def test_faces_that_cannot_be_used(tracker: FaceTracker, collins: Avatar) -> None:
    two = np.concatenate([collins.image, collins.image], axis=1)
    with pytest.raises(PortraitError, match="several faces"):
        Avatar.create(two, tracker=tracker)
    with pytest.raises(PortraitError, match="No face"):
        Avatar.create(np.full((300, 300, 3), 127, np.uint8), tracker=tracker)
    with pytest.raises(PortraitError, match="too small"):
        Avatar.create(np.zeros((1, 1, 3), np.uint8), tracker=tracker)


def test_saved_and_loaded_alike(tmp_path: Path) -> None:
    made = made_up_avatar(jawOpen=0.2)
    folder = tmp_path / "someone"
    for _ in range(2):  # the second replaces the first
        made.save(folder)
    loaded = Avatar.load(folder)
    assert loaded.name == made.name and loaded.box == made.box
    assert np.array_equal(loaded.image, made.image) and np.array_equal(loaded.landmarks, made.landmarks)
    assert loaded.fit.scale == made.fit.scale
    assert np.array_equal(loaded.rest.expression, made.rest.expression)
    assert [p.name for p in tmp_path.iterdir()] == ["someone"]


@pytest.mark.parametrize("file", ["avatar.json", "fit.npz", "portrait.png", "original.png"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_damaged_avatars_say_so(tmp_path: Path, file: str, damage: str) -> None:
    folder = tmp_path / "someone"
    made_up_avatar().save(folder)
    path = folder / file
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(PortraitError):
        Avatar.load(folder)


def test_pickles_are_not_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "someone"
    made_up_avatar().save(folder)
    np.savez(folder / "fit.npz", identity=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(PortraitError, match="cannot be read"):
        Avatar.load(folder)


def test_translation_moves_and_grows_the_head() -> None:
    made = made_up_avatar()
    poser = made.poser()
    rest = made.posed(poser, made.rest)
    motion = made.rest
    motion.translation[:] = (2.0, 1.0, 0.1)
    moved = made.posed(poser, motion)
    assert moved.offset - rest.offset == pytest.approx([2 * rest.scale, -1 * rest.scale], abs=1e-6)
    assert moved.scale == pytest.approx(rest.scale * np.exp(0.1))
