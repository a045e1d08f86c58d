"""The live network: its border, its exported graphs in both runtimes, crops, blending, the renderer around it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from live.errors import ModelError  # noqa: E402
from live.frames import MotionFrame  # noqa: E402
from live.motion.arkit import ARKIT_INDEX  # noqa: E402
from live.openvino_core import new_core  # noqa: E402
from live.render.live_network import tensors  # noqa: E402
from live.render.live_network.base import displaced  # noqa: E402
from live.render.live_network.blending import finish, overlay  # noqa: E402
from live.render.live_network.config import DetailConfig, LiveConfig  # noqa: E402
from live.render.live_network.inputs import FrameArrays, detail_arrays, frame_arrays, pack_prior, signed  # noqa: E402
from live.render.live_network.model import FrameInput, LivePIRenderer  # noqa: E402
from live.render.live_network.motion_window import MotionWindow, mirror  # noqa: E402
from live.render.live_network.onnx_export import export_onnx  # noqa: E402
from live.render.live_network.onnxruntime_runtime import OnnxRuntimeRuntime  # noqa: E402
from live.render.live_network.openvino_runtime import OpenVinoRuntime, details_only  # noqa: E402
from live.render.live_network.patch import DRAWN_SHOWN, Patch  # noqa: E402
from live.render.live_network.portrait_parts import take_out_portrait  # noqa: E402
from live.render.live_network.regions import Box, Regions  # noqa: E402
from live.render.live_network.runtime import graph_files  # noqa: E402
from live.render.live_network.weights import load_weights, save_weights  # noqa: E402
from live.render.prior import MotionPrior  # noqa: E402

SMALL = LiveConfig(
    size=64,
    portrait_widths=(4, 8, 8),
    composite_widths=(4, 8, 8),
    warp_widths=(8, 8, 16),
    decoder_widths=(8, 8, 16),
    descriptor=12,
    mouth=DetailConfig(32, (8, 12, 16), 12),
    eyes=DetailConfig(16, (8, 8, 12), 8),
)


def random_weights(model: LivePIRenderer) -> LivePIRenderer:
    """All weights at random and at half precision, so that every path counts and export loses nothing."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
            parameter.copy_(parameter.half().float())
    return model.eval()


@pytest.fixture(scope="module")
def model() -> LivePIRenderer:
    torch.manual_seed(0)
    return random_weights(LivePIRenderer(SMALL))


