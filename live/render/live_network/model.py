"""All parts of the live network together, with the tensors that cross the runtime's border."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from live.render.live_network.base import BaseNet, BaseOutput
from live.render.live_network.config import LiveConfig
from live.render.live_network.detail import DetailNet
from live.render.live_network.motion_window import mirror


class Enrolled(NamedTuple):
    """Features of an avatar: three levels each, fine to coarse. `eyes` holds the subject's right eye, then the left."""

    base: list[Tensor]
    mouth: list[Tensor]
    eyes: list[Tensor]


class FrameInput(NamedTuple):
    """What changes with every frame. Pictures are −1…1; crops are those of `live.render.live_network.regions`.

    Attributes:
        composite: (1, 3, S, S) geometric picture.
        prior: (1, P, 64, 64) motion prior, flow first.
        window: (1, 74, 6) relative motion.
        mouth: (1, 3 + P − 2, C, C) crop of geometric picture and prior without flow.
        eyes: (2, 3 + P − 2, c, c) likewise; the subject's left eye is mirrored, so one network serves both.
    """

    composite: Tensor
    prior: Tensor
    window: Tensor
    mouth: Tensor
    eyes: Tensor


class FrameOutput(NamedTuple):
    """`base` as in `BaseOutput`; RGB and mask of the region crops, mirrored as they came in."""

    base: BaseOutput
    mouth_rgb: Tensor
    mouth_mask: Tensor
    eyes_rgb: Tensor
    eyes_mask: Tensor


class LivePIRenderer(nn.Module):
    """Base network for the whole picture, one network for the mouth, one for the eyes; no weights shared."""

    def __init__(self, config: LiveConfig | None = None) -> None:
        super().__init__()
        self.config = LiveConfig() if config is None else config
        self.base = BaseNet(self.config)
        self.mouth = DetailNet(self.config.mouth, self.config.prior_channels - 2)
        self.eyes = DetailNet(self.config.eyes, self.config.prior_channels - 2)
        index, sign = mirror()
        self.register_buffer("mirror_index", torch.tensor(index), persistent=False)
        self.register_buffer("mirror_sign", torch.tensor(sign)[:, None], persistent=False)

    def eye_windows(self, window: Tensor) -> Tensor:
        """(N, 74, 6) → (2N, 74, 6): as it is for the right eyes, mirrored for the left ones, alternating."""
        mirrored = window.index_select(1, self.get_buffer("mirror_index")) * self.get_buffer("mirror_sign")
        return torch.stack([window, mirrored], 1).flatten(0, 1)

    def enroll(self, portrait: Tensor, mouth: Tensor, eyes: Tensor) -> Enrolled:
        """Encode `portrait` (1, 3, S, S) and its crops `mouth` (1, 3, C, C), `eyes` (2, 3, c, c), once per avatar."""
        return Enrolled(
            self.base.portrait_features(portrait),
            self.mouth.portrait_features(mouth),
            self.eyes.portrait_features(eyes),
        )

    def forward(self, enrolled: Enrolled, frame: FrameInput) -> FrameOutput:
        """One frame of one avatar."""
        mouth = self.mouth(enrolled.mouth, frame.mouth[:, :3], frame.mouth[:, 3:], frame.window)
        eyes = self.eyes(enrolled.eyes, frame.eyes[:, :3], frame.eyes[:, 3:], self.eye_windows(frame.window))
        return FrameOutput(self.base(enrolled.base, frame.composite, frame.prior, frame.window), *mouth, *eyes)
