"""The rasteriser against a slow, obvious one."""

from __future__ import annotations

import numpy as np

from live.frames import FloatArray
from live.render.rasterise import NO_TRIANGLE, IntArray, rasterise, vertex_normals


def slow(points: FloatArray, faces: IntArray, attributes: FloatArray, width: int, height: int) -> FloatArray:
    """Every pixel centre against every triangle, in double precision."""
    out = np.zeros((height, width, attributes.shape[1]))
    for row in range(height):
        for column in range(width):
            best = -np.inf
            for face in faces:
                a, b, c = points[face].astype(np.float64)
                matrix = np.array([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [1, 1, 1]])
                if np.linalg.det(matrix) >= -1e-9:  # y points down, so front faces turn the other way
                    continue
                weights = np.linalg.solve(matrix, [column + 0.5, row + 0.5, 1])
                depth = weights @ [a[2], b[2], c[2]]
                if (weights >= 0).all() and depth > best:
                    best = depth
                    out[row, column] = weights @ attributes[face]
    return out.astype(np.float32)


def test_matches_the_reference() -> None:
    random = np.random.default_rng(3)
    points = (random.random((24, 3)) * [22, 18, 5] - 1).astype(np.float32)
    faces = random.integers(0, 24, (40, 3)).astype(np.int32)
    attributes = random.normal(size=(24, 3)).astype(np.float32)
    values, triangles, depth = rasterise(points, faces, attributes, (20, 16))
    expected = slow(points, faces, attributes, 20, 16)
    # Pixels whose centre is on an edge may fall either way.
    agree = np.abs(values - expected).max(-1) < 1e-3
    assert agree.mean() > 0.99
    assert (triangles != NO_TRIANGLE).mean() > 0.3
    assert ((triangles == NO_TRIANGLE) == ~np.isfinite(depth)).all()


def test_nearer_wins_and_back_faces_are_culled() -> None:
    square = [[0, 0], [0, 8], [8, 8], [8, 0]]
    points = np.array([[x, y, z] for z in (1, 2, 3) for x, y in square], np.float32)
    front = [[0, 1, 2], [0, 2, 3]]
    faces = np.array(
        [*front, *[[a + 4, b + 4, c + 4] for a, b, c in front], *[[a + 8, c + 8, b + 8] for a, b, c in front]], np.int32
    )
    layer = np.repeat(np.array([[1.0], [2.0], [3.0]], np.float32), 4, axis=0)
    values, _, depth = rasterise(points, faces, layer, (8, 8))
    assert (values == 2).all()  # the third square is nearest, but seen from behind
    assert (depth == 2).all()


def test_outside_degenerate_and_nan_triangles_draw_nothing() -> None:
    points = np.array(
        [[-9, -9, 0], [-9, -5, 0], [-5, -5, 0], [3, 3, 0], [3, 3, 0], [np.nan, 4, 0], [5, 5, 0]], np.float32
    )
    faces = np.array([[0, 1, 2], [3, 4, 6], [3, 5, 6]], np.int32)
    _, triangles, _ = rasterise(points, faces, np.ones((7, 1), np.float32), (8, 8))
    assert (triangles == NO_TRIANGLE).all()


def test_normals_of_an_octahedron_point_outwards() -> None:
    points = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float32)
    faces = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]], np.int32)
    assert np.allclose(vertex_normals(points, faces), points, atol=1e-6)
