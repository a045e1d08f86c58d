"""Random crops of the prepared recordings as torch batches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from live.motion.speech.features import FEATURES, MELS, mel_centres
from live.motion.speech.network import MOUTH_COUNT
from training.speech.dataset import labels, read_alignment

ALIGNED = ("grid", "video", "kathleen", "librispeech")
"""Groups whose phones come from forced alignment."""
WARPED_SHARE = 0.7
WARPS = 0.8, 1.25
"""Range of vocal tract length, relative to the recording's."""
LEAST_AGREEMENT = 0.35
"""Files of which the network hears less than this share of the decoded phones lose them."""


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


def attach_phones(items: list[Item], work: Path) -> None:
    """Read the phones of aligned recordings again, without files that `training.speech.agreement` found wrong."""
    table = work / "agreement.json"
    agreement: dict[str, float] = json.loads(table.read_text()) if table.exists() else {}
    for item in items:
        if item.group in ALIGNED:
            trusted = agreement.get(item.name, 1.0) >= LEAST_AGREEMENT
            segments = read_alignment(work / "align" / f"{item.name}.json") if trusted else []
            item.phones = labels(segments, item.times.astype(np.float64))


def warp_matrices(count: int = 31) -> NDArray[np.float32]:
    """(count, 40, 40) matrices that stretch the frequency axis of the mel bands by `WARPS` (Jaitly & Hinton 2013).

    A longer or shorter vocal tract moves the formants of every speaker; frequencies above 4.8 kHz are shifted less, so
    that the highest stays where it is.
    """
    centres = mel_centres()
    top, knee = float(centres[-1]), 4800.0
    result = np.zeros((count, MELS, MELS), np.float32)
    for k, factor in enumerate(np.geomspace(*WARPS, count)):
        bend = knee * min(1.0, 1.0 / float(factor))
        source = np.interp(centres, (0.0, bend, top), (0.0, bend * float(factor), top))
        position = np.interp(source, centres, np.arange(MELS))
        low = np.minimum(position.astype(int), MELS - 2)
        rows = np.arange(MELS)
        result[k, rows, low] = 1.0 - (position - low)
        result[k, rows, low + 1] = position - low
    return result


@dataclass
class Batch:
    """features (B, T, 86), phones (B, T) with -1 = ignore, mouth (B, T, 19), mouth_weight (B, T).

    decoded (B, T) bool: the phones are a decoder's guess.
    """

    features: Tensor
    phones: Tensor
    mouth: Tensor
    mouth_weight: Tensor
    decoded: Tensor


class Sampler:
    """Crops of `steps` steps, groups drawn by `shares`, short recordings padded by another one."""

    def __init__(
        self, items: list[Item], shares: dict[str, float], steps: int, batch: int, seed: int, disguise: bool = True
    ) -> None:
        self._groups = {g: [i for i in items if i.group == g] for g in shares}
        self._groups = {g: found for g, found in self._groups.items() if found}
        total = sum(shares[g] for g in self._groups)
        self._names = list(self._groups)
        self._shares = [shares[g] / total for g in self._names]
        self._lengths = {g: np.array([len(i.phones) for i in found]) for g, found in self._groups.items()}
        self._steps, self._batch = steps, batch
        self._random = np.random.default_rng(seed)
        self._warps = warp_matrices()
        self._disguised = disguise

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
            decoded = np.full(len(item.phones[cut]), group in ("librispeech", "video"))
            parts.append([item.features[cut], item.phones[cut], item.mouth[cut], item.mouth_weight[cut], decoded])
            missing -= len(parts[-1][1])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def disguise(self, row: NDArray[np.float32]) -> None:
        """Another vocal tract, another microphone, and hidden bands and instants (SpecAugment, Park et al. 2019)."""
        random = self._random
        bands = row.reshape(len(row), 2, FEATURES)  # two feature rows per step
        mels = bands[:, :, :MELS]
        if random.random() < WARPED_SHARE:
            mels = mels @ self._warps[int(random.integers(len(self._warps)))].T
        if random.random() < 0.6:
            axis = np.linspace(-1.0, 1.0, MELS, dtype=np.float32)
            tilt, curve = random.normal(0.0, 0.12, 2)
            mels = mels + (tilt * axis + curve * (axis**2 - 0.33)).astype(np.float32)
        for _ in range(int(random.integers(0, 3))):
            low, width = int(random.integers(0, 36)), int(random.integers(1, 7))
            mels[:, :, low : low + width] = -1.0
        for _ in range(int(random.integers(0, 4))):
            begin = int(random.integers(0, len(row)))
            mels[begin : begin + int(random.integers(1, 5))] = -1.5
        bands[:, :, :MELS] = mels
        bands[:, :, MELS:] += random.normal(0.0, 0.08, 3).astype(np.float32)

    def draw(self) -> Batch:
        """The next batch, each crop disguised unless the sampler was told not to."""
        columns = list(zip(*(self._crop() for _ in range(self._batch)), strict=True))
        features = np.stack(columns[0]).astype(np.float32)
        if self._disguised:
            for row in features:
                self.disguise(row)
        return Batch(
            torch.from_numpy(features),
            torch.from_numpy(np.stack(columns[1]).astype(np.int64)),
            torch.from_numpy(np.stack(columns[2]).astype(np.float32)),
            torch.from_numpy(np.stack(columns[3]).astype(np.float32)),
            torch.from_numpy(np.stack(columns[4]).astype(np.bool_)),
        )
