"""Samples seen in a mirror: every face is a second one, and no side of the networks learns less than the other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from live.frames import EXPRESSION_COUNT, RESIDUAL_COUNT
from live.motion.face_model import FaceModel
from live.render.live_network.config import MOTION
from live.render.live_network.motion_window import mirror

FLIPPED = ("portrait", "portrait_mouth", "composite", "prior", "mouth", "target", "target_mouth", "regions")
FLIPPED += ("mouth_regions",)
"""Tensors whose last axis runs across the picture."""
SWAPPED = ("portrait_eyes", "eyes", "target_eyes", "eyes_regions")
"""Right and left eye, (N, 2, …). The left one's crop is mirrored as it is: they change places, nothing else."""
NEGATED = {"prior": (0, 6), "mouth": (7,), "eyes": (7,)}
"""Channels that point across the face: the displacement's x, and the mesh's u."""


def motion_mirror(model: FaceModel) -> Tensor:
    """float32 (74, 74): a motion vector → that of the mirrored face.

    The residual shapes were learnt without a thought of symmetry; each one's mirror image is written as the sum of
    shapes that comes nearest (9 of 10 parts of it, on average).
    """
    index, sign = mirror()
    matrix = np.zeros((MOTION, MOTION), np.float32)
    matrix[np.arange(MOTION), index] = sign
    across = np.array([-1, 1, 1], np.float32)
    rest = model.landmarks_mean
    twin = np.linalg.norm((rest * across)[:, None] - rest[None], axis=2).argmin(1)
    shapes = model.landmarks_residual.reshape(RESIDUAL_COUNT, -1).T
    seen = (model.landmarks_residual[:, twin] * across).reshape(RESIDUAL_COUNT, -1).T
    first = MOTION - RESIDUAL_COUNT
    assert first >= EXPRESSION_COUNT
    matrix[first:, first:] = np.linalg.lstsq(shapes, seen, rcond=None)[0]
    return torch.from_numpy(matrix)


def mirror_samples(batch: dict[str, Tensor], which: Tensor, motion: Tensor) -> None:
    """Mirror some samples of a batch, in place.

    Args:
        batch: as `samples.Samples` makes them, stacked.
        which: (N,) bool.
        motion: of `motion_mirror`.
    """
    for name in FLIPPED:
        batch[name][which] = batch[name][which].flip(-1)
    for name in SWAPPED:
        batch[name][which] = batch[name][which].flip(1)
    for name, channels in NEGATED.items():
        for channel in channels:
            batch[name][which, ..., channel, :, :] *= -1
    batch["window"][which] = motion @ batch["window"][which]
    points = batch["five_points"][which][:, [1, 0, 2, 4, 3]]
    batch["five_points"][which] = torch.stack([1 - points[..., 0], points[..., 1]], -1)
