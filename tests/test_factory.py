"""Choosing a renderer."""

from __future__ import annotations

import logging
import sys

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


@pytest.fixture(autouse=True)
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory.os, "cpu_count", lambda: 8)


@pytest.mark.parametrize(("cores", "chosen"), [(2, "details"), (4, "openvino")])
def test_auto_leaves_cores_to_the_others(monkeypatch: pytest.MonkeyPatch, cores: int, chosen: str) -> None:
    made: list[str] = []

    def backend(name: str) -> factory.Backend:
        def make(avatar: Avatar, size: tuple[int, int]) -> Renderer:
            made.append(name)
            return GeometricRenderer(avatar, size)

        return make

    names = ("geometric", "openvino", "details", "onnxruntime")
    monkeypatch.setattr(factory, "BACKENDS", {name: backend(name) for name in names})
    monkeypatch.setattr(factory.os, "cpu_count", lambda: cores)
    create_renderer(made_up_avatar(), size=(64, 64))
    assert made == [chosen]


def test_auto_takes_the_best_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
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


class TestWhatIsSaid:
    """`auto` goes on with something slower, and says so in one line."""

    @pytest.fixture(autouse=True)
    def nothing_said_yet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(factory, "_told", set())

    def lines(self, caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
        return [(record.levelno, record.getMessage()) for record in caplog.records if record.name == factory.__name__]

    def test_a_gpu_that_fails_is_one_warning_however_many_sessions(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fails(avatar: Avatar, size: tuple[int, int]) -> Renderer:
            raise ModelError("The GPU renderer needs torch and CuPy.", "pip install 'live-avatar[gpu]'")

        monkeypatch.setattr(factory, "BACKENDS", {"geometric": GeometricRenderer, "cuda": fails})
        with caplog.at_level(logging.DEBUG):
            for _ in range(3):
                create_renderer(made_up_avatar(), size=(64, 64))
        ((level, line),) = self.lines(caplog)
        assert level == logging.WARNING
        assert "geometric" in line and "needs torch and CuPy" in line and "pip install" in line
        assert "\n" not in line

    def test_a_machine_without_a_gpu_is_no_warning(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("live.render.cuda.driver.driver_present", lambda: False)
        backends = {"cuda": factory.BACKENDS["cuda"], "openvino": GeometricRenderer}
        monkeypatch.setattr(factory, "BACKENDS", backends)
        with caplog.at_level(logging.DEBUG):
            create_renderer(made_up_avatar(), size=(64, 64))
        assert [level for level, _ in self.lines(caplog)] == [logging.INFO]

    def test_nothing_is_said_when_the_fastest_runs(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(factory, "BACKENDS", {"cuda": GeometricRenderer})
        with caplog.at_level(logging.DEBUG):
            create_renderer(made_up_avatar(), size=(64, 64))
        assert self.lines(caplog) == []

    def test_whatever_cuda_raises_is_a_reason_to_go_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("torch")
        from live.render.cuda import renderer

        def broken(avatar: Avatar, side: int) -> Renderer:
            raise RuntimeError("CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA")

        monkeypatch.setattr("live.render.cuda.driver.driver_present", lambda: True)
        monkeypatch.setattr(renderer, "open_renderer", broken)
        with pytest.raises(ModelError, match=r"out of memory\.") as caught:
            create_renderer(made_up_avatar(), "cuda", (64, 64))
        assert "\n" not in caught.value.message


def test_without_torch_the_gpu_renderer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.render.cuda.driver.driver_present", lambda: True)
    for name in [name for name in sys.modules if name.startswith("live.render.cuda.")]:
        if name != "live.render.cuda.driver":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match="torch and CuPy") as caught:
        create_renderer(made_up_avatar(), "cuda", (64, 64))
    assert "pip install" in caught.value.hint
