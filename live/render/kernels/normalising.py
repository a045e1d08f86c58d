"""AdaIN and layer norm on the device, each with everything that follows it in the networks in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from live.render.kernels.launch import THREADS, DeviceArray, Kernels, check_contiguous, value_suffix

MAX_CHUNKS = 128
EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class Picture:
    """A feature map as a convolution left it.

    Attributes:
        data: float16 or float32 NHWC, C-contiguous: (N, height, width, C), or with `phases` (N, height/2 + 1,
            width/2 + 1, 4C), the output of the 2×2 convolution that stands for nearest ×2 and a 3×3 one.
        phases: see `data`.
    """

    data: DeviceArray
    phases: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, height, width, C) of the map itself."""
        batch, rows, columns, channels = self.data.shape
        if self.phases:
            return batch, 2 * (rows - 1), 2 * (columns - 1), channels // 4
        return batch, rows, columns, channels


def chunk_count(pixels: int) -> int:
    """Into how many parts a map of so many pixels is cut for its sums."""
    return max(1, min(MAX_CHUNKS, pixels // 64))


def partial_shape(picture: Picture) -> tuple[int, int, int, int]:
    """Shape of the float32 work space of `channel_sums`."""
    batch, height, width, channels = picture.shape
    return batch, chunk_count(height * width), channels, 2


def affine_shape(picture: Picture) -> tuple[int, int, int]:
    """Shape of the float32 result of `adain_affine` and `layer_affine`."""
    batch, _, _, channels = picture.shape
    return batch, 2, channels


def channel_sums(kernels: Kernels, picture: Picture, partial: DeviceArray) -> None:
    """Sums and sums of squares per channel, in parts; `partial`: float32 `partial_shape(picture)`, written."""
    batch, height, width, channels = picture.shape
    check_contiguous(picture.data, "picture")
    lanes = 16 // picture.data.dtype.itemsize
    if channels % lanes or channels // lanes > THREADS:
        raise ValueError(f"{channels} channels; a multiple of {lanes} up to {lanes * THREADS} is needed")
    if partial.shape != partial_shape(picture):
        raise ValueError(f"partial must be {partial_shape(picture)}, not {partial.shape}")
    chunks = partial.shape[1]
    kernels.launch(
        f"channel_sums_{value_suffix(picture.data)}",
        batch * chunks * THREADS,
        picture.data,
        partial,
        np.int32(chunks),
        np.int32(height),
        np.int32(width),
        np.int32(channels),
        np.int32(picture.phases),
    )


def adain_affine(
    kernels: Kernels,
    partial: DeviceArray,
    pixels: int,
    gamma: DeviceArray,
    beta: DeviceArray,
    affine: DeviceArray,
    *,
    bias: DeviceArray | None = None,
) -> None:
    """Instance norm (eps 1e-5), then `x * (1 + gamma) + beta`, as one scale and shift per image and channel.

    Args:
        kernels: where to run.
        partial: of `channel_sums`.
        pixels: of the picture, height times width.
        gamma, beta: float32 (N, C), rows of equal stride.
        affine: float32 (N, 2, C), written.
        bias: float32 (C,) that the convolution left out. It cancels in the output, but not in `apply` without it.
    """
    if gamma.strides != beta.strides or gamma.strides[1] != 4:
        raise ValueError("gamma and beta must have equal strides and dense rows")
    _affine(kernels, partial, pixels, gamma, beta, gamma.strides[0] // 4, affine, bias, layer=False)


def layer_affine(
    kernels: Kernels,
    partial: DeviceArray,
    pixels: int,
    weight: DeviceArray,
    bias_after: DeviceArray,
    affine: DeviceArray,
    *,
    bias: DeviceArray | None = None,
) -> None:
    """Layer norm over (C, H, W) (eps 1e-5) with weight and bias float32 (C,); otherwise as `adain_affine`."""
    _affine(kernels, partial, pixels, weight, bias_after, 0, affine, bias, layer=True)


def _affine(
    kernels: Kernels,
    partial: DeviceArray,
    pixels: int,
    gamma: DeviceArray,
    beta: DeviceArray,
    stride: int,
    affine: DeviceArray,
    bias: DeviceArray | None,
    *,
    layer: bool,
) -> None:
    batch, chunks, channels, _ = partial.shape
    if affine.shape != (batch, 2, channels):
        raise ValueError(f"affine must be {(batch, 2, channels)}, not {affine.shape}")
    for array in (gamma, beta, *(() if bias is None else (bias,))):
        if array.dtype != np.float32 or array.shape[-1] != channels:
            raise ValueError(f"gamma, beta and bias must be float32 with {channels} values, not {array.shape}")
    kernels.launch(
        "norm_affine",
        batch * THREADS,
        partial,
        bias,
        gamma,
        beta,
        np.int32(stride),
        affine,
        np.int32(chunks),
        np.int32(channels),
        np.int32(pixels),
        np.int32(layer),
        np.float32(EPSILON),
    )


def apply(
    kernels: Kernels,
    picture: Picture,
    affine: DeviceArray,
    out: DeviceArray,
    *,
    slope: float,
    residual: DeviceArray | None = None,
    pool: bool = False,
    offset: int = 0,
) -> None:
    """`leaky(x * scale + shift) + residual` per channel.

    Args:
        kernels: where to run.
        picture: x.
        affine: of `adain_affine` or `layer_affine`.
        out: of the picture's dtype, (N, height, width, ≥ C), C-contiguous; half as high and wide with `pool`. Written
            from channel `offset` on.
        slope: of LeakyReLU for negative values; 1 = no activation.
        residual: added at the end; (N, height, width, C) of the result.
        pool: mean over 2×2 pixels after the activation (before `residual`).
        offset: see `out`; a multiple of the lanes.
    """
    batch, height, width, channels = picture.shape
    lanes = 16 // picture.data.dtype.itemsize
    rows, columns = (height // 2, width // 2) if pool else (height, width)
    check_contiguous(picture.data, "picture")
    check_contiguous(out, "out")
    if out.shape[:3] != (batch, rows, columns) or out.dtype != picture.data.dtype:
        raise ValueError(f"out must be {picture.data.dtype} {(batch, rows, columns)}, not {out.dtype} {out.shape}")
    if channels % lanes or out.shape[3] % lanes or offset % lanes or offset + channels > out.shape[3]:
        raise ValueError(f"{channels} channels from {offset} do not fit {out.shape[3]} in steps of {lanes}")
    if residual is not None:
        check_contiguous(residual, "residual")
        if residual.shape != (batch, rows, columns, channels) or residual.dtype != out.dtype:
            raise ValueError(f"residual {residual.dtype} {residual.shape} does not fit")
    quarter = -(-rows * columns // 4)
    count = batch * quarter * (channels // lanes)
    kernels.launch(
        f"norm_apply_{value_suffix(out)}",
        count,
        picture.data,
        affine,
        residual,
        out,
        np.uint32(count),
        np.int32(quarter),
        np.int32(height),
        np.int32(width),
        np.int32(channels),
        np.int32(picture.phases),
        np.int32(pool),
        np.float32(slope),
        np.int32(out.shape[3]),
        np.int32(offset),
    )
