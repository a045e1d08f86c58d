"""The end of a frame: blend, convert and pack into what an encoder or a screen takes."""

from __future__ import annotations

from enum import Enum

import numpy as np

from live.render.kernels.launch import DeviceArray, Kernels, check_contiguous, element_strides, value_suffix


class PixelFormat(Enum):
    """How finished pictures are packed."""

    RGB = 0
    """uint8 (N, H, W, 3)."""
    I420 = 1
    """uint8 (N, 3H/2, W): luma, then the U plane, then the V plane, limited range."""
    NV12 = 2
    """uint8 (N, 3H/2, W): luma, then U and V interleaved, limited range."""

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """Shape of one picture's bytes."""
        return (height, width, 3) if self is PixelFormat.RGB else (height * 3 // 2, width)


class ColourMatrix(Enum):
    """Weights of red and blue in luma."""

    BT601 = (0.299, 0.114)
    BT709 = (0.2126, 0.0722)


def frame_output(
    kernels: Kernels,
    picture: DeviceArray,
    out: DeviceArray,
    *,
    size: tuple[int, int],
    mask: DeviceArray | None = None,
    warp: DeviceArray | None = None,
    pixel_format: PixelFormat = PixelFormat.RGB,
    matrix: ColourMatrix = ColourMatrix.BT601,
    gain: float = 127.5,
    bias: float = 127.5,
    squash: bool = False,
) -> None:
    """`mask·picture + (1 − mask)·warp`, times `gain` plus `bias`, as bytes. NaN becomes 0.

    Args:
        kernels: where to run.
        picture: (N, ≥ 3, h, w), any strides, float16 or float32; three channels are used. Smaller inputs
            are upsampled bilinearly.
        out: uint8 (N, *pixel_format.shape(H, W)), C-contiguous. Written.
        size: (W, H) of the result, both even.
        mask: (N, 1, h, w) in 0…1 (clamped), same dtype; with `warp`.
        warp: (N, 3, h, w), same dtype; with `mask`.
        pixel_format, matrix: of `out`.
        gain, bias: from picture values to bytes; the defaults take −1…1.
        squash: take tanh of the picture's values first.

    Raises:
        ValueError: shapes or dtypes do not fit.
    """
    width, height = size
    batch = picture.shape[0]
    if width % 2 or height % 2:
        raise ValueError(f"sizes must be even, not {width} by {height}")
    if (mask is None) != (warp is None):
        raise ValueError("mask and warp go together")
    shape = (batch, *pixel_format.shape(height, width))
    if out.dtype != np.uint8 or out.shape != shape:
        raise ValueError(f"out must be uint8 {shape}, not {out.dtype} {out.shape}")
    check_contiguous(out, "out")
    views: list[object] = []
    for array, channels in ((picture, 3), (mask, 1), (warp, 3)):
        if array is None:
            views += [None, *[np.int32(1)] * 2, *[np.int32(0)] * 4]
            continue
        if array.dtype != picture.dtype or array.shape[0] != batch or array.shape[1] < channels:
            raise ValueError(f"expected {picture.dtype} ({batch}, {channels}, h, w), not {array.dtype} {array.shape}")
        views += [array, *(np.int32(n) for n in array.shape[2:]), *(np.int32(n) for n in element_strides(array))]
    count = batch * (width // 2) * (height // 2)
    kr, kb = matrix.value
    kernels.launch(
        f"frame_output_{value_suffix(picture)}",
        count,
        *views,
        out,
        np.uint32(count),
        np.int32(height),
        np.int32(width),
        np.float32(gain),
        np.float32(bias),
        np.int32(squash),
        np.int32(pixel_format.value),
        np.float32(kr),
        np.float32(kb),
    )
