"""Samples drawn once and kept on disk: drawing costs as much as a training step on a small machine.

A cache is a folder per picture size with shards of `SHARD` samples, one memory-mapped array per tensor. Pictures, masks
and guides are stored as bytes, the prior as float16. Training reads whatever shards exist, so it can start after the
first one while others are still being drawn.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from queue import Queue
from threading import Thread

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from live.frames import FloatArray
from live.motion.face_model import FaceModel
from live.render.live_network.config import LiveConfig
from training.renderer.mirroring import mirror_samples, motion_mirror
from training.renderer.samples import Samples

SHARD = 500
AHEAD = 3
"""Batches read before they are wanted."""
AS_IS = ("window", "five_points")
HALF = ("prior",)
UNIT = ("regions", "mouth_regions", "eyes_regions")
"""Tensors of 0…1; every other one is signed, with magnitudes up to 1."""
PICTURES = ("portrait", "portrait_mouth", "portrait_eyes", "composite", "target", "target_mouth", "target_eyes")
GUIDED = ("mouth", "eyes")
"""Tensors whose first three channels are a picture."""


def pack_value(name: str, value: FloatArray) -> NDArray[np.generic]:
    """How a tensor is stored."""
    if name in AS_IS:
        return value.astype(np.float32)
    if name in HALF:
        return value.astype(np.float16)
    scaled = value * 255 if name in UNIT else (value + 1) * 127.5
    return np.clip(scaled + 0.5, 0, 255).astype(np.uint8)


def unpack_value(name: str, value: Tensor) -> Tensor:
    """The inverse of `pack_value`, float32."""
    if name in AS_IS or name in HALF:
        return value.float()
    return value.float() / 255 if name in UNIT else value.float() / 127.5 - 1


def recolour(batch: dict[str, Tensor]) -> None:
    """Random gain and gamma per sample for all its pictures, in place: many lights and skins out of few."""
    count, device = len(batch["window"]), batch["window"].device
    gamma = torch.exp(0.15 * torch.randn(count, 1, device=device)).expand(-1, 3)
    gain = torch.exp(0.1 * torch.randn(count, 3, device=device) + 0.1 * torch.randn(count, 1, device=device))

    def change(pictures: Tensor) -> Tensor:
        shape = (count, *[1] * (pictures.dim() - 4), 3, 1, 1)
        bright = ((pictures + 1) / 2).clamp(0, 1) ** gamma.view(shape) * gain.view(shape)
        return bright.clamp(0, 1) * 2 - 1

    for name in PICTURES:
        batch[name] = change(batch[name])
    for name in GUIDED:
        guided = batch[name]
        batch[name] = torch.cat([change(guided[..., :3, :, :]), guided[..., 3:, :, :]], dim=-3)


class CachedSamples:
    """Reads random batches from all shards that exist.

    Args:
        folder: of one picture size.
        seed: of the batches' choice.
        device: where batches are wanted; they travel there as bytes.
    """

    def __init__(self, folder: Path, seed: int, device: torch.device | None = None) -> None:
        self._folder, self._random = folder, np.random.default_rng(seed)
        self._device = device or torch.device("cpu")
        self._shards: dict[str, dict[str, NDArray[np.generic]]] = {}

    def _look(self) -> None:
        for path in sorted(self._folder.glob("shard_*/done")):
            shard = path.parent
            if shard.name not in self._shards:
                self._shards[shard.name] = {f.stem: np.load(f, mmap_mode="r") for f in shard.glob("*.npy")}
        if not self._shards:
            raise FileNotFoundError(f"no samples in {self._folder}; draw some with python -m training.renderer.cache")

    def batches(self, size: int) -> Iterator[dict[str, Tensor]]:
        """Endless batches of `size` samples, half of them mirrored, all recoloured.

        They are read ahead by a thread, because disks are slow at random.
        """
        ready: Queue[dict[str, Tensor] | BaseException] = Queue(AHEAD)

        def read() -> None:
            try:
                for batch in self._read(size):
                    ready.put(batch)
            except BaseException as error:  # raised again where the batch is wanted
                ready.put(error)

        Thread(target=read, name="samples", daemon=True).start()
        motion = motion_mirror(FaceModel.load()).to(self._device)
        while True:
            stored = ready.get()
            if isinstance(stored, BaseException):
                raise stored
            batch = {name: unpack_value(name, x.to(self._device, non_blocking=True)) for name, x in stored.items()}
            mirror_samples(batch, torch.rand(size, device=self._device) < 0.5, motion)
            recolour(batch)
            yield batch

    def _read(self, size: int) -> Iterator[dict[str, Tensor]]:
        turn = 0
        while True:
            if turn % 50 == 0:
                self._look()
            turn += 1
            shards = list(self._shards.values())
            picks = [(shards[self._random.integers(len(shards))], self._random.integers(SHARD)) for _ in range(size)]
            yield {name: torch.from_numpy(np.stack([shard[name][i] for shard, i in picks])) for name in shards[0]}


def draw_shards(numbers: Sequence[int], pack: Path, folder: Path, size: int, until: float) -> None:
    """Draw what is missing of the shards with these numbers, and begin none after `until` (`time.monotonic`)."""
    for number in numbers:
        shard = folder / f"shard_{number:03d}"
        if time.monotonic() > until:
            return
        if not (shard / "done").exists():
            samples = Samples(pack, LiveConfig(size=size), held_out=False, seed=number, augment=False)
            draw_shard(iter(samples), shard)
            print(f"{shard}: {SHARD} samples", flush=True)


def draw_shard(samples: Iterator[dict[str, FloatArray]], folder: Path) -> None:
    """Draw one shard into `folder`; the file `done` appears last."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[np.generic]] = {}
    for i in range(SHARD):
        for name, value in next(samples).items():
            packed = pack_value(name, value)
            if name not in arrays:
                shape = (SHARD, *packed.shape)
                arrays[name] = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", packed.dtype, shape)
            arrays[name][i] = packed
    (folder / "done").touch()


def main() -> None:
    """Draw samples."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--pack", type=Path, default=Path("training/work/renderer/pack"))
    parser.add_argument("--out", type=Path, default=Path("training/work/renderer/cache"))
    parser.add_argument("--size", type=int, default=128, choices=(128, 256))
    parser.add_argument("--shards", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no shard after this")
    arguments = parser.parse_args()
    until = time.monotonic() + arguments.seconds
    # Spawned: what torch and OpenCV have started by now does not survive a fork.
    workers = [
        get_context("spawn").Process(
            target=draw_shards,
            args=(
                range(job, arguments.shards, arguments.jobs),
                arguments.pack,
                arguments.out / str(arguments.size),
                arguments.size,
                until,
            ),
        )
        for job in range(arguments.jobs)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("drawing samples failed; see above")


if __name__ == "__main__":
    main()
