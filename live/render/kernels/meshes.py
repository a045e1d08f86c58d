"""Mesh rasteriser on the device: the twin of `live.render.rasterise`."""

from __future__ import annotations

import numpy as np

from live.render.kernels.launch import DeviceArray, Kernels, check_contiguous

Extent = tuple[float, float, float]
"""What a mesh's x, y and z are multiplied by to become pixels."""


def rasterise_keys(
    kernels: Kernels, points: DeviceArray, faces: DeviceArray, keys: DeviceArray, extent: Extent = (1.0, 1.0, 1.0)
) -> None:
    """Find the nearest front face of every pixel.

    Args:
        kernels: where to run.
        points: float32 (N, V, 3), x right, y down, z towards the viewer; pixel centres at i + 0.5.
        faces: int32 (F, 3), counter-clockwise for somebody who looks at them (with y up); others are culled.
        keys: uint64 (N, H, W), written: packed depth and face, to be read by `resolve`.
        extent: see `Extent`.
    """
    batch, height, width = keys.shape
    _check(points, faces, batch)
    count = keys.size
    kernels.launch("raster_clear", count, keys, np.uint32(count))
    count = batch * len(faces)
    kernels.launch(
        "raster_keys",
        count,
        points,
        np.int32(points.shape[1]),
        faces,
        np.int32(len(faces)),
        keys,
        np.uint32(count),
        np.int32(height),
        np.int32(width),
        *(np.float32(value) for value in extent),
    )


def resolve(
    kernels: Kernels,
    keys: DeviceArray,
    points: DeviceArray,
    faces: DeviceArray,
    *,
    attributes: DeviceArray | None = None,
    values: DeviceArray | None = None,
    triangles: DeviceArray | None = None,
    depth: DeviceArray | None = None,
    extent: Extent = (1.0, 1.0, 1.0),
) -> None:
    """Interpolate attributes at what `rasterise_keys` found.

    Args:
        kernels: where to run.
        keys, points, faces, extent: as for `rasterise_keys`.
        attributes: float32 (N, V, C).
        values: float32 (N, H, W, C), written; 0 where nothing is drawn.
        triangles: int32 (N, H, W), written; −1 where nothing is drawn.
        depth: float32 (N, H, W), written; −inf where nothing is drawn.
    """
    batch, height, width = keys.shape
    _check(points, faces, batch)
    if (attributes is None) != (values is None):
        raise ValueError("attributes and values go together")
    channels = 0
    if attributes is not None and values is not None:
        channels = attributes.shape[2]
        if attributes.shape[:2] != points.shape[:2] or values.shape != (batch, height, width, channels):
            raise ValueError(f"attributes {attributes.shape} and values {values.shape} do not fit")
        check_contiguous(attributes, "attributes")
        check_contiguous(values, "values")
    kernels.launch(
        "raster_resolve",
        keys.size,
        keys,
        points,
        np.int32(points.shape[1]),
        faces,
        attributes,
        values,
        triangles,
        depth,
        np.uint32(keys.size),
        np.int32(height),
        np.int32(width),
        np.int32(channels),
        *(np.float32(value) for value in extent[:2]),
    )


def _check(points: DeviceArray, faces: DeviceArray, batch: int) -> None:
    check_contiguous(points, "points")
    check_contiguous(faces, "faces")
    if points.dtype != np.float32 or points.ndim != 3 or points.shape[0] != batch or points.shape[2] != 3:
        raise ValueError(f"points must be float32 ({batch}, V, 3), not {points.dtype} {points.shape}")
    if faces.dtype != np.int32 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"faces must be int32 (F, 3), not {faces.dtype} {faces.shape}")
