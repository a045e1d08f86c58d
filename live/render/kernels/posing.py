"""Posing many people's faces at once: the twin of `live.render.posed` and `live.render.contact`.

All arrays are C-contiguous; float32 unless said otherwise. "Points" are stacked: the mesh, then the 478 landmarks; P is
how many. Rows are those of `tables`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from live.render.kernels.launch import DeviceArray, Kernels, check_contiguous
from live.render.kernels.tables import EDGES, MOTION_VALUES, PAIRS

SHAPE_GROUP = 4
"""Images that one thread of `pose_shape` works on."""


@dataclass(frozen=True, slots=True)
class FollowWeights:
    """What follows the edges of lips and lids, as rows of a sparse matrix: point p moves by the columns and weights
    from `starts[p]` to `starts[p + 1]`. int32 (P + 1,), int32 (m,), float32 (m,)."""

    starts: DeviceArray
    columns: DeviceArray
    weights: DeviceArray


def pose_shape(
    kernels: Kernels, motion: DeviceArray, slots: DeviceArray, rest: DeviceArray, moves: DeviceArray, shape: DeviceArray
) -> None:
    """Expression and residual → head coordinates, before lips and lids are made to meet.

    Args:
        kernels: where to run.
        motion: (N, 74). slots: int32 (N,), which portrait.
        rest: (slots, 3 P), of each portrait. moves: (68, 3 P), the same for all.
        shape: (N, 3 P), written.
    """
    batch, values = shape.shape
    _check(motion, slots, rest, moves, shape)
    if motion.shape != (batch, MOTION_VALUES) or moves.shape != (68, values) or rest.shape[1] != values:
        raise ValueError(f"motion {motion.shape}, rest {rest.shape} and moves {moves.shape} do not fit {shape.shape}")
    count = -(-batch // SHAPE_GROUP) * values
    kernels.launch(
        "pose_shape", count, motion, slots, rest, moves, shape, np.uint32(count), np.int32(batch), np.int32(values)
    )


def pose_frame(
    kernels: Kernels,
    motion: DeviceArray,
    slots: DeviceArray,
    *,
    model: DeviceArray,
    avatars: DeviceArray,
    index: DeviceArray,
    shape: DeviceArray,
    moves: DeviceArray,
    frames: DeviceArray,
    boxes: DeviceArray,
) -> None:
    """Head pose, skull's similarity and crops per frame, and how the edges of lips and lids are to move.

    Args:
        kernels: where to run.
        motion, slots, shape: see `pose_shape`.
        model, avatars, index: rows of `tables.MODEL`, `tables.AVATAR` (one per portrait) and `tables.INDEX`.
        moves: (N, EDGES), written. frames: (N, FRAME), written. boxes: (N, 3, 6), written.
    """
    batch = len(motion)
    _check(motion, slots, model, avatars, index, shape, moves, frames, boxes)
    if moves.shape != (batch, EDGES) or boxes.shape != (batch, 3, 6):
        raise ValueError(f"moves {moves.shape} and boxes {boxes.shape} do not fit a batch of {batch}")
    count = batch * (PAIRS + 1)
    arrays = (motion, slots, model, avatars, index, shape, moves, frames, boxes)
    kernels.launch("pose_frame", count, *arrays, np.uint32(count), np.int32(shape.shape[1]))


def pose_place(
    kernels: Kernels,
    shape: DeviceArray,
    moves: DeviceArray,
    frames: DeviceArray,
    follow: FollowWeights,
    points: DeviceArray,
) -> None:
    """Into the crop: points (N, P, 3), written; x right 0…1, y down 0…1, z towards the viewer, crop sides."""
    batch, stacked, _ = points.shape
    _check(shape, moves, frames, follow.starts, follow.columns, follow.weights, points)
    if shape.shape != (batch, 3 * stacked) or follow.starts.shape != (stacked + 1,):
        raise ValueError(f"shape {shape.shape} and weights {follow.starts.shape} do not fit {points.shape}")
    count = batch * stacked
    sparse = (follow.starts, follow.columns, follow.weights)
    kernels.launch("pose_place", count, shape, moves, frames, *sparse, points, np.uint32(count), np.int32(stacked))


def _check(*arrays: DeviceArray) -> None:
    for i, array in enumerate(arrays):
        check_contiguous(array, f"array {i}")
