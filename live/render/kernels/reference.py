"""What the kernels must compute, in plain NumPy: slow, and as close to the definitions as can be.

The rasteriser's and the extension's references are the CPU path itself: `live.render.rasterise`, `live.render.extend`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray
from live.render.kernels.output import ColourMatrix, PixelFormat
from live.render.kernels.sampling import Padding
from live.render.kernels.warping import FlowConvention

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]


def sample_pixels(image: Floats, x: Doubles, y: Doubles, padding: Padding) -> Doubles:
    """Bilinear sampling of `image` (H, W, C) at pixel indices `x`, `y` (h, w); → float64 (h, w, C)."""
    height, width = image.shape[:2]
    if padding == "border":
        x = np.clip(np.where(np.isnan(x), 0.0, x), 0, width - 1)
        y = np.clip(np.where(np.isnan(y), 0.0, y), 0, height - 1)
    finite = np.isfinite(x) & np.isfinite(y)
    # Far outside is outside: keeps the integer conversion defined.
    x = np.clip(np.where(finite, x, -2.0), -2.0, width + 1.0)
    y = np.clip(np.where(finite, y, -2.0), -2.0, height + 1.0)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    out = np.zeros((*x.shape, image.shape[2]))
    for row in (0, 1):
        for column in (0, 1):
            u, v = left + column, top + row
            inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
            weight = (1 - np.abs(x - u)) * (1 - np.abs(y - v)) * inside
            pixel = image[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)].astype(np.float64)
            out += weight[..., None] * pixel
    return out


def grid_sample(source: Floats, grid: FloatArray, padding: Padding) -> Doubles:
    """`source` (N, H, W, C) at `grid` (N, h, w, 2); → float64 (N, h, w, C)."""
    height, width = source.shape[1:3]
    with np.errstate(invalid="ignore", over="ignore"):
        x = ((grid[..., 0].astype(np.float64) + 1) * width - 1) / 2
        y = ((grid[..., 1].astype(np.float64) + 1) * height - 1) / 2
    return np.stack([sample_pixels(*item, padding) for item in zip(source, x, y, strict=True)])


def resize(field: Floats, height: int, width: int) -> Doubles:
    """Bilinear resize of (h, w, C) with half-pixel centres; → float64 (height, width, C)."""
    out = field.astype(np.float64)
    for axis, size in ((0, height), (1, width)):
        source = out.shape[axis]
        position = np.clip((np.arange(size) + 0.5) * source / size - 0.5, 0, source - 1)
        first = np.minimum(np.floor(position).astype(np.int64), source - 1)
        second = np.minimum(first + 1, source - 1)
        shape = [1, 1, 1]
        shape[axis] = size
        fraction = (position - first).reshape(shape)
        with np.errstate(invalid="ignore"):
            out = np.take(out, first, axis) * (1 - fraction) + np.take(out, second, axis) * fraction
    return out


def flow_warp(source: Floats, flow: Floats, convention: FlowConvention, padding: Padding) -> Doubles:
    """`source` (N, H, W, C) displaced by `flow` (N, h, w, 2 or, with trust, 3); → float64 (N, H, W, C)."""
    height, width = source.shape[1:3]
    rows, columns = flow.shape[1:3]
    out = np.zeros(source.shape)
    trust = flow[..., 2:]
    flow = flow[..., :2]
    for n in range(len(flow)):
        with np.errstate(invalid="ignore"):
            if convention.base == "corners":
                steps = np.array([columns - 1, rows - 1], np.float64)
                index = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
                low = 2 * index / steps - 1 + 2 * flow[n].astype(np.float64) / steps
                grid = resize(low, height, width)
                x, y = ((grid[..., 0] + 1) * width - 1) / 2, ((grid[..., 1] + 1) * height - 1) / 2
            else:
                moved = resize(flow[n], height, width) / convention.unit
                steps = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)
                if convention.base == "resized":
                    low = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1) + 0.5
                    scale = np.array([width / columns, height / rows])
                    steps = resize(low.astype(np.float64), height, width) * scale - 0.5
                x = steps[..., 0] + moved[..., 0] * width
                y = steps[..., 1] + moved[..., 1] * height
        out[n] = sample_pixels(source[n], x, y, padding)
        if trust.shape[3]:
            out[n] *= resize(trust[n], height, width)
    return out


def frame_values(
    picture: Floats,
    mask: Floats | None,
    warp: Floats | None,
    size: tuple[int, int],
    gain: float = 127.5,
    bias: float = 127.5,
) -> Doubles:
    """The blended picture before rounding; inputs (N, C, h, w); → float64 (N, H, W, 3) in 0…255."""
    width, height = size

    def whole(x: Floats) -> Doubles:
        return np.stack([resize(item.transpose(1, 2, 0), height, width) for item in x])

    values = whole(picture)
    if mask is not None and warp is not None:
        share = np.clip(np.nan_to_num(whole(mask), nan=0.0), 0, 1)
        values = share * values + (1 - share) * whole(warp)
    return np.clip(np.nan_to_num(values * gain + bias, nan=0.0, posinf=np.inf, neginf=-np.inf), 0, 255)


def pack(values: Doubles, pixel_format: PixelFormat, matrix: ColourMatrix) -> NDArray[np.uint8]:
    """float64 (N, H, W, 3) in 0…255 → bytes (ITU-R BT.601-7 §2.5, BT.709-6 §3; limited range, 8 bit)."""

    def rounded(x: Doubles) -> NDArray[np.uint8]:
        return np.floor(np.clip(x, 0, 255) + 0.5).astype(np.uint8)

    if pixel_format is PixelFormat.RGB:
        return rounded(values)
    kr, kb = matrix.value
    batch, height, width, _ = values.shape

    def luma(rgb: Doubles) -> Doubles:
        return np.asarray(kr * rgb[..., 0] + (1 - kr - kb) * rgb[..., 1] + kb * rgb[..., 2])

    small = values.reshape(batch, height // 2, 2, width // 2, 2, 3).mean((2, 4))
    y = rounded(16 + luma(values) * 219 / 255)
    u = rounded(128 + (small[..., 2] - luma(small)) * (112 / 255) / (1 - kb))
    v = rounded(128 + (small[..., 0] - luma(small)) * (112 / 255) / (1 - kr))
    planes = [u, v] if pixel_format is PixelFormat.I420 else [np.stack([u, v], axis=-1)]
    chroma = [plane.reshape(batch, -1) for plane in planes]
    return np.concatenate([y.reshape(batch, -1), *chroma], axis=1).reshape(batch, height * 3 // 2, width)
