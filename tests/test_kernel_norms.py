"""AdaIN and layer-norm kernels against torch's norms, with everything that is fused into them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.render.kernels.normalising import (
    Picture,
    adain_affine,
    affine_shape,
    apply,
    channel_sums,
    layer_affine,
    partial_shape,
)
from tests.kernel_devices import DEVICES, kernel_device

torch = pytest.importorskip("torch")
functional = torch.nn.functional


def interleave(phases: np.ndarray) -> np.ndarray:
    """(N, h+1, w+1, 4C) → (N, 2h, 2w, C): what the phases stand for, as `SubPixelUp` reads them."""
    batch, rows, columns, channels = phases.shape
    height, width = rows - 1, columns - 1
    out = np.zeros((batch, 2 * height, 2 * width, channels // 4), phases.dtype)
    for a in (0, 1):
        for b in (0, 1):
            part = phases[:, a : a + height, b : b + width]
            out[:, a::2, b::2] = np.split(part, 4, axis=3)[2 * a + b]
    return out


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 3), half=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.sampled_from((8, 16, 24, 40)), dtype=st.sampled_from((np.float16, np.float32)), layer=st.booleans(),
    phases=st.booleans(), pool=st.booleans(), biased=st.booleans(), residual=st.booleans(),
    offset=st.sampled_from((0, 8)), slope=st.sampled_from((0.1, 1.0)),
)  # fmt: skip
def test_equals_torch(
    device: str, seed: int, batch: int, half: tuple[int, int], channels: int, dtype: type, layer: bool, phases: bool,
    pool: bool, biased: bool, residual: bool, offset: int, slope: float,
) -> None:  # fmt: skip
    at = kernel_device(device)
    rng = np.random.default_rng(seed)
    height, width = 2 * half[0], 2 * half[1]
    shape = (batch, half[0] + 1, half[1] + 1, 4 * channels) if phases else (batch, height, width, channels)
    data = (rng.standard_normal(shape) * 2 + rng.standard_normal(shape[-1])).astype(dtype)
    gamma, beta = rng.standard_normal((2, batch, channels)).astype(np.float32)
    bias = rng.standard_normal(channels).astype(np.float32) if biased else None
    rows, columns = half if pool else (height, width)
    extra = rng.standard_normal((batch, rows, columns, channels)).astype(dtype) if residual else None

    plain = interleave(data) if phases else data
    x = torch.from_numpy(plain.astype(np.float64)).permute(0, 3, 1, 2)
    if bias is not None:
        x = x + torch.from_numpy(bias.astype(np.float64))[:, None, None]
    if layer:
        weight, shift = (torch.from_numpy(v[0].astype(np.float64))[:, None, None] for v in (gamma, beta))
        y = functional.layer_norm(x, x.shape[1:], eps=1e-5) * weight + shift
    else:
        scale, shift = (torch.from_numpy(v.astype(np.float64))[:, :, None, None] for v in (gamma, beta))
        y = functional.instance_norm(x, eps=1e-5) * (1 + scale) + shift
    y = functional.leaky_relu(y, slope)
    y = functional.avg_pool2d(y, 2) if pool else y
    expected = y.permute(0, 2, 3, 1).numpy() + (0 if extra is None else extra)

    picture = Picture(at.put(data), phases)
    partial = at.put(np.full(partial_shape(picture), np.nan, np.float32))
    affine = at.put(np.full(affine_shape(picture), np.nan, np.float32))
    out = at.put(np.full((batch, rows, columns, channels + 16), 7, dtype))
    channel_sums(at.kernels, picture, partial)
    before = None if bias is None else at.put(bias)
    if layer:
        layer_affine(at.kernels, partial, height * width, at.put(gamma[0]), at.put(beta[0]), affine, bias=before)
    else:
        adain_affine(at.kernels, partial, height * width, at.put(gamma), at.put(beta), affine, bias=before)
    apply(
        at.kernels, picture, affine, out, slope=slope, residual=None if extra is None else at.put(extra), pool=pool,
        offset=offset,
    )  # fmt: skip
    result = at.get(out)
    # An instance of four pixels can have next to no variance: what it is divided by amplifies rounding.
    atol = 2e-2 if dtype == np.float16 else 2e-3
    np.testing.assert_allclose(result[..., offset : offset + channels], expected, rtol=4e-3, atol=atol)
    untouched = np.delete(result, np.s_[offset : offset + channels], axis=3)
    assert (untouched == 7).all()


@pytest.mark.parametrize("device", DEVICES)
def test_large_maps_with_a_large_mean_keep_their_precision(device: str) -> None:
    at = kernel_device(device)
    rng = np.random.default_rng(2)
    data = (rng.standard_normal((1, 96, 96, 8)) + 30).astype(np.float16)
    x = torch.from_numpy(data.astype(np.float64)).permute(0, 3, 1, 2)
    expected = functional.instance_norm(x, eps=1e-5).permute(0, 2, 3, 1).numpy()
    picture = Picture(at.put(data))
    partial = at.put(np.zeros(partial_shape(picture), np.float32))
    affine, out = at.put(np.zeros(affine_shape(picture), np.float32)), at.put(np.zeros_like(data))
    zeros = at.put(np.zeros((1, 8), np.float32))
    channel_sums(at.kernels, picture, partial)
    adain_affine(at.kernels, partial, 96 * 96, zeros, zeros, affine)
    apply(at.kernels, picture, affine, out, slope=1.0)
    np.testing.assert_allclose(at.get(out), expected, atol=5e-3)


def test_what_does_not_fit_is_refused() -> None:
    at = kernel_device("host")
    picture = Picture(np.zeros((1, 4, 4, 6), np.float16))
    with pytest.raises(ValueError, match="multiple of 8"):
        channel_sums(at.kernels, picture, np.zeros(partial_shape(picture), np.float32))
    good = Picture(np.zeros((1, 4, 4, 8), np.float16))
    affine = np.zeros(affine_shape(good), np.float32)
    with pytest.raises(ValueError, match="do not fit"):
        apply(at.kernels, good, affine, np.zeros((1, 4, 4, 8), np.float16), slope=1.0, offset=8)
    with pytest.raises(ValueError, match="residual"):
        apply(at.kernels, good, affine, good.data.copy(), slope=1.0, residual=np.zeros((1, 2, 2, 8), np.float16))
