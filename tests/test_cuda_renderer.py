"""A session on the shared card: whole frames on the card, or the geometry drawn by the session, must look alike."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from live.bench.network_cases import TINY_LIVE  # noqa: E402
from live.bench.sample_avatar import sample_avatar  # noqa: E402
from live.errors import ModelError  # noqa: E402
from live.frames import MotionFrame  # noqa: E402
from live.motion.arkit import ARKIT_INDEX  # noqa: E402
from live.render.cuda import renderer as renderer_module  # noqa: E402
from live.render.cuda.branches import Branches  # noqa: E402
from live.render.cuda.card import SharedCard  # noqa: E402
from live.render.cuda.device import ComputeDevice, cuda_obstacle, open_device  # noqa: E402
from live.render.cuda.engine import Engine  # noqa: E402
from live.render.cuda.face_arrays import ModelArrays, model_arrays  # noqa: E402
from live.render.cuda.fused_live import FusedLivePIRenderer  # noqa: E402
from live.render.cuda.live_face import FaceProgram, LiveFaceProgram  # noqa: E402
from live.render.cuda.program import OutputFormat  # noqa: E402
from live.render.cuda.renderer import CudaRenderer, best_engine, open_renderer  # noqa: E402
from live.render.geometric import GeometricRenderer  # noqa: E402
from live.render.kernels import reference  # noqa: E402
from live.render.kernels.host import host_compiler  # noqa: E402
from live.render.kernels.output import PixelFormat  # noqa: E402
from live.render.live_network.weights import save_weights  # noqa: E402
from tests.faces import made_up_avatar  # noqa: E402
from tests.test_cuda_live import network  # noqa: E402

SIDE = 128
needs_compiler = pytest.mark.skipif(host_compiler() is None, reason="no C++ compiler (install g++)")


def fused(device: ComputeDevice, output: OutputFormat | None = None) -> FusedLivePIRenderer:
    return FusedLivePIRenderer(network(TINY_LIVE), device, side=SIDE, portraits=2, output=output)


def geometric(**expression: float) -> GeometricRenderer:
    avatar = made_up_avatar(seed=2, **expression) if expression else sample_avatar()
    return GeometricRenderer(avatar, (SIDE, SIDE))


def talking(rest: MotionFrame, i: int) -> MotionFrame:
    weights = rest.expression.copy()
    weights[ARKIT_INDEX["jawOpen"]] = 0.2 * i
    weights[ARKIT_INDEX["eyeBlinkLeft"]] = 0.3 * i
    return replace(rest, expression=weights, rotation=(rest.rotation + 0.05 * i).astype(np.float32))


@needs_compiler
class TestOnTheProcessor:
    def test_whole_frames_on_the_card_look_like_those_drawn_by_the_session(self) -> None:
        device, drawer = open_device("cpu"), geometric()
        cards = [
            SharedCard(Engine(LiveFaceProgram(fused(device), model_arrays(drawer)), max_batch=1)),
            SharedCard(Engine(fused(device), max_batch=1)),
        ]
        renderers = [CudaRenderer(drawer, card) for card in cards]
        try:
            assert [renderer.draws_on_card for renderer in renderers] == [True, False]
            for i in range(4):
                motion = talking(drawer.rest, i)
                on_card, by_session = (renderer.render(motion).astype(float) for renderer in renderers)
                assert np.abs(on_card - by_session).mean() < 0.5
            assert by_session.std() > 20
        finally:
            for renderer, card in zip(renderers, cards, strict=True):
                renderer.close()
                card.close()

    def test_what_is_not_finite_is_drawn_as_the_photo(self) -> None:
        device, drawer = open_device("cpu"), geometric(jawOpen=0.3)
        card = SharedCard(Engine(LiveFaceProgram(fused(device), model_arrays(drawer)), max_batch=1))
        still, spoiled = CudaRenderer(drawer, card), CudaRenderer(drawer, card)
        try:
            rest = drawer.rest
            broken = replace(rest, expression=np.full(52, np.nan, np.float32), rotation=np.full(3, np.inf, np.float32))
            assert (spoiled.render(broken) == still.render(rest)).all()
            assert {name for name, _, _ in broken.trace.stages} == {"card"}
            with pytest.raises(ModelError, match="already draws 2"):
                CudaRenderer(drawer, card)
            spoiled.close()
            CudaRenderer(drawer, card).close()
        finally:
            still.close()
            card.close()

    def test_without_a_network_the_card_draws_what_the_geometric_renderer_draws(self) -> None:
        device, drawer = open_device("cpu"), geometric()
        model, rest = model_arrays(drawer), drawer.rest
        card = SharedCard(Engine(FaceProgram(model, device, side=SIDE, portraits=1), max_batch=1))
        renderer = CudaRenderer(drawer, card)
        packed = FaceProgram(model, device, side=SIDE, portraits=1, output=OutputFormat(PixelFormat.NV12))
        encoder_card = SharedCard(Engine(packed, max_batch=1))
        encoded = CudaRenderer(drawer, encoder_card)
        try:
            for i in range(3):
                motion = talking(rest, i)
                picture, expected = renderer.render(motion), drawer.render(motion)
                assert np.abs(picture.astype(float) - expected).mean() < 0.3
                (nv12,) = reference.pack(picture[None].astype(float), PixelFormat.NV12, packed.output.matrix)
                assert np.abs(encoded.render(motion).astype(int) - nv12).max() <= 1
        finally:
            for part in (renderer, encoded, card, encoder_card):
                part.close()

    def test_i420_leaves_the_card_ready_for_an_encoder(self) -> None:
        device, drawer = open_device("cpu"), geometric()
        program = LiveFaceProgram(fused(device, OutputFormat(PixelFormat.I420)), model_arrays(drawer))
        card = SharedCard(Engine(program, max_batch=1))
        renderer = CudaRenderer(drawer, card)
        try:
            packed = renderer.render(drawer.rest)
            assert packed.shape == (SIDE * 3 // 2, SIDE)
            assert packed[:SIDE].std() > 20
        finally:
            renderer.close()
            card.close()

    def test_a_card_that_cannot_draw_the_geometry_says_so_once_and_draws_the_rest(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken() -> ModelArrays:
            raise RuntimeError("the kernels do not load\nat all")

        with caplog.at_level(logging.INFO):
            engine = best_engine(fused(open_device("cpu")), broken, 1)
        assert isinstance(engine.program, FusedLivePIRenderer)
        (line,) = [record.getMessage() for record in caplog.records]
        assert "the kernels do not load" in line and "\n" not in line
        card, drawer = SharedCard(engine), geometric()
        renderer = CudaRenderer(drawer, card)
        try:
            assert not renderer.draws_on_card
            assert renderer.render(drawer.rest).shape == (SIDE, SIDE, 3)
        finally:
            renderer.close()
            card.close()


@needs_compiler
class TestOpening:
    """`open_renderer` on the processor standing in for a card."""

    @pytest.fixture(autouse=True)
    def small_card(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
        for name, value in (("MAX_BATCH", 1), ("MAX_SESSIONS", 2), ("_cards", {})):
            monkeypatch.setattr(renderer_module, name, value)
        monkeypatch.setattr(renderer_module, "open_device", lambda _: open_device("cpu"))
        monkeypatch.setattr(renderer_module, "shipped_weights", lambda: tmp_path)
        monkeypatch.setattr(renderer_module.atexit, "register", lambda _: None)
        yield
        renderer_module._close_cards()

    def test_without_weights_the_card_draws_by_geometry_and_sessions_share_it(self) -> None:
        avatar = sample_avatar()
        one, other = open_renderer(avatar, SIDE), open_renderer(avatar, SIDE)
        assert one.draws_on_card
        rest = avatar.rest
        assert (one.render(rest) == other.render(rest)).all()
        expected = GeometricRenderer(avatar, (SIDE, SIDE)).render(rest).astype(float)
        assert np.abs(one.render(rest) - expected).mean() < 0.3
        with pytest.raises(ModelError, match="already draws 2"):
            open_renderer(avatar, SIDE)
        one.close()
        open_renderer(avatar, SIDE).close()

    def test_weights_for_the_processor_alone_leave_the_drawing_to_it(self, tmp_path: Path) -> None:
        (tmp_path / "live_pirenderer.frame.onnx").touch()
        with pytest.raises(ModelError, match=r"live_pirenderer\.safetensors"):
            open_renderer(sample_avatar(), SIDE)

    def test_the_shipped_network_is_used_when_it_fits(self, tmp_path: Path) -> None:
        save_weights(network(TINY_LIVE), tmp_path / "live_pirenderer.safetensors")
        renderer = open_renderer(sample_avatar(), SIDE)
        assert renderer.draws_on_card
        rest = sample_avatar().rest
        turned = replace(rest, rotation=rest.rotation + np.array([0.0, 0.15, 0.0], np.float32))
        plain = GeometricRenderer(sample_avatar(), (SIDE, SIDE)).render(turned).astype(float)
        assert np.abs(renderer.render(turned) - plain).mean() > 1, "the network paints"
        with pytest.raises(ModelError, match="multiples of 64"):
            open_renderer(sample_avatar(), 96)


@needs_compiler
def test_branches_return_what_their_parts_do_in_order() -> None:
    branches = Branches(open_device("cpu"), 3)
    assert branches.run([lambda: 1, lambda: 2, lambda: 3]) == [1, 2, 3]
    assert branches.run([lambda: 4]) == [4]


@pytest.mark.gpu
def test_on_the_gpu_the_whole_frame_is_a_graph_and_the_processors_picture() -> None:
    obstacle = cuda_obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    drawer = geometric()
    pictures = []
    for device in (open_device("cuda"), open_device("cpu")):
        card = SharedCard(Engine(LiveFaceProgram(fused(device), model_arrays(drawer)), max_batch=2))
        renderer = CudaRenderer(drawer, card)
        try:
            frames = [renderer.render(talking(drawer.rest, i)) for i in range(4)]
            again = CudaRenderer(drawer, card)
            assert (again.render(talking(drawer.rest, 0)) == frames[0]).all(), "deterministic"
            again.close()
        finally:
            renderer.close()
            card.close()
        pictures.append(np.stack(frames).astype(float))
    assert np.abs(pictures[0] - pictures[1]).mean() <= 2.0
