"""Grid-sample on the device: bilinear, half-pixel centres, NHWC and NCHW."""

from __future__ import annotations

from typing import Literal

import numpy as np

from live.render.kernels.launch import DeviceArray, Kernels, address, check_contiguous, value_suffix

Padding = Literal["zeros", "border"]
Layout = Literal["nhwc", "nchw"]
PADDING: dict[Padding, np.int32] = {"zeros": np.int32(0), "border": np.int32(1)}


def grid_sample(
    kernels: Kernels,
    source: DeviceArray,
    grid: DeviceArray,
    out: DeviceArray,
    *,
    padding: Padding = "zeros",
    layout: Layout = "nhwc",
) -> None:
    """Sample images at the positions of a grid, as torch's `grid_sample` with `align_corners=False`.

    Args:
        kernels: where to run.
        source: float16 or float32, (N, H, W, C) or (N, C, H, W).
        grid: float32 (N, h, w, 2): x, y, −1 and 1 being the image's outer edges. Zero padding samples nothing at a
            position that is not finite; border padding takes NaN as the first pixel.
        out: of the source's dtype and layout, with h, w in place of H, W. Written.
        padding: what lies outside the image.
        layout: of `source` and `out`. NHWC with a multiple of 8 (float16) or 4 (float32) channels moves 16 bytes at a
            time.

    Raises:
        ValueError: shapes or dtypes do not fit.
    """
    suffix = value_suffix(source)
    for array, name in ((source, "source"), (grid, "grid"), (out, "out")):
        check_contiguous(array, name)
    if layout == "nhwc":
        batch, height, width, channels = source.shape
        expected = (*grid.shape[:3], channels)
    else:
        batch, channels, height, width = source.shape
        expected = (grid.shape[0], channels, *grid.shape[1:3])
    if grid.dtype != np.float32 or grid.shape[0] != batch or grid.shape[3] != 2:
        raise ValueError(f"grid must be float32 ({batch}, h, w, 2), not {grid.dtype} {grid.shape}")
    if out.shape != expected or out.dtype != source.dtype:
        raise ValueError(f"out must be {source.dtype} {expected}, not {out.dtype} {out.shape}")
    positions = grid.shape[1] * grid.shape[2]
    sizes = (np.int32(positions), np.int32(height), np.int32(width), np.int32(channels), PADDING[padding])
    groups = lane_groups(source, out, channels) if layout == "nhwc" else 0
    if groups:
        count = batch * positions * groups
        kernels.launch(f"grid_sample_lanes_{suffix}", count, source, grid, out, np.uint32(count), *sizes)
    else:
        count = batch * positions
        planar = np.int32(layout == "nchw")
        kernels.launch(f"grid_sample_any_{suffix}", count, source, grid, out, np.uint32(count), *sizes, planar)


def lane_groups(source: DeviceArray, out: DeviceArray, channels: int) -> int:
    """How many 16-byte groups a pixel of both arrays has, or 0 if they cannot be moved so."""
    lanes = 16 // source.dtype.itemsize
    aligned = address(source) % 16 == 0 and address(out) % 16 == 0
    return channels // lanes if aligned and channels % lanes == 0 else 0
