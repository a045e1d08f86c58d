"""Rasteriser and extension kernels against the CPU path's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.render.extend import push_pull as cpu_push_pull
from live.render.kernels.extension import push_pull, pyramid_sizes
from live.render.kernels.meshes import rasterise_keys, resolve
from live.render.rasterise import NO_TRIANGLE, rasterise
from tests.kernel_devices import DEVICES, KernelDevice, kernel_device

PROPERTY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**32 - 1)


def draw(
    at: KernelDevice, points: np.ndarray, faces: np.ndarray, attributes: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """values, triangles and depth of a batch."""
    width, height = size
    batch = len(points)
    keys = at.put(np.zeros((batch, height, width), np.uint64))
    values = at.put(np.full((batch, height, width, attributes.shape[2]), 9, np.float32))
    triangles, depth = (
        at.put(np.zeros((batch, height, width), np.int32)),
        at.put(np.zeros((batch, height, width), "f4")),
    )
    mesh, table, corners = at.put(points), at.put(attributes), at.put(faces)
    rasterise_keys(at.kernels, mesh, corners, keys)
    resolve(at.kernels, keys, mesh, corners, attributes=table, values=values, triangles=triangles, depth=depth)
    return at.get(values), at.get(triangles), at.get(depth)


@pytest.mark.parametrize("device", DEVICES)
@PROPERTY
@given(
    seed=SEEDS, batch=st.integers(1, 3), vertices=st.integers(3, 30), faces=st.integers(1, 60),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)), channels=st.integers(1, 5), spoiled=st.booleans(),
)  # fmt: skip
def test_random_triangles_come_out_as_on_the_cpu(
    device: str, seed: int, batch: int, vertices: int, faces: int, size: tuple[int, int], channels: int, spoiled: bool
) -> None:
    at = kernel_device(device)
    rng = np.random.default_rng(seed)
    reach = np.array([*size, 4.0], np.float32)
    points = (rng.uniform(-0.3, 1.3, (batch, vertices, 3)) * reach).astype(np.float32)
    if spoiled:
        points[rng.random(points.shape) < 0.05] = np.nan
    corners = rng.integers(0, vertices, (faces, 3)).astype(np.int32)
    attributes = rng.standard_normal((batch, vertices, channels)).astype(np.float32)
    values, triangles, depth = draw(at, points, corners, attributes, size)
    for n in range(batch):
        with np.errstate(invalid="ignore"):
            cpu_values, cpu_triangles, cpu_depth = rasterise(points[n], corners, attributes[n], size)
        same = triangles[n] == cpu_triangles
        # Where the compiler of the CPU path rounds an edge differently a single pixel may change hands.
        assert (~same).sum() <= 1 + 0.002 * same.size
        drawn = same & (cpu_triangles != NO_TRIANGLE)
        np.testing.assert_allclose(depth[n][same], cpu_depth[same], atol=2e-3)
        # Slivers amplify rounding, so thin triangles get room.
        np.testing.assert_allclose(values[n][drawn], cpu_values[drawn], atol=2e-2)
        assert (values[n][triangles[n] == NO_TRIANGLE] == 0).all()


@pytest.mark.parametrize("device", DEVICES)
def test_a_smooth_surface_agrees_in_every_pixel(device: str) -> None:
    at = kernel_device(device)
    side, size = 17, (64, 64)
    grid = np.stack(np.meshgrid(np.linspace(4, 60, side), np.linspace(3, 59, side)), axis=-1).reshape(-1, 2)
    bump = 10 * np.exp(-((grid - 31) ** 2).sum(1) / 300)
    rng = np.random.default_rng(1)
    shape = np.concatenate([grid + rng.uniform(-1, 1, grid.shape), bump[:, None]], axis=1).astype(np.float32)
    quads = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).reshape(-1)
    one = np.stack([quads, quads + side, quads + 1], axis=1)
    two = np.stack([quads + 1, quads + side, quads + side + 1], axis=1)
    faces = np.concatenate([one, two]).astype(np.int32)
    attributes = shape[None, :, :2].copy()
    values, triangles, _ = draw(at, shape[None], faces, attributes, size)
    cpu_values, cpu_triangles, _ = rasterise(shape, faces, attributes[0], size)
    assert (cpu_triangles >= 0).mean() > 0.6, "the test draws something"
    assert (triangles[0] == cpu_triangles).mean() > 0.999
    centres = np.stack(np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5), axis=-1)
    drawn = triangles[0] >= 0
    # The attribute is the position itself: interpolation must give back the pixel's centre.
    np.testing.assert_allclose(values[0][drawn], centres[drawn], atol=1e-3)
    np.testing.assert_allclose(cpu_values[drawn], values[0][drawn], atol=1e-3)


@pytest.mark.parametrize("device", DEVICES)
def test_the_nearest_face_wins_and_the_first_among_equals(device: str) -> None:
    at = kernel_device(device)
    corners = np.array([[0, 0], [0, 8], [8, 0]], np.float32)
    layers = [np.concatenate([corners, np.full((3, 1), z, np.float32)], axis=1) for z in (-3.0, 2.0, 2.0, -1.0)]
    points = np.concatenate(layers)[None]
    faces = np.arange(12, dtype=np.int32).reshape(4, 3)
    _, triangles, depth = draw(at, points, faces, np.zeros((1, 12, 1), np.float32), (4, 4))
    assert triangles[0, 0, 0] == 1
    assert depth[0, 0, 0] == 2.0
    _, culled, _ = draw(at, points, faces[:, ::-1].copy(), np.zeros((1, 12, 1), np.float32), (4, 4))
    assert (culled == NO_TRIANGLE).all(), "faces seen from behind are not drawn"


@pytest.mark.parametrize("device", DEVICES)
@PROPERTY
@given(
    seed=SEEDS, batch=st.integers(1, 2), size=st.tuples(st.integers(1, 33), st.integers(1, 33)),
    channels=st.integers(1, 3), known=st.floats(0, 1),
)  # fmt: skip
def test_extension_comes_out_as_on_the_cpu(
    device: str, seed: int, batch: int, size: tuple[int, int], channels: int, known: float
) -> None:
    at = kernel_device(device)
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((batch, *size, channels)).astype(np.float32)
    weight = np.where(rng.random((batch, *size)) < known, rng.random((batch, *size)).round(1), 0).astype(np.float32)
    sizes = pyramid_sizes(*size)
    levels = [(at.put(np.zeros((batch, *s, channels), "f4")), at.put(np.zeros((batch, *s), "f4"))) for s in sizes]
    levels[0] = (at.put(values.copy()), at.put(weight))
    push_pull(at.kernels, levels)
    expected = np.stack([cpu_push_pull(values[n], weight[n]) for n in range(batch)])
    np.testing.assert_allclose(at.get(levels[0][0]), expected, atol=1e-5)
