"""A small software rasteriser: per-vertex attributes of a triangle mesh onto a pixel grid, with a z-buffer.

The projection is weak-perspective (Hartley & Zisserman, *Multiple View Geometry*, §6.3), so attributes are interpolated
linearly in the picture and no perspective division is needed. The loops are compiled by Numba and release the GIL.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray

NO_TRIANGLE: Final = -1
"""Value of `Raster` pixels that no triangle covers."""

IntArray = NDArray[np.int32]


def rasterise(
    points: FloatArray, faces: IntArray, attributes: FloatArray, size: tuple[int, int]
) -> tuple[FloatArray, IntArray, FloatArray]:
    """Draw the front faces of a mesh.

    Args:
        points: float32 (V, 3), x right and y down in grid pixels (centres at i + 0.5), z towards the viewer.
        faces: int32 (F, 3), counter-clockwise for somebody who looks at them (with y up); others are culled.
        attributes: float32 (V, C), interpolated over the triangles.
        size: (width, height) of the grid.

    Returns:
        values: float32 (height, width, C), 0 where nothing is drawn.
        triangles: int32 (height, width), index of the nearest face or `NO_TRIANGLE`.
        depth: float32 (height, width), z of the nearest face, -inf where nothing is drawn.
    """
    width, height = size
    values = np.zeros((height, width, attributes.shape[1]), np.float32)
    triangles = np.full((height, width), NO_TRIANGLE, np.int32)
    depth = np.full((height, width), -np.inf, np.float32)
    _draw(points, faces, attributes, values, triangles, depth)
    return values, triangles, depth


@numba.njit(nogil=True, cache=True, fastmath=False)  # type: ignore[untyped-decorator, unused-ignore]
def _draw(
    points: FloatArray,
    faces: IntArray,
    attributes: FloatArray,
    values: FloatArray,
    triangles: IntArray,
    depth: FloatArray,
) -> None:
    height, width = triangles.shape
    channels = attributes.shape[1]
    zero = np.float32(0.0)
    one = np.float32(1.0)
    half = np.float32(0.5)
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay = points[a, 0], points[a, 1]
        bx, by = points[b, 0], points[b, 1]
        cx, cy = points[c, 0], points[c, 1]
        # Twice the signed area; negative for front faces because y points down.
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if not area < zero:  # also skips NaN
            continue
        left = max(int(np.ceil(min(ax, bx, cx) - half)), 0)
        right = min(int(np.floor(max(ax, bx, cx) - half)), width - 1)
        top = max(int(np.ceil(min(ay, by, cy) - half)), 0)
        bottom = min(int(np.floor(max(ay, by, cy) - half)), height - 1)
        if left > right or top > bottom:
            continue
        scale = one / area
        dwa = (by - cy) * scale
        dwb = (cy - ay) * scale
        dza = points[a, 2] - points[c, 2]
        dzb = points[b, 2] - points[c, 2]
        for y in range(top, bottom + 1):
            py = np.float32(y) + half
            px = np.float32(left) + half
            wa = ((bx - px) * (cy - py) - (cx - px) * (by - py)) * scale
            wb = ((cx - px) * (ay - py) - (ax - px) * (cy - py)) * scale
            for x in range(left, right + 1):
                if wa >= zero and wb >= zero and wa + wb <= one:
                    z = points[c, 2] + wa * dza + wb * dzb
                    if z > depth[y, x]:
                        depth[y, x] = z
                        triangles[y, x] = f
                        wc = one - wa - wb
                        for k in range(channels):
                            values[y, x, k] = wa * attributes[a, k] + wb * attributes[b, k] + wc * attributes[c, k]
                wa += dwa
                wb += dwb


def vertex_normals(points: FloatArray, faces: IntArray) -> FloatArray:
    """Unit normals, float32 (V, 3), of points whose x is right, y up, z towards the viewer; area-weighted."""
    normals = np.zeros_like(points)
    _add_normals(points, faces, normals)
    length = np.sqrt((normals * normals).sum(1, keepdims=True))
    return np.asarray(normals / np.maximum(length, np.float32(1e-12)), np.float32)


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def _add_normals(points: FloatArray, faces: IntArray, normals: FloatArray) -> None:
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
