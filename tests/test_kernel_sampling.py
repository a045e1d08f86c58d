"""Sampling and warping kernels against their references and torch, over random shapes, dtypes, wild and NaN flow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.render.kernels import reference
from live.render.kernels.sampling import Padding, grid_sample
from live.render.kernels.warping import NORMALISED, NORMALISED_RESIZED, PUBLISHED, SIDES, FlowConvention, flow_warp
from tests.kernel_devices import DEVICES, Array, kernel_device

PROPERTY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PADDINGS = st.sampled_from(("zeros", "border"))
DTYPES = st.sampled_from((np.float16, np.float32))
SIZES = st.integers(1, 19)
SEEDS = st.integers(0, 2**32 - 1)
CONVENTIONS = st.sampled_from((PUBLISHED, NORMALISED, NORMALISED_RESIZED, SIDES))
SPOILERS = (np.nan, np.inf, -np.inf, 1e30, -1e30, 3e4)


def tolerance(dtype: type) -> float:
    """Absolute, for values of unit variance: rounding of the result, plus coordinates in float32."""
    return 6e-3 if dtype == np.float16 else 2e-4


def spoil(field: Array, rng: np.random.Generator, share: float) -> None:
    """Replace a share of the numbers by NaN, infinities and wild values, in place."""
    chosen = rng.random(field.shape) < share
    with np.errstate(over="ignore"):
        field[chosen] = rng.choice(SPOILERS, size=int(chosen.sum())).astype(field.dtype)


@pytest.mark.parametrize("device", DEVICES)
@PROPERTY
@given(
    seed=SEEDS, batch=st.integers(1, 3), source=st.tuples(SIZES, SIZES), target=st.tuples(SIZES, SIZES),
    channels=st.sampled_from((1, 2, 3, 4, 7, 8, 16, 24)), dtype=DTYPES, padding=PADDINGS, planar=st.booleans(),
    wild=st.booleans(),
)  # fmt: skip
def test_grid_sample_equals_the_reference(
    device: str, seed: int, batch: int, source: tuple[int, int], target: tuple[int, int], channels: int, dtype: type,
    padding: Padding, planar: bool, wild: bool,
) -> None:  # fmt: skip
    at = kernel_device(device)
    rng = np.random.default_rng(seed)
    image = rng.standard_normal((batch, *source, channels)).astype(dtype)
    grid = rng.uniform(-1.4, 1.4, (batch, *target, 2)).astype(np.float32)
    if wild:
        spoil(grid, rng, 0.2)
    expected = reference.grid_sample(image, grid, padding)
    if planar:
        image = np.ascontiguousarray(image.transpose(0, 3, 1, 2))
        out = at.put(np.full((batch, channels, *target), np.nan, dtype))
    else:
        out = at.put(np.full((batch, *target, channels), np.nan, dtype))
    layout = "nchw" if planar else "nhwc"
    grid_sample(at.kernels, at.put(image), at.put(grid), out, padding=padding, layout=layout)
    result = at.get(out)
    result = result.transpose(0, 2, 3, 1) if planar else result
    np.testing.assert_allclose(result.astype(np.float64), expected, rtol=0, atol=tolerance(dtype))


@pytest.mark.parametrize("device", DEVICES)
@PROPERTY
@given(
    seed=SEEDS, batch=st.integers(1, 3), flow_size=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    levels=st.lists(st.tuples(SIZES, SIZES, st.sampled_from((1, 3, 4, 8, 16, 20))), min_size=1, max_size=4),
    dtype=DTYPES, convention=CONVENTIONS, padding=PADDINGS, planar=st.booleans(), half_flow=st.booleans(),
    shared=st.booleans(), wild=st.booleans(), trusted=st.booleans(), planar_maps=st.booleans(),
)  # fmt: skip
def test_flow_warp_equals_the_reference(
    device: str, seed: int, batch: int, flow_size: tuple[int, int], levels: list[tuple[int, int, int]], dtype: type,
    convention: FlowConvention, padding: Padding, planar: bool, half_flow: bool, shared: bool, wild: bool,
    trusted: bool, planar_maps: bool,
) -> None:  # fmt: skip
    at = kernel_device(device)
    rng = np.random.default_rng(seed)
    reach = max(flow_size) if convention is PUBLISHED else 0.4 * convention.unit
    flow = rng.uniform(-reach, reach, (batch, *flow_size, 2)).astype(
        np.float16 if half_flow and dtype == np.float16 else np.float32
    )
    if wild:
        # NaN here and there; a whole image far off, since a wild number's weight of 0 or 1e-8 would decide otherwise.
        flow[rng.random(flow.shape) < 0.05] = np.nan
        flow[rng.integers(batch)] += np.float16(3e4)
    if trusted:
        flow = np.concatenate([flow, rng.random((batch, *flow_size, 1)).astype(flow.dtype)], axis=3)
    images = batch + 2 if shared else batch
    slots = rng.integers(0, images, batch).astype(np.int32) if shared else None
    sources = [rng.standard_normal((images, *level)).astype(dtype) for level in levels]
    axes = (0, 3, 1, 2) if planar_maps else (0, 1, 2, 3)
    outs = [at.put(np.full((batch, *level), np.nan, dtype).transpose(axes).copy()) for level in levels]
    given_flow = np.ascontiguousarray(flow.transpose(0, 3, 1, 2)) if planar else flow
    flow_warp(
        at.kernels,
        at.put(given_flow),
        [(at.put(source.transpose(axes).copy()), out) for source, out in zip(sources, outs, strict=True)],
        convention=convention,
        padding=padding,
        layout="nchw" if planar else "nhwc",
        maps="nchw" if planar_maps else "nhwc",
        slots=None if slots is None else at.put(slots),
        trust=trusted,
    )
    for source, out in zip(sources, outs, strict=True):
        chosen = source if slots is None else source[slots]
        expected = reference.flow_warp(chosen, flow, convention, padding)
        # Coordinates are float32: a sampling position is off by up to its own rounding, in pixels.
        result = at.get(out).transpose(0, 2, 3, 1) if planar_maps else at.get(out)
        np.testing.assert_allclose(result.astype(np.float64), expected, rtol=0, atol=tolerance(dtype))


@pytest.mark.parametrize("device", DEVICES)
def test_published_warp_equals_the_networks_own(device: str) -> None:
    torch = pytest.importorskip("torch")
    from live.render.pirenderer.warping import warp

    at = kernel_device(device)
    rng = np.random.default_rng(5)
    image = rng.standard_normal((2, 3, 64, 64)).astype(np.float32)
    flow = rng.uniform(-5, 5, (2, 2, 16, 16)).astype(np.float32)
    expected = warp(torch.from_numpy(image), torch.from_numpy(flow)).numpy()
    out = at.put(np.zeros((2, 64, 64, 3), np.float32))
    source = at.put(np.ascontiguousarray(image.transpose(0, 2, 3, 1)))
    flow_warp(at.kernels, at.put(flow), [(source, out)], convention=PUBLISHED, layout="nchw")
    np.testing.assert_allclose(at.get(out).transpose(0, 3, 1, 2), expected, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_live_warp_equals_the_networks_own(device: str) -> None:
    torch = pytest.importorskip("torch")
    from live.render.live_network.base import identity_grid, resize, sample

    at = kernel_device(device)
    rng = np.random.default_rng(8)
    flow = torch.from_numpy(rng.uniform(-0.3, 0.3, (2, 2, 16, 16)).astype(np.float32))
    trust = torch.from_numpy(rng.random((2, 1, 16, 16)).astype(np.float32))
    levels = [torch.from_numpy(rng.standard_normal((2, 8, s, s)).astype(np.float32)) for s in (32, 16, 8)]
    grid = identity_grid(flow) + flow
    expected = [sample(x, resize(grid, x.shape[-1])) * resize(trust, x.shape[-1]) for x in levels]
    pairs = []
    for level in levels:
        source = at.put(np.ascontiguousarray(level.permute(0, 2, 3, 1).numpy()))
        pairs.append((source, at.put(np.zeros(tuple(source.shape), np.float32))))
    both = at.put(torch.cat([flow, trust], 1).numpy())
    convention = NORMALISED_RESIZED
    flow_warp(at.kernels, both, pairs, convention=convention, padding="border", layout="nchw", trust=True)
    for (_, out), wanted in zip(pairs, expected, strict=True):
        np.testing.assert_allclose(at.get(out).transpose(0, 3, 1, 2), wanted.numpy(), atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("padding", ["zeros", "border"])
def test_grid_sample_equals_torch(device: str, padding: Padding) -> None:
    torch = pytest.importorskip("torch")
    at = kernel_device(device)
    rng = np.random.default_rng(6)
    image = rng.standard_normal((2, 8, 13, 17)).astype(np.float32)
    grid = rng.uniform(-1.3, 1.3, (2, 21, 15, 2)).astype(np.float32)
    expected = torch.nn.functional.grid_sample(
        torch.from_numpy(image), torch.from_numpy(grid), "bilinear", padding, align_corners=False
    ).numpy()
    out = at.put(np.zeros((2, 8, 21, 15), np.float32))
    grid_sample(at.kernels, at.put(image), at.put(grid), out, padding=padding, layout="nchw")
    np.testing.assert_allclose(at.get(out), expected, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("convention", [NORMALISED, SIDES])
def test_no_flow_is_the_picture_itself(device: str, convention: FlowConvention) -> None:
    at = kernel_device(device)
    image = np.random.default_rng(7).standard_normal((1, 32, 48, 8)).astype(np.float16)
    out = at.put(np.zeros_like(image))
    flow_warp(at.kernels, at.put(np.zeros((1, 8, 8, 2), np.float32)), [(at.put(image), out)], convention=convention)
    assert (at.get(out) == image).all()


def test_what_does_not_fit_is_refused() -> None:
    at = kernel_device("host")
    image, flow = np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 4, 4, 2), np.float32)
    with pytest.raises(ValueError, match="need slots"):
        flow_warp(at.kernels, flow, [(image[:1], image.copy())], convention=SIDES)
    with pytest.raises(ValueError, match="float16 flow needs"):
        flow_warp(at.kernels, flow.astype(np.float16), [(image, image.copy())], convention=SIDES)
    with pytest.raises(ValueError, match="levels"):
        flow_warp(at.kernels, flow, [], convention=SIDES)
    with pytest.raises(ValueError, match="C-contiguous"):
        grid_sample(at.kernels, image.transpose(0, 2, 1, 3), flow, image.copy())
    with pytest.raises(ValueError, match="float64"):
        grid_sample(at.kernels, image.astype(np.float64), flow, image.copy())
    with pytest.raises(ValueError, match="out must be"):
        grid_sample(at.kernels, image, flow, image.copy())
