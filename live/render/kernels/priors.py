"""The motion prior on the device: the twin of `live.render.prior.motion_prior`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from live.render.kernels.extension import Level, push_pull
from live.render.kernels.launch import DeviceArray, Kernels, check_contiguous
from live.render.kernels.meshes import rasterise_keys


@dataclass(frozen=True, slots=True)
class PriorMesh:
    """What is drawn.

    Attributes:
        faces: int32 (F, 3), of the skin.
        uv: float32 (V, 2), texture coordinates.
        source: float32 (slots, V, 3), of each portrait: x and y in the photo, and how well the photo shows it.
    """

    faces: DeviceArray
    uv: DeviceArray
    source: DeviceArray


@dataclass(frozen=True, slots=True)
class PriorSpace:
    """Work space and results for a batch of N on a grid of G; float32.

    Attributes:
        keys: uint64 (N, G, G).
        field, uv: (N, G, G, 2). states: (N, G, G, 2), skin and known. masks: (N, G, G, 3), mouth, eyes, head.
        levels: of `extension.pyramid_sizes(G, G)`, two channels.
        distance: (N, G, G). map, blurred: (N, G, G, 3).
        displacement: (N, G, G, 2), the result, crop sides.
        packed: (N, 64, 64, 8), the result as the networks read it.
    """

    keys: DeviceArray
    field: DeviceArray
    uv: DeviceArray
    states: DeviceArray
    masks: DeviceArray
    levels: Sequence[Level]
    distance: DeviceArray
    map: DeviceArray
    blurred: DeviceArray
    displacement: DeviceArray
    packed: DeviceArray


def motion_prior(
    kernels: Kernels,
    points: DeviceArray,
    slots: DeviceArray,
    mesh: PriorMesh,
    *,
    frames: DeviceArray,
    outlines: DeviceArray,
    layers: DeviceArray,
    space: PriorSpace,
) -> None:
    """The prior of a batch, into `space`.

    Args:
        kernels: where to run.
        points, slots, frames: see `posing`. outlines, layers: see `openings`.
        mesh: of the model and the portraits.
        space: see `PriorSpace`.

    Raises:
        ValueError: the packed prior's side does not divide the grid's.
    """
    batch, side, _ = space.keys.shape
    small = space.packed.shape[1]
    if side % small:
        raise ValueError(f"a grid of {side} cannot be packed to {small}")
    for array in (points, slots, frames, outlines, layers, mesh.faces, mesh.uv, mesh.source):
        check_contiguous(array, "array")
    stacked, vertices = points.shape[1], mesh.source.shape[1]
    extent = float(side)
    rasterise_keys(kernels, points, mesh.faces, space.keys, (extent, extent, extent))
    count = np.uint32(batch * side * side)
    size = (count, np.int32(side))
    kernels.launch(
        "prior_known",
        int(count),
        space.keys,
        points,
        np.int32(stacked),
        mesh.faces,
        mesh.source,
        np.int32(vertices),
        mesh.uv,
        slots,
        frames,
        space.field,
        space.states,
        space.uv,
        *size,
    )
    filled, weight = space.levels[0]
    kernels.launch("prior_rim", int(count), space.field, space.states, filled, weight, *size)
    push_pull(kernels, space.levels)
    kernels.launch("prior_columns", int(count), space.states, space.distance, *size)
    kernels.launch("prior_distance", int(count), space.field, filled, space.states, space.distance, space.map, *size)
    kernels.launch("prior_blur", int(count), space.map, frames, space.blurred, *size)
    steps = (space.map, space.blurred, space.states, frames, outlines, layers, space.field, space.masks)
    kernels.launch("prior_smooth", int(count), *steps, *size)
    kernels.launch("prior_finish", int(count), space.field, space.masks, frames, space.displacement, *size)
    cells = batch * small * small
    results = (space.displacement, space.states, space.masks, space.uv, space.packed)
    kernels.launch("prior_pack", cells, *results, np.uint32(cells), np.int32(side), np.int32(small))
