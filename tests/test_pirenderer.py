"""The published architecture: names, shapes, values, import, and the exact speed-ups."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from live.errors import ModelError  # noqa: E402
from live.render.pirenderer import weights  # noqa: E402
from live.render.pirenderer.config import FULL, SMALL, PIRendererConfig  # noqa: E402
from live.render.pirenderer.editing import UpBlock  # noqa: E402
from live.render.pirenderer.fast import FastPIRenderer, SubPixelUp  # noqa: E402
from live.render.pirenderer.model import PIRenderer  # noqa: E402
from live.render.pirenderer.window import CausalWindow  # noqa: E402

VECTORS = Path(__file__).parent / "data" / "pirenderer_small.npz"
"""Inputs and outputs of the authors' release with the small configuration and the weights of `deterministic`."""


def deterministic(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The value of one parameter of the test network, a function of its name and shape."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    if shape[1:] == (1, 1):
        value = (1 if name.endswith("weight") else 0) + 0.05 * random.standard_normal(shape)
    elif len(shape) >= 2:
        value = random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    else:
        value = 0.05 * random.standard_normal(shape)
    return torch.from_numpy(value * (8 if name == "warpping_net.flow_out.2.weight" else 1)).float()


@pytest.fixture(scope="module")
def model() -> PIRenderer:
    network = PIRenderer(SMALL)
    network.load_state_dict({k: deterministic(k, tuple(v.shape)) for k, v in network.state_dict().items()})
    return network.eval()


@pytest.fixture(scope="module")
def vectors() -> dict[str, torch.Tensor]:
    with np.load(VECTORS) as data:
        return {name: torch.from_numpy(data[name]) for name in data.files}


def test_full_configuration_has_the_published_size() -> None:
    shapes = weights.expected_shapes(FULL)
    count = {}
    for name, shape in shapes.items():
        part = name.split(".")[0]
        count[part] = count.get(part, 0) + int(np.prod(shape))
    assert len(shapes) == 304
    # Checksum of all published names and shapes.
    assert zlib.crc32(repr(sorted(shapes.items())).encode()) == 2089592775
    assert {part: round(n / 1e6, 2) for part, n in count.items()} == {
        "mapping_net": 0.72,
        "warpping_net": 12.71,
        "editing_net": 9.09,
    }


def test_outputs_equal_the_published_release(model: PIRenderer, vectors: dict[str, torch.Tensor]) -> None:
    with torch.inference_mode():
        out = model(vectors["source"], vectors["coeff"])
    torch.testing.assert_close(out.descriptor, vectors["descriptor"][..., 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(out.flow, vectors["flow"], atol=1e-4, rtol=0)
    torch.testing.assert_close(out.warped, vectors["warp"], atol=1e-4, rtol=0)
    torch.testing.assert_close(out.image, vectors["fake"], atol=1e-4, rtol=0)


def test_fast_path_equals_the_plain_one(model: PIRenderer, vectors: dict[str, torch.Tensor]) -> None:
    fast = FastPIRenderer(model)
    with torch.inference_mode():
        plain = model(vectors["source"][:1].expand(2, -1, -1, -1), vectors["coeff"])
        quick = fast(fast.enroll(vectors["source"][:1]), vectors["coeff"])
    for a, b in zip(quick, plain, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
def test_sub_pixel_up_block_is_exact(size: tuple[int, int]) -> None:
    torch.manual_seed(1)
    block = UpBlock(6, 4).double()
    x = torch.randn(2, 6, *size, dtype=torch.float64)
    with torch.inference_mode():
        torch.testing.assert_close(SubPixelUp(block)(x), block(x), atol=1e-12, rtol=0)


def test_dead_branch_never_matters(model: PIRenderer, vectors: dict[str, torch.Tensor]) -> None:
    other = PIRenderer(SMALL)
    other.load_state_dict(
        {k: torch.full_like(v, 7.0) if ".conv1." in k or ".norm1." in k else v for k, v in model.state_dict().items()}
    )
    with torch.inference_mode():
        a = model(vectors["source"][:1], vectors["coeff"][:1]).image
        b = other.eval()(vectors["source"][:1], vectors["coeff"][:1]).image
    assert torch.equal(a, b)


TINY = PIRendererConfig(image_size=64, descriptor=8, warp_base=2, warp_max=4, edit_base=2, edit_max=4)


def test_import_writes_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {name: torch.ones(shape) for name, shape in weights.expected_shapes(FULL).items()}
    torch.save({"net_G_ema": state, "iterations": 1}, tmp_path / "release.pt")
    written = weights.import_checkpoint(tmp_path / "release.pt")
    assert written == tmp_path / "release.safetensors"
    loaded = weights.load_pirenderer(written).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    assert "FaceWarehouse" in weights.coefficient_space(written)


def test_import_names_what_is_wrong(tmp_path: Path) -> None:
    state = {name: torch.ones(shape) for name, shape in weights.expected_shapes(FULL).items()}
    state["extra.weight"] = torch.zeros(1)
    del state["mapping_net.first.0.bias"]
    state["editing_net.decoder.final.model.0.bias"] = torch.zeros(4)
    torch.save({"net_G_ema": state}, tmp_path / "release.pt")
    with pytest.raises(ModelError) as caught:
        weights.import_checkpoint(tmp_path / "release.pt")
    text = str(caught.value)
    assert "1 missing: mapping_net.first.0.bias" in text
    assert "1 unexpected: extra.weight" in text
    assert "editing_net.decoder.final.model.0.bias (4,) instead of (3,)" in text
    assert not (tmp_path / "release.safetensors").exists()


class _Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path, ("/tmp/never",))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None, "object"])
def test_import_refuses_other_files(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "file.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "object":
        torch.save({"net_G_ema": _Harm()}, path)
    with pytest.raises(ModelError):
        weights.import_checkpoint(path)


def test_import_wants_the_generator(tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "file.pt")
    with pytest.raises(ModelError, match="net_G_ema"):
        weights.import_checkpoint(tmp_path / "file.pt")


def test_non_finite_weights_are_refused() -> None:
    state = PIRenderer(TINY).state_dict()
    state["mapping_net.first.0.bias"][0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        weights.check_state(state, TINY)


def test_causal_window_repeats_the_newest_frame() -> None:
    window = CausalWindow()
    frames = [np.full(73, i, np.float32) for i in range(20)]
    first = window.push(frames[0])
    assert first.shape == (73, 27)
    assert np.array_equal(first[0], np.zeros(27))
    for frame in frames[1:]:
        latest = window.push(frame)
    assert latest[0].tolist() == [*range(6, 20), *[19] * 13]
    window.reset()
    assert np.array_equal(window.push(frames[5])[0], np.full(27, 5))
    with pytest.raises(ValueError, match="73"):
        window.push(np.zeros(3, np.float32))
