"""Losses that give every region a voice: the mouth's few pixels count as much as the whole background."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


def regional_l1(predicted: Tensor, target: Tensor, regions: Tensor) -> Tensor:
    """Mean absolute error of each region, (R,): averaged over the region's own pixels in the batch.

    Args:
        predicted, target: (N, 3, H, W).
        regions: (N, R, H, W) weights 0…1.
    """
    error = (predicted - target).abs().mean(1, keepdim=True)
    # Regions of almost no pixels (a closed mouth's interior) must not shout.
    least = 0.002 * regions[:, 0].numel()
    return (error * regions).sum((0, 2, 3)) / regions.sum((0, 2, 3)).clamp_min(least)


def gradient_loss(predicted: Tensor, target: Tensor, weight: Tensor, levels: int = 3) -> Tensor:
    """L1 between image gradients on a pyramid; `weight` (N, 1, H, W) says where it matters."""
    total = predicted.new_zeros(())
    difference = predicted - target
    for level in range(levels):
        dx = difference[..., :, 1:] - difference[..., :, :-1]
        dy = difference[..., 1:, :] - difference[..., :-1, :]
        total = total + (dx.abs() * weight[..., :, 1:]).sum() / (weight[..., :, 1:].sum() * 3 + 1)
        total = total + (dy.abs() * weight[..., 1:, :]).sum() / (weight[..., 1:, :].sum() * 3 + 1)
        if level + 1 < levels:
            difference, weight = F.avg_pool2d(difference, 2), F.avg_pool2d(weight, 2)
    return total / levels


def feature_loss(predicted: list[Tensor], target: list[Tensor]) -> Tensor:
    """Mean L1 over several feature maps."""
    terms = [(p - t.detach()).abs().mean() for p, t in zip(predicted, target, strict=True)]
    return torch.stack(terms).mean()


def smoothness(field: Tensor) -> Tensor:
    """Total variation of a map (N, C, H, W)."""
    across = (field[..., 1:] - field[..., :-1]).abs().mean()
    return across + (field[..., 1:, :] - field[..., :-1, :]).abs().mean()


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches of a region crop, given the opening's outline (Isola et al. 2017, spectral norm).

    Args:
        guides: channels shown beside the picture.
        width: channels of the first layer.
    """

    def __init__(self, guides: int, width: int = 32) -> None:
        super().__init__()
        sizes = (3 + guides, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(sizes[i], sizes[i + 1], 4, 2, 1)) for i in range(len(sizes) - 1)
        )
        self.head = spectral_norm(nn.Conv2d(sizes[-1], 1, 3, 1, 1))

    def forward(self, picture: Tensor, guide: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores (N, 1, h, w), higher = more real, and the feature maps on the way."""
        x, features = torch.cat([picture, guide], 1), []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.head(x), features


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss for the discriminator."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
