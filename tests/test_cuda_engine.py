"""The GPU backend: on the processor in float32 everywhere, on a GPU in float16 where there is one."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from live.errors import LiveError  # noqa: E402
from live.render.cuda.device import ComputeDevice, cuda_obstacle, open_device  # noqa: E402
from live.render.cuda.engine import IN_FLIGHT, Engine  # noqa: E402
from live.render.cuda.fused_pirenderer import FusedPIRenderer  # noqa: E402
from live.render.cuda.program import OutputFormat  # noqa: E402
from live.render.kernels.host import host_compiler  # noqa: E402
from live.render.kernels.output import PixelFormat  # noqa: E402
from live.render.pirenderer.config import FULL, SMALL, PIRendererConfig  # noqa: E402
from live.render.pirenderer.fast import FastPIRenderer  # noqa: E402
from live.render.pirenderer.model import PIRenderer  # noqa: E402

needs_compiler = pytest.mark.skipif(host_compiler() is None, reason="no C++ compiler (install g++)")
TINY = replace(SMALL, image_size=64)


def gpu() -> ComputeDevice:
    """The GPU, or skip with the reason."""
    obstacle = cuda_obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    return open_device("cuda")


@cache
def network(config: PIRendererConfig) -> PIRenderer:
    """Random weights whose flow is large enough to matter."""
    torch.manual_seed(4)
    model = PIRenderer(config).eval().requires_grad_(False)
    model.warpping_net.flow_out[2].weight.mul_(8)
    return model


def portraits(config: PIRendererConfig, count: int) -> list[torch.Tensor]:
    """Smooth random pictures in −1…1."""
    torch.manual_seed(5)
    small = torch.rand(count, 3, 8, 8) * 2 - 1
    return list(torch.nn.functional.interpolate(small, config.image_size, mode="bicubic").clamp(-1, 1)[:, None])


def windows(count: int) -> list[np.ndarray]:
    """Random motion windows."""
    return list(np.random.default_rng(6).standard_normal((count, 73, 27)).astype(np.float32))


def expected_pictures(config: PIRendererConfig, jobs: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """What `FastPIRenderer` draws in float32 on the processor, 0…255, (N, S, S, 3)."""
    fast, sources = FastPIRenderer(network(config)), portraits(config, 3)
    with torch.inference_mode():
        images = [fast(fast.enroll(sources[i]), torch.from_numpy(window)[None]).image for i, window in jobs]
    return torch.cat(images).permute(0, 2, 3, 1).numpy() * 127.5 + 127.5


def engine_with_portraits(device: ComputeDevice, config: PIRendererConfig, max_batch: int, **kwargs: object) -> Engine:
    program = FusedPIRenderer(network(config), device, portraits=3, **kwargs)  # type: ignore[arg-type]
    for slot, source in enumerate(portraits(config, 3)):
        program.enroll(slot, source)
    return Engine(program, max_batch=max_batch)


@needs_compiler
class TestOnTheProcessor:
    def test_a_mixed_batch_is_what_the_plain_network_draws(self) -> None:
        engine = engine_with_portraits(open_device("cpu"), TINY, max_batch=4)
        jobs = list(zip((2, 0, 2), windows(3), strict=True))
        pictures = engine.render([(slot, {"coefficients": window}) for slot, window in jobs])
        expected = expected_pictures(TINY, jobs)
        assert expected.std() > 20, "the network draws something"
        assert len(pictures) == 3
        # Rounding to bytes, and float32 sums in another order.
        assert np.abs(np.stack(pictures).astype(float) - expected).max() <= 0.6

    def test_pictures_belong_to_the_receiver(self) -> None:
        engine = engine_with_portraits(open_device("cpu"), TINY, max_batch=1)
        first, second = windows(2)
        (picture,) = engine.render([(0, {"coefficients": first})])
        before = picture.copy()
        engine.render([(1, {"coefficients": second})])
        assert (picture == before).all()

    def test_yuv_leaves_the_device_when_an_encoder_is_fed(self) -> None:
        output = OutputFormat(PixelFormat.I420)
        engine = engine_with_portraits(open_device("cpu"), TINY, max_batch=1, output=output)
        (picture,) = engine.render([(0, {"coefficients": windows(1)[0]})])
        assert picture.shape == (96, 64)
        assert picture[:64].std() > 5

    def test_a_newcomer_does_not_stall_the_others(self) -> None:
        engine = engine_with_portraits(open_device("cpu"), TINY, max_batch=1)
        arrived, may_go_on = threading.Event(), threading.Event()
        encode = engine.program.enroll

        def slowly(slot: int, *portrait: torch.Tensor) -> None:
            arrived.set()
            assert may_go_on.wait(60)
            encode(slot, *portrait)

        engine.program.enroll = slowly  # type: ignore[method-assign]
        source = portraits(TINY, 1)[0].numpy()
        newcomer = threading.Thread(target=engine.enroll, args=(2, source))
        newcomer.start()
        try:
            assert arrived.wait(60)
            frame = {"coefficients": windows(1)[0]}
            (while_waiting,) = engine.render([(0, frame)])
        finally:
            may_go_on.set()
            newcomer.join()
        assert (engine.render([(0, frame)])[0] == while_waiting).all()
        assert (engine.render([(2, frame)])[0] == while_waiting).all(), "the same portrait in another slot"

    def test_what_does_not_fit_is_refused_and_the_engine_goes_on(self) -> None:
        engine = engine_with_portraits(open_device("cpu"), TINY, max_batch=2)
        good = {"coefficients": windows(1)[0]}
        with pytest.raises(ValueError, match="must be"):
            engine.render([(0, {"coefficients": good["coefficients"][:5]})])
        with pytest.raises(ValueError, match="slot 3"):
            engine.render([(3, good)])
        with pytest.raises(ValueError, match="1 to 2"):
            engine.render([(0, good)] * 3)
        tickets = [engine.submit([(0, good)]) for _ in range(IN_FLIGHT)]
        with pytest.raises(RuntimeError, match="collect"):
            engine.submit([(0, good)])
        assert all(len(engine.collect(ticket)) == 1 for ticket in tickets)
        assert len(engine.render([(0, good)])) == 1


def test_without_a_gpu_the_reason_is_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    obstacle = cuda_obstacle()
    assert obstacle is not None
    assert "\n" not in obstacle
    with pytest.raises(LiveError, match="GPU"):
        open_device("cuda")


@pytest.mark.gpu
class TestOnTheGpu:
    def test_half_precision_stays_within_two_steps_of_float32(self) -> None:
        engine = engine_with_portraits(gpu(), FULL, max_batch=4)
        jobs = list(zip((2, 0, 1), windows(3), strict=True))
        pictures = engine.render([(slot, {"coefficients": window}) for slot, window in jobs])
        difference = np.abs(np.stack(pictures).astype(float) - expected_pictures(FULL, jobs))
        assert difference.mean((1, 2, 3)).max() <= 2.0

    def test_the_same_frame_gives_the_same_bytes_in_any_batch(self) -> None:
        engine = engine_with_portraits(gpu(), FULL, max_batch=4)
        window = windows(1)[0]
        frame = (1, {"coefficients": window})
        first = engine.render([frame])[0]
        assert all((engine.render([frame])[0] == first).all() for _ in range(5)), "deterministic"
        four = engine.render([frame] * 4)
        assert all((picture == four[0]).all() for picture in four[1:])
        # Another batch size may choose another convolution algorithm: equal but for rounding.
        assert np.abs(four[0].astype(float) - first).mean() < 0.5

    def test_float32_on_the_gpu_is_the_processors_result(self) -> None:
        device = replace(gpu(), dtype=torch.float32)
        engine = engine_with_portraits(device, TINY, max_batch=2)
        jobs = list(zip((0, 2), windows(2), strict=True))
        pictures = engine.render([(slot, {"coefficients": window}) for slot, window in jobs])
        assert np.abs(np.stack(pictures).astype(float) - expected_pictures(TINY, jobs)).max() <= 1.0

    def test_replaying_allocates_nothing(self) -> None:
        engine = engine_with_portraits(gpu(), FULL, max_batch=2)
        frame = (0, {"coefficients": windows(1)[0]})
        engine.render([frame])
        before = torch.cuda.memory_stats()["allocation.all.allocated"]
        for _ in range(10):
            engine.render([frame, frame])
        assert torch.cuda.memory_stats()["allocation.all.allocated"] == before

    def test_portraits_that_arrive_beside_batches_disturb_none(self) -> None:
        engine = engine_with_portraits(gpu(), FULL, max_batch=2)
        frame, source = {"coefficients": windows(1)[0]}, portraits(FULL, 1)[0].numpy()
        (alone,) = engine.render([(0, frame)])
        newcomers = threading.Thread(target=lambda: [engine.enroll(2, source) for _ in range(20)])
        newcomers.start()
        while newcomers.is_alive():
            assert (engine.render([(0, frame)])[0] == alone).all()
        newcomers.join()
        assert (engine.render([(2, frame)])[0] == alone).all()
