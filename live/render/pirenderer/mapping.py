"""Mapping network: a window of motion coefficients becomes one latent descriptor (paper §3.1)."""

from __future__ import annotations

from torch import Tensor, nn

from live.render.pirenderer.adain import LEAK
from live.render.pirenderer.config import COEFFICIENTS, PIRendererConfig


class MappingNet(nn.Module):
    """Convolutions over time without padding; averages what remains, so noisy single frames matter less."""

    def __init__(self, config: PIRendererConfig) -> None:
        super().__init__()
        width = config.descriptor
        self.layers = config.mapping_layers
        self.first = nn.Sequential(nn.Conv1d(COEFFICIENTS, width, 7))
        for i in range(self.layers):
            block = nn.Sequential(nn.LeakyReLU(LEAK), nn.Conv1d(width, width, 3, dilation=3))
            self.add_module(f"encoder{i}", block)

    def forward(self, coefficients: Tensor) -> Tensor:
        """`coefficients` (N, 73, 27) → descriptor (N, D)."""
        x: Tensor = self.first(coefficients)
        for i in range(self.layers):
            x = getattr(self, f"encoder{i}")(x) + x[:, :, 3:-3]
        return x.mean(dim=2)