@pytest.fixture(scope="module")
def graphs(model: LivePIRenderer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    export_onnx(model, folder)
    return folder


@pytest.fixture(scope="module")
def inputs() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    values = {k: random.uniform(-1, 1, s).astype(np.float32) for k, s in tensors.input_shapes(SMALL).items()}
    values["prior"][:, :2] *= 0.2
    return values


@pytest.fixture(scope="module")
def expected(model: LivePIRenderer, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    tensor = {name: torch.from_numpy(value) for name, value in inputs.items()}
    with torch.inference_mode():
        enrolled = model.enroll(*(tensor[name] for name in tensors.ENROLL_INPUTS))
        out = model(enrolled, FrameInput(*(tensor[name] for name in tensors.FRAME_INPUTS)))
    base = out.base
    values = (base.residual, base.change, out.mouth_rgb, out.mouth_mask, out.eyes_rgb, out.eyes_mask)
    return {name: value.numpy() for name, value in zip(tensors.FRAME_OUTPUTS, values, strict=True)}


def test_outputs_depend_on_every_input(
    model: LivePIRenderer, inputs: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> None:
    assert np.abs(expected["residual"]).max() > 1e-3
    for name, changed in {
        "composite": ("residual", "change"),
        "prior": ("residual", "change"),
        "window": ("residual", "mouth_rgb", "eyes_rgb"),
        "mouth": ("mouth_rgb", "mouth_mask"),
        "eyes": ("eyes_rgb", "eyes_mask"),
        "portrait": ("change",),
        "portrait_mouth": ("mouth_rgb",),
        "portrait_eyes": ("eyes_rgb",),
    }.items():
        other = {k: torch.from_numpy(-v if k == name else v) for k, v in inputs.items()}
        with torch.inference_mode():
            enrolled = model.enroll(*(other[k] for k in tensors.ENROLL_INPUTS))
            out = model(enrolled, FrameInput(*(other[k] for k in tensors.FRAME_INPUTS)))
        got = {**out._asdict(), **out.base._asdict()}
        for output in changed:
            assert not np.allclose(got[output].numpy(), expected[output], atol=1e-4), (name, output)


@pytest.mark.parametrize("runtime", [OnnxRuntimeRuntime, lambda folder: OpenVinoRuntime(folder, "f32", 1)])
def test_runtimes_equal_torch(
    runtime: type[OnnxRuntimeRuntime],
    graphs: Path,
    inputs: dict[str, np.ndarray],
    expected: dict[str, np.ndarray],
) -> None:
    network = runtime(graphs)
    assert network.config == SMALL
    network.enroll(inputs)
    for _ in range(2):
        got = network.frame(inputs)
        for name, value in expected.items():
            np.testing.assert_allclose(got[name], value, atol=5e-4, err_msg=name)
    network.close()


def test_bf16_stays_close(graphs: Path, inputs: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    network = OpenVinoRuntime(graphs, "bf16", 1)
    network.enroll(inputs)
    got = network.frame(inputs)
    for name, value in expected.items():
        assert np.abs(got[name] - value).mean() < 0.03 * max(1.0, np.abs(value).std()), name


def test_details_alone_are_the_same_as_with_the_base_network(
    graphs: Path, inputs: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> None:
    network = OpenVinoRuntime(graphs, "f32", 1, base=False)
    network.enroll({name: inputs[name] for name in tensors.ENROLL_INPUTS})
    outputs = network.frame({name: inputs[name] for name in tensors.FRAME_INPUTS})
    assert set(outputs) == set(tensors.DETAIL_OUTPUTS)
    for name, value in outputs.items():
        np.testing.assert_allclose(value, expected[name], atol=5e-4, err_msg=name)
    network.close()


def test_what_depends_on_the_portrait_alone_is_taken_out_of_the_frame_graph(graphs: Path) -> None:
    model = details_only(new_core().read_model(graph_files(graphs)[1]))
    features = tensors.FEATURES[3:]
    frame, portrait = take_out_portrait(model, features)
    assert {part.get_any_name() for part in portrait.outputs} == set(features)
    assert {given.get_any_name() for given in frame.inputs} == set(tensors.DETAIL_INPUTS)
    for name in features:  # the part has the channels of the layer that it is added in, not the features' own
        assert frame.input(name).shape == portrait.output(name).shape


def test_missing_graphs_are_explained(tmp_path: Path) -> None:
    for runtime in (OnnxRuntimeRuntime, OpenVinoRuntime):
        with pytest.raises(ModelError, match="missing"):
            runtime(tmp_path)


def test_weights_survive_saving(model: LivePIRenderer, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(model, path, {"samples": "5"})
    again = load_weights(path)
    assert again.config == SMALL
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError):
        load_weights(path)


def test_configuration_survives_json() -> None:
    assert LiveConfig.from_dict(json.loads(json.dumps(SMALL.to_dict()))) == SMALL


def test_shipping_size() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model = LivePIRenderer().eval()
    frame = [torch.zeros(tensors.input_shapes(model.config)[name]) for name in tensors.FRAME_INPUTS]
    portrait = [torch.zeros(tensors.input_shapes(model.config)[name]) for name in tensors.ENROLL_INPUTS]
    with torch.inference_mode():
        enrolled = model.enroll(*portrait)
        with FlopCounterMode(display=False) as counter:
            model(enrolled, FrameInput(*frame))
    assert counter.get_total_flops() < 10e9
    assert sum(p.numel() for p in model.parameters()) * 2 < 16e6  # bytes on disk, float16


def test_window_is_causal_and_relative() -> None:
    rest = MotionFrame.neutral()
    rest.expression[3] = 0.5
    window = MotionWindow(rest)
    for i in range(8):
        frame = MotionFrame.neutral()
        frame.expression[3] = i
        frame.rotation[0] = np.nan if i == 7 else 1.0
        got = window.push(frame)
        assert got.shape == (74, 6)
        assert got[3].tolist() == [max(i - 5 + k, 0) - 0.5 for k in range(6)]
    assert got[52].tolist() == [1, 1, 1, 1, 1, 0]


def test_mirror_swaps_sides() -> None:
    index, sign = mirror()
    assert index[ARKIT_INDEX["eyeBlinkLeft"]] == ARKIT_INDEX["eyeBlinkRight"]
    assert index[ARKIT_INDEX["jawOpen"]] == ARKIT_INDEX["jawOpen"]
    assert index[ARKIT_INDEX["mouthLeft"]] == ARKIT_INDEX["mouthRight"]
    assert sign[52:58] == [1, -1, -1, -1, 1, 1]
    assert [index[i] for i in index] == list(range(74))


def turned_box(angle: float, side: float) -> Box:
    right = side * np.array([np.cos(angle), np.sin(angle)], np.float32)
    down = side * np.array([-np.sin(angle), np.cos(angle)], np.float32)
    return Box(np.array([0.52, 0.47], np.float32), right.astype(np.float32), down.astype(np.float32))


def test_box_lays_over_what_it_cut() -> None:
    y, x = np.mgrid[0:128, 0:128].astype(np.float32)
    picture = np.stack([x, y, x / 2 + y / 2], -1)
    box = turned_box(0.3, 0.4)
    crop = box.cut(picture, 64)
    # A linear picture makes bilinear sampling exact: the crop's centre shows the box's centre.
    middle = crop[31:33, 31:33, :2].mean((0, 1))
    np.testing.assert_allclose(middle, box.centre * 128 - 0.5, atol=0.05)
    mask = np.zeros((64, 64), np.float32)
    mask[8:-8, 8:-8] = 1
    canvas = np.zeros((128, 128, 3), np.uint8)
    box.lay(canvas, np.zeros_like(canvas), Patch(crop * mask[..., None], mask, mask))
    np.testing.assert_allclose(canvas[58:62, 64:69], picture[58:62, 64:69], atol=0.6)
    assert not canvas[:30].any()


def test_laying_keeps_what_is_finer_than_the_crop() -> None:
    random = np.random.default_rng(2)
    picture = random.integers(60, 190, (256, 256, 3), dtype=np.uint8)
    canvas = random.integers(0, 256, picture.shape, dtype=np.uint8)
    box = Box(np.array([0.5, 0.5], np.float32), np.array([0.5, 0], np.float32), np.array([0, 0.5], np.float32))
    everywhere = np.ones((32, 32), np.float32)
    box.lay(canvas, picture, Patch(np.full((32, 32, 3), 20, np.float32), everywhere, everywhere))
    np.testing.assert_array_equal(canvas[80:176, 80:176], picture[80:176, 80:176] + 20)


def test_made_up_detail_is_replaced_and_the_photo_s_kept() -> None:
    random = np.random.default_rng(4)
    seen = random.uniform(-1, 1, (9, 32, 32)).astype(np.float32)
    seen[5] = 0
    seen[5, :, 16:] = 1
    rgb, mask = random.uniform(-1, 1, (3, 32, 32)).astype(np.float32), np.full((32, 32), 0.5, np.float32)
    patch = Patch.of(seen, rgb, mask, 2)
    levels = (rgb.transpose(1, 2, 0) + 1) * 127.5
    old = (seen[:3].transpose(1, 2, 0) + 1) * 127.5
    np.testing.assert_allclose(patch.change[:, :16], 0.5 * (levels - old)[:, :16], atol=1e-3)
    covered = 0.5 * (1 - DRAWN_SHOWN)
    np.testing.assert_allclose(patch.change[:, 16:], covered * levels[:, 16:], atol=1e-3)
    np.testing.assert_allclose(patch.mask[:, 16:], covered, atol=1e-6)
    assert (patch.mask[:, :16] == 0.5).all()
    assert (patch.own[:, :16] == 0.5).all() and (patch.own[:, 16:] == 0).all()


def test_box_beyond_the_picture_lays_nothing() -> None:
    box = Box(np.array([3.0, 3.0], np.float32), np.array([0.2, 0], np.float32), np.array([0, 0.2], np.float32))
    canvas = np.ones((32, 32, 3), np.uint8)
    ones = np.ones((16, 16), np.float32)
    box.lay(canvas, canvas, Patch(np.zeros((16, 16, 3), np.float32), ones, ones))
    assert (canvas == 1).all()


def outputs_for(size: int, change: float) -> dict[str, np.ndarray]:
    shapes = tensors.input_shapes(SMALL)
    mouth, eyes = shapes["mouth"][-1], shapes["eyes"][-1]
    return {
        "residual": np.zeros((1, 2, 64, 64), np.float32),
        "change": np.full((1, 3, size, size), change, np.float32),
        "mouth_rgb": np.full((1, 3, mouth, mouth), -1.0, np.float32),
        "mouth_mask": np.zeros((1, 1, mouth, mouth), np.float32),
        "eyes_rgb": np.zeros((2, 3, eyes, eyes), np.float32),
        "eyes_mask": np.zeros((2, 1, eyes, eyes), np.float32),
    }


def seen(size: int) -> FrameArrays:
    """A mid-grey picture as the networks see it."""
    zeros = {name: np.zeros(shape, np.float32)[0] for name, shape in tensors.input_shapes(SMALL).items()}
    eyes = np.zeros(tensors.input_shapes(SMALL)["eyes"], np.float32)
    return FrameArrays(np.zeros((3, size, size), np.float32), zeros["prior"], zeros["mouth"], eyes)


REGIONS = Regions(turned_box(0.0, 0.3), turned_box(0.1, 0.1), turned_box(0.1, 0.1))


def test_untouched_pixels_stay_sharp() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    np.testing.assert_array_equal(finish(picture, seen(64), outputs_for(64, 0.0), REGIONS), picture)
    brighter = finish(picture, seen(64), outputs_for(64, 20 / 127.5), REGIONS)
    np.testing.assert_array_equal(brighter, np.clip(picture.astype(int) + 20, 0, 255))


def test_without_the_base_network_only_the_crops_change() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    outputs = {name: value for name, value in outputs_for(96, 0.5).items() if name in tensors.DETAIL_OUTPUTS}
    outputs["mouth_mask"][:] = 1
    drawn = finish(picture, seen(64), outputs, REGIONS)
    assert not np.shares_memory(drawn, picture)
    changed = (drawn != picture).any(2)
    assert changed.any() and not changed[:8].any()


def test_mouth_lands_in_its_box() -> None:
    picture = np.full((128, 128, 3), 200, np.uint8)
    outputs = outputs_for(64, 0.0)
    outputs["mouth_mask"][..., 4:-4, 4:-4] = 1
    got = finish(picture, seen(64), outputs, REGIONS)
    assert (got[60, 66] == 73).all(), "127.5 darker than the picture"
    assert (got[:35] == 200).all()
    assert (got[:, :40] == 200).all()


def test_displacement_and_change_agree_with_torch() -> None:
    random = np.random.default_rng(5)
    picture = random.integers(0, 256, (96, 96, 3)).astype(np.uint8)
    residual = random.uniform(-0.1, 0.1, (2, 64, 64)).astype(np.float32)
    change = random.uniform(-0.3, 0.3, (3, 48, 48)).astype(np.float32)
    got = np.empty_like(picture)
    overlay(picture, residual, change, got)
    source, flow, added = (torch.from_numpy(value)[None] for value in (signed(picture), residual, change))
    flow, added = (torch.nn.functional.interpolate(value, size=96, mode="bilinear") for value in (flow, added))
    expected = (displaced(source, flow) + added)[0].numpy().transpose(1, 2, 0) * 127.5 + 127.5
    assert np.abs(got - expected.clip(0, 255)).max() < 1.01


def test_details_are_the_frame_s_crops_without_the_rest() -> None:
    random = np.random.default_rng(8)
    picture = random.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    prior = random.uniform(-1, 1, (64, 64, 8)).astype(np.float32)
    whole, details = frame_arrays(picture, prior, REGIONS, SMALL), detail_arrays(picture, prior, REGIONS, SMALL)
    np.testing.assert_array_equal(whole.mouth, details.mouth)
    np.testing.assert_array_equal(whole.eyes, details.eyes)
    for crop, box, side in (
        (details.mouth, REGIONS.mouth, SMALL.mouth.crop),
        (details.eyes[1], REGIONS.left_eye, SMALL.eyes.crop),
    ):
        np.testing.assert_array_equal(crop[:3], signed(box.cut(picture, side)))
        guides = box.cut(np.ascontiguousarray(prior[..., 2:]), side)
        np.testing.assert_allclose(crop[3:], guides.transpose(2, 0, 1), atol=0.05)  # OpenCV counts in 1/32 pixels


def test_a_crop_s_edge_fades_over_a_pixel() -> None:
    """Bilinear, and beyond the crop there is nothing: what OpenCV does."""
    box, random = turned_box(0.4, 0.3), np.random.default_rng(9)
    picture = np.zeros((128, 128, 3), np.uint8)
    change = random.uniform(0, 200, (24, 24, 3)).astype(np.float32)
    mask = np.ones((24, 24), np.float32)
    canvas = picture.copy()
    box.lay(canvas, picture, Patch(change, mask, mask))
    expected = cv2.warpAffine(change, box.matrix(128, 24), (128, 128), flags=cv2.INTER_LINEAR)
    assert np.abs(canvas - expected).max() < 5 and np.abs(canvas - expected).mean() < 0.3


def test_the_packed_prior_is_the_mean_of_its_cells() -> None:
    random = np.random.default_rng(10)
    maps = [random.uniform(0, 1, (128, 128, *more)).astype(np.float32) for more in ((2,), (), (), (), (), (2,))]
    prior = MotionPrior(*maps)
    channels = [
        2 * prior.displacement(),
        np.stack([prior.skin, prior.hidden, prior.mouth, prior.eyes], -1),
        (2 * prior.uv - 1) * prior.skin[..., None],
    ]
    cells = np.concatenate(channels, -1).reshape(64, 2, 64, 2, 8).mean((1, 3))
    np.testing.assert_allclose(pack_prior(prior), cells, atol=1e-5)
    with pytest.raises(ValueError, match="averaged"):
        pack_prior(MotionPrior(*(m[:100, :100] for m in maps)))


def test_the_base_network_corrects_only_what_moves(model: LivePIRenderer) -> None:
    net, side = model.base, model.config.size
    generator = torch.Generator().manual_seed(3)
    composite = torch.rand(1, 3, side, side, generator=generator) * 2 - 1
    window = torch.randn(1, 74, 6, generator=generator)
    prior = torch.rand(1, model.config.prior_channels, 64, 64, generator=generator)
    prior[:, :2] = 0.0
    with torch.no_grad():
        features = net.portrait_features(composite)
        still = net(features, composite, prior, window)
        prior[:, 0, :20, :20] = 0.05
        moved = net(features, composite, prior, window)
    assert not still.residual.any()
    assert not still.change.any()
    edge = 26 * side // 64  # the flow's cells, two around them, and what enlarging spreads
    assert moved.change[..., : edge // 2, : edge // 2].abs().mean() > 0
    assert not moved.change[..., edge:, :].any()
    assert not moved.change[..., :, edge:].any()
