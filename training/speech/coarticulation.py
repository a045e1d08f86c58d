"""Phones → mouth with coarticulation, learnt from tracked speech; gives mouth targets to sound that nobody filmed.

A small convolution over ±360 ms of phone classes, trained on the aligned and tracked sentences. Classes are described
by their hand-written shape as well as by name, so that those that the sentences lack are treated like their neighbours.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from live.motion.speech.network import MOUTH_COUNT
from live.motion.speech.phone_classes import BILABIAL, CLASSES, SILENCE
from live.motion.speech.phone_rules import phone_shapes
from training.speech.batches import Item


class Coarticulation(nn.Module):
    """Phone classes (B, T) int, -1 = unknown → mouth (B, T, 19)."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.register_buffer("shapes", torch.from_numpy(3.0 * phone_shapes()))
        self.layers = nn.Sequential(
            nn.Conv1d(MOUTH_COUNT + 2 + len(CLASSES), width, 13, padding=6),
            nn.GELU(),
            nn.Conv1d(width, width, 13, padding=6),
            nn.GELU(),
            nn.Conv1d(width, MOUTH_COUNT, 13, padding=6),
        )

    def forward(self, phones: Tensor) -> Tensor:
        known = phones.clamp(min=0)
        names = F.one_hot(known, len(CLASSES)).float() * (phones >= 0)[..., None]
        flags = torch.stack((phones == SILENCE, torch.isin(phones, torch.tensor(BILABIAL))), -1).float()
        if self.training:  # sometimes a class is known by its shape only
            names = names * (torch.rand(len(phones), 1, len(CLASSES)) > 0.3)
        x = torch.cat((self.shapes[known], flags, names), 2)
        return torch.sigmoid(self.layers(x.transpose(1, 2)).transpose(1, 2) - 3.0)


def fit(items: list[Item], iterations: int = 500) -> Coarticulation:
    """Learn from the items that have both phones and mouth."""
    known = [i for i in items if i.mouth_weight.max() > 0 and (i.phones >= 0).mean() > 0.9]
    random = np.random.default_rng(0)
    net = Coarticulation()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, iterations)
    length = 140
    known = [i for i in known if len(i.phones) >= length]
    for _ in range(iterations):
        rows = [known[int(i)] for i in random.integers(0, len(known), 24)]
        cuts = [slice(k := int(random.integers(0, len(i.phones) - length + 1)), k + length) for i in rows]
        phones = np.stack([i.phones[c] for i, c in zip(rows, cuts, strict=True)]).astype(np.int64)
        mouth = np.stack([i.mouth[c] for i, c in zip(rows, cuts, strict=True)]).astype(np.float32)
        weight = torch.from_numpy(
            np.stack([i.mouth_weight[c] for i, c in zip(rows, cuts, strict=True)]).astype(np.float32)
        )
        error = (net(torch.from_numpy(phones)) - torch.from_numpy(mouth)) ** 2
        loss = (error * weight[..., None]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


@torch.no_grad()
def predict(net: Coarticulation, phones: NDArray[np.int8]) -> NDArray[np.float16]:
    """Mouth (T, 19) of a phone sequence."""
    return net(torch.from_numpy(phones.astype(np.int64))[None])[0].numpy().astype(np.float16)
