"""Random crops of the prepared recordings as torch batches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from live.motion.speech.network import MOUTH_COUNT


@dataclass
class Item:
    """One prepared recording; `mouth` float16 (steps, 19) and its weight (steps,) are zero where nothing is known."""

    name: str
    group: str
    features: NDArray[np.float16]
    phones: NDArray[np.int8]
    times: NDArray[np.float32]
    mouth: NDArray[np.float16]
    mouth_weight: NDArray[np.float16]


def load_items(folder: Path, pattern: str = "*.npz") -> list[Item]:
    """All recordings in `folder` whose file matches."""
    items = []
    for path in sorted(folder.glob(pattern)):
        data = np.load(path)
        count = len(data["phones"])
        if count < 30:
            continue
        items.append(
            Item(
                path.stem.rsplit(".", 1)[0],
                str(data["group"]),
                data["features"],
                data["phones"],
                data["times"],
                np.zeros((count, MOUTH_COUNT), np.float16),
                np.zeros(count, np.float16),
            )
        )
    return items


@dataclass
class Batch:
    """features (B, T, 86), phones (B, T) with -1 = ignore, mouth (B, T, 19), mouth_weight (B, T)."""

    features: Tensor
    phones: Tensor
    mouth: Tensor
    mouth_weight: Tensor


class Sampler:
    """Crops of `steps` steps, groups drawn by `shares`, short recordings padded by another one."""

    def __init__(self, items: list[Item], shares: dict[str, float], steps: int, batch: int, seed: int) -> None:
        self._groups = {g: [i for i in items if i.group == g] for g in shares}
        self._groups = {g: found for g, found in self._groups.items() if found}
        total = sum(shares[g] for g in self._groups)
        self._names = list(self._groups)
        self._shares = [shares[g] / total for g in self._names]
        self._lengths = {g: np.array([len(i.phones) for i in found]) for g, found in self._groups.items()}
        self._steps, self._batch = steps, batch
        self._random = np.random.default_rng(seed)

    def _crop(self) -> list[NDArray[np.generic]]:
        parts: list[list[NDArray[np.generic]]] = []
        missing = self._steps
        while missing > 0:
            group = self._names[int(self._random.choice(len(self._names), p=self._shares))]
            lengths = self._lengths[group]
            item = self._groups[group][int(self._random.choice(len(lengths), p=lengths / lengths.sum()))]
            count = len(item.phones)
            begin = int(self._random.integers(0, max(1, count - missing + 1))) if not parts else 0
            # Half of the crops begin with the recording: the network must start well, too.
            if not parts and self._random.random() < 0.5:
                begin = 0
            cut = slice(begin, begin + missing)
            parts.append([item.features[cut], item.phones[cut], item.mouth[cut], item.mouth_weight[cut]])
            missing -= len(parts[-1][1])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def draw(self) -> Batch:
        """The next batch, with random bands masked (SpecAugment, Park et al. 2019)."""
        columns = list(zip(*(self._crop() for _ in range(self._batch)), strict=True))
        features = np.stack(columns[0]).astype(np.float32)
        for row in features:
            if self._random.random() < 0.3:
                low, width = int(self._random.integers(0, 36)), int(self._random.integers(1, 6))
                for offset in (0, 43):
                    row[:, offset + low : offset + min(low + width, 40)] = -1.0
        return Batch(
            torch.from_numpy(features),
            torch.from_numpy(np.stack(columns[1]).astype(np.int64)),
            torch.from_numpy(np.stack(columns[2]).astype(np.float32)),
            torch.from_numpy(np.stack(columns[3]).astype(np.float32)),
        )
