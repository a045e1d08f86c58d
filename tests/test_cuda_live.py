"""LivePIRenderer in the GPU backend against the CPU path: the same inputs must give the same picture."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")

from live.bench.network_cases import TINY_LIVE as SMALL  # noqa: E402
from live.errors import ModelError  # noqa: E402
from live.render.cuda.card import SharedCard  # noqa: E402
from live.render.cuda.device import ComputeDevice, cuda_obstacle, open_device  # noqa: E402
from live.render.cuda.engine import Engine  # noqa: E402
from live.render.cuda.fused_live import FusedLivePIRenderer, box_numbers  # noqa: E402
from live.render.cuda.program import OutputFormat  # noqa: E402
from live.render.kernels import reference  # noqa: E402
from live.render.kernels.host import host_compiler  # noqa: E402
from live.render.kernels.output import ColourMatrix, PixelFormat  # noqa: E402
from live.render.live_network.blending import finish  # noqa: E402
from live.render.live_network.config import LiveConfig  # noqa: E402
from live.render.live_network.inputs import frame_arrays, portrait_arrays  # noqa: E402
from live.render.live_network.model import FrameInput, LivePIRenderer  # noqa: E402
from live.render.live_network.regions import Box, Regions  # noqa: E402

needs_compiler = pytest.mark.skipif(host_compiler() is None, reason="no C++ compiler (install g++)")


def network(config: LiveConfig) -> LivePIRenderer:
    """Random weights that move the picture, paint and mask."""
    torch.manual_seed(1)
    model = LivePIRenderer(config).eval().requires_grad_(False)
    model.base.flow.head.weight.normal_(0, 0.15)
    for net in (model.base, model.mouth, model.eyes):
        net.head.weight.mul_(8)
    return model


def smooth(rng: np.random.Generator, side: int) -> np.ndarray:
    return cv2.resize(rng.integers(0, 256, (12, 12, 3), np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)


def box(x: float, y: float, side: float, angle: float, mirrored: bool = False) -> Box:
    right = np.array([np.cos(angle), np.sin(angle)], np.float32) * side
    down = np.array([-np.sin(angle), np.cos(angle)], np.float32) * side
    return Box(np.array([x, y], np.float32), -right if mirrored else right, down)


def regions(seed: int) -> Regions:
    shift = 0.02 * seed
    return Regions(
        box(0.5 + shift, 0.7, 0.4, 0.1 + shift), box(0.35, 0.4, 0.2, 0.1), box(0.65, 0.42, 0.2, 0.1, mirrored=True)
    )


class Scene:
    """A portrait, a frame, and what the CPU path makes of them."""

    def __init__(self, model: LivePIRenderer, side: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        config = model.config
        self.portrait = portrait_arrays(smooth(rng, side), regions(seed), config)
        self.picture = smooth(rng, side)
        coarse = rng.uniform(-0.1, 0.1, (8, 8, 8)).astype(np.float32)
        halves = [cv2.resize(np.ascontiguousarray(half), (64, 64)) for half in np.split(coarse, 2, axis=2)]
        self.prior = np.concatenate(halves, axis=2).astype(np.float32)
        self.window = (0.3 * rng.standard_normal((74, 6))).astype(np.float32)
        self.regions = regions(seed)
        arrays = frame_arrays(self.picture, self.prior, self.regions, config)
        with torch.inference_mode():
            image, mouth, eyes = (torch.from_numpy(x) for x in self.portrait)
            enrolled = model.enroll(image[None], mouth[None], eyes)
            tensors = [arrays.composite[None], arrays.prior[None], self.window[None], arrays.mouth[None], arrays.eyes]
            out = model(enrolled, FrameInput(*map(torch.from_numpy, tensors)))
        outputs = {
            "residual": out.base.residual, "change": out.base.change, "mouth_rgb": out.mouth_rgb,
            "mouth_mask": out.mouth_mask, "eyes_rgb": out.eyes_rgb, "eyes_mask": out.eyes_mask,
        }  # fmt: skip
        arrays_out = {name: value.numpy() for name, value in outputs.items()}
        self.expected = finish(self.picture, arrays, arrays_out, self.regions).astype(float)

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        return {
            "picture": self.picture, "prior": self.prior, "window": self.window, "boxes": box_numbers(self.regions)
        }  # fmt: skip

    def enroll(self, engine: Engine, slot: int) -> None:
        picture, mouth, eyes = self.portrait
        engine.enroll(slot, picture[None], mouth[None], eyes)


def engine_for(
    device: ComputeDevice, config: LiveConfig, side: int, output: OutputFormat | None = None, portraits: int = 3
) -> Engine:
    program = FusedLivePIRenderer(network(config), device, side=side, portraits=portraits, output=output)
    return Engine(program, max_batch=2)


@needs_compiler
class TestOnTheProcessor:
    @pytest.mark.parametrize("side", [64, 128])
    def test_a_mixed_batch_is_what_the_cpu_path_draws(self, side: int) -> None:
        model = network(SMALL)
        scenes = [Scene(model, side, seed) for seed in (1, 2)]
        engine = engine_for(open_device("cpu"), SMALL, side)
        for slot, scene in zip((2, 0), scenes, strict=True):
            scene.enroll(engine, slot)
        pictures = engine.render([(2, scenes[0].inputs), (0, scenes[1].inputs)])
        for scene, picture in zip(scenes, pictures, strict=True):
            changed = np.abs(scene.expected - scene.picture).mean()
            difference = np.abs(picture - scene.expected)
            assert changed > 3, "the networks change the picture"
            # OpenCV cuts crops at 1/32 pixel and rounds in between; the device does neither.
            assert difference.mean() < 0.3
            assert difference.max() <= 3

    def test_yuv_is_that_of_the_picture(self) -> None:
        scene = Scene(network(SMALL), 64, 1)
        engine = engine_for(open_device("cpu"), SMALL, 64, OutputFormat(PixelFormat.NV12, ColourMatrix.BT709))
        scene.enroll(engine, 0)
        (packed,) = engine.render([(0, scene.inputs)])
        (expected,) = reference.pack(scene.expected[None], PixelFormat.NV12, ColourMatrix.BT709)
        assert np.abs(packed.astype(int) - expected.astype(int)).max() <= 2

    def test_nan_in_the_motion_does_not_reach_other_frames(self) -> None:
        model = network(SMALL)
        scenes = [Scene(model, 64, seed) for seed in (1, 2)]
        engine = engine_for(open_device("cpu"), SMALL, 64)
        for slot, scene in enumerate(scenes):
            scene.enroll(engine, slot)
        # The same number of frames: how many there are may change how they round.
        clean = engine.render([(slot, scene.inputs) for slot, scene in enumerate(scenes)])[1].copy()
        spoiled = {**scenes[0].inputs, "window": np.full((74, 6), np.nan, np.float32)}
        pictures = engine.render([(0, spoiled), (1, scenes[1].inputs)])
        assert (pictures[1] == clean).all()

    def test_sessions_share_a_card_and_give_their_places_back(self) -> None:
        scene = Scene(network(SMALL), 64, 1)
        card = SharedCard(engine_for(open_device("cpu"), SMALL, 64, portraits=2))
        picture, mouth, eyes = scene.portrait
        try:
            slots = [card.enroll(picture[None], mouth[None], eyes) for _ in range(2)]
            assert sorted(slots) == [0, 1]
            with pytest.raises(ModelError, match="already draws 2"):
                card.enroll(picture[None], mouth[None], eyes)
            sessions = [card.batcher.open() for _ in slots]
            results: dict[int, np.ndarray] = {}

            def run(i: int) -> None:
                results[i] = sessions[i].render((slots[i], scene.inputs))

            threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert (results[0] == results[1]).all()
            assert np.abs(results[0] - scene.expected).mean() < 0.3
            card.release(slots[0])
            assert card.enroll(picture[None], mouth[None], eyes) == slots[0]
        finally:
            card.close()

    def test_sizes_that_do_not_fit_are_refused(self) -> None:
        with pytest.raises(ValueError, match="multiple of 64"):
            FusedLivePIRenderer(network(SMALL), open_device("cpu"), side=96)


@pytest.mark.gpu
class TestOnTheGpu:
    def device(self) -> ComputeDevice:
        obstacle = cuda_obstacle()
        if obstacle is not None:
            pytest.skip(obstacle)
        return open_device("cuda")

    @pytest.mark.parametrize("side", [256, 512])
    def test_half_precision_stays_within_two_steps_of_float32(self, side: int) -> None:
        config = LiveConfig()
        scene = Scene(network(config), side, 1)
        engine = engine_for(self.device(), config, side)
        scene.enroll(engine, 1)
        pictures = engine.render([(1, scene.inputs)] * 2)
        assert np.abs(pictures[0] - scene.expected).mean() <= 2.0
        assert (pictures[0] == pictures[1]).all()
        assert (engine.render([(1, scene.inputs)] * 2)[0] == pictures[0]).all(), "deterministic"

    def test_float32_is_the_cpu_paths_result(self) -> None:
        scene = Scene(network(SMALL), 128, 1)
        engine = engine_for(replace(self.device(), dtype=torch.float32), SMALL, 128)
        scene.enroll(engine, 0)
        (picture,) = engine.render([(0, scene.inputs)])
        assert np.abs(picture - scene.expected).mean() < 0.3
