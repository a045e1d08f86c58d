"""The whole published network."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from live.render.pirenderer.config import FULL, PIRendererConfig
from live.render.pirenderer.editing import EditingNet
from live.render.pirenderer.mapping import MappingNet
from live.render.pirenderer.warping import WarpingNet


class PIRendererOutput(NamedTuple):
    """`descriptor` (N, D); `flow` (N, 2, H/4, W/4) in its own pixels; `warped` and `image` (N, 3, H, W) in −1…1."""

    descriptor: Tensor
    flow: Tensor
    warped: Tensor
    image: Tensor


class PIRenderer(nn.Module):
    """Mapping, warping and editing networks; parameter names equal those of the published checkpoint."""

    def __init__(self, config: PIRendererConfig = FULL) -> None:
        super().__init__()
        self.config = config
        self.mapping_net = MappingNet(config)
        # The published checkpoint spells it so.
        self.warpping_net = WarpingNet(config)
        self.editing_net = EditingNet(config)

    def forward(self, source: Tensor, coefficients: Tensor) -> PIRendererOutput:
        """Render.

        Args:
            source: portrait (N, 3, S, S), RGB in −1…1.
            coefficients: motion window (N, 73, 27), newest state in the middle (see `window`).
        """
        descriptor = self.mapping_net(coefficients)
        flow, warped = self.warpping_net(source, descriptor)
        return PIRendererOutput(descriptor, flow, warped, self.editing_net(source, warped, descriptor))
