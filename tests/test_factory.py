"""Choosing a renderer."""

from __future__ import annotations

import pytest

from live.errors import ModelError
from live.protocols import Renderer
from live.render import create_renderer, factory
from live.render.avatar import Avatar
from live.render.geometric import GeometricRenderer
from tests.faces import made_up_avatar


def test_by_name() -> None:
    renderer = create_renderer(made_up_avatar(), "geometric", (64, 64))
    assert isinstance(renderer, GeometricRenderer) and renderer.size == (64, 64)


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(ModelError) as caught:
        create_renderer(made_up_avatar(), "holographic")
    assert "geometric" in caught.value.hint


def test_auto_takes_the_fastest_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def fails(avatar: Avatar, size: tuple[int, int]) -> Renderer:
        tried.append("cuda")
        raise ModelError("no GPU here")

    def works(avatar: Avatar, size: tuple[int, int]) -> Renderer:
        tried.append("openvino")
        return GeometricRenderer(avatar, size)

    monkeypatch.setattr(factory, "BACKENDS", {"geometric": GeometricRenderer, "openvino": works, "cuda": fails})
    create_renderer(made_up_avatar(), size=(64, 64))
    assert tried == ["cuda", "openvino"]


def test_auto_falls_back_to_geometry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "BACKENDS", {"geometric": GeometricRenderer})
    assert isinstance(create_renderer(made_up_avatar(), size=(64, 64)), GeometricRenderer)
