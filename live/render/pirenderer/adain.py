"""The normalisations of the networks: AdaIN conditioned on the motion descriptor, and layer norm over images."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN = 128
"""Width of the shared layer between the descriptor and an AdaIN's scale and shift."""

LEAK = 0.1
"""Slope of every LeakyReLU for negative input."""

Modulation = dict["AdaIN", tuple[Tensor, Tensor]]
"""Scale and shift of every AdaIN of a network, each (N, C, 1, 1): what `ModulationBank` computes for a frame."""


def modulate(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Instance norm (eps 1e-5, no affine) of `x` (N, C, H, W), then `x * (1 + gamma) + beta`; both (N, C, 1, 1)."""
    return F.instance_norm(x, eps=1e-5) * (1 + gamma) + beta


class AdaIN(nn.Module):
    """Adaptive instance normalisation (paper §3.2): scale and shift come from the descriptor through one hidden layer.

    Args:
        channels: C of the feature map.
        descriptor: D of the motion descriptor.
    """

    def __init__(self, channels: int, descriptor: int) -> None:
        super().__init__()
        self.channels = channels
        self.mlp_shared = nn.Sequential(nn.Linear(descriptor, HIDDEN), nn.ReLU())
        self.mlp_gamma = nn.Linear(HIDDEN, channels)
        self.mlp_beta = nn.Linear(HIDDEN, channels)

    def forward(self, x: Tensor, style: Tensor | Modulation) -> Tensor:
        """`x` (N, C, H, W) normalised under `style`: the descriptor (N, D), or a table for all layers."""
        if isinstance(style, dict):
            gamma, beta = style[self]
        else:
            hidden = self.mlp_shared(style)
            gamma = self.mlp_gamma(hidden)[:, :, None, None]
            beta = self.mlp_beta(hidden)[:, :, None, None]
        return modulate(x, gamma, beta)


class LayerNorm2d(nn.Module):
    """Layer norm over (C, H, W) together with one scale and shift per channel, stored as (C, 1, 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` (N, C, H, W)."""
        return F.layer_norm(x, x.shape[1:], eps=1e-5) * self.weight + self.bias


def leaky(x: Tensor) -> Tensor:
    """LeakyReLU with the networks' slope."""
    return F.leaky_relu(x, LEAK)
