"""Avatars on disk: ids, listing, damage, removal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from live.errors import PortraitError
from live.motion.fitting import FaceFit
from live.render.avatar import Avatar
from live.render.avatar_store import AvatarStore
from live.render.portrait import PORTRAIT_SIDE, CropBox


def some_avatar(name: str) -> Avatar:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (PORTRAIT_SIDE, PORTRAIT_SIDE, 3), np.uint8)
    fit = FaceFit(
        identity=rng.normal(size=50).astype(np.float32),
        expression=np.zeros(52, np.float32),
        residual=np.zeros(16, np.float32),
        rotation=np.array([0.1, -0.2, 0.05], np.float32),
        scale=20.0,
        offset=np.array([256.0, 250.0], np.float32),
        landmark_error=0.012,
        depth_offset=3.0,
    )
    landmarks = rng.normal(size=(478, 3)).astype(np.float32)
    return Avatar(name, image, image, CropBox(0.0, 0.0, float(PORTRAIT_SIDE)), landmarks, fit)


def test_add_list_load_remove(tmp_path: Path) -> None:
    store = AvatarStore(tmp_path / "avatars")
    assert store.entries() == []
    entry = store.add(some_avatar("Zoë at 30"))
    assert (entry.id, entry.name) == ("zoe-at-30", "Zoë at 30")
    assert store.entries() == [entry]
    loaded = AvatarStore(tmp_path / "avatars").load("zoe-at-30")
    assert loaded.name == "Zoë at 30"
    assert loaded.rest.rotation == pytest.approx([0.1, -0.2, 0.05])
    store.remove("zoe-at-30")
    assert store.entries() == []


def test_usage_counts_avatars_and_bytes(tmp_path: Path) -> None:
    store = AvatarStore(tmp_path / "avatars")
    assert store.usage() == (0, 0)
    store.add(some_avatar("a"))
    count, size = store.usage()
    assert count == 1
    assert size == sum(path.stat().st_size for path in (tmp_path / "avatars" / "a").iterdir())
    (tmp_path / "avatars" / "b.partial").mkdir()
    (tmp_path / "avatars" / "b.partial" / "portrait.png").write_bytes(b"x" * 1000)
    assert store.usage() == (1, size + 1000)


def test_equal_names_and_reserved_ids_get_numbers(tmp_path: Path) -> None:
    store = AvatarStore(tmp_path, reserved=frozenset({"me"}))
    assert [store.add(some_avatar("Me")).id for _ in range(3)] == ["me-2", "me-3", "me-4"]


def test_a_damaged_avatar_is_listed_and_can_be_removed(tmp_path: Path) -> None:
    store = AvatarStore(tmp_path)
    store.add(some_avatar("a"))
    (tmp_path / "a" / "avatar.json").write_text("{")
    assert store.entries()[0].name == "a"
    with pytest.raises(PortraitError, match="cannot be read"):
        store.load("a")
    store.remove("a")
    assert store.entries() == []


@pytest.mark.parametrize("wanted", ["nobody", "../secret", "/etc", "", ".", "a/b", "A", "x" * 5000, "a\0b", "\ud800"])
def test_ids_never_leave_the_folder(tmp_path: Path, wanted: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "avatar.json").write_text("{}")
    store = AvatarStore(tmp_path / "avatars")
    with pytest.raises(PortraitError, match="no avatar"):
        store.load(wanted)
    with pytest.raises(PortraitError, match="no avatar"):
        store.remove(wanted)
    assert (tmp_path / "secret").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PortraitError) as caught:
        AvatarStore(tmp_path / "file").add(some_avatar("a"))
    assert "LIVE_HOME" in caught.value.hint


@pytest.mark.parametrize("name", ["", "???", "../../etc/passwd", "Ünï cödé", "x" * 300, "日本", "con\x00trol"])
def test_ids_are_safe_whatever_the_name(tmp_path: Path, name: str) -> None:
    store = AvatarStore(tmp_path)
    made = store.add(some_avatar(name)).id
    assert 0 < len(made) <= 60
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert store.load(made).name == name
