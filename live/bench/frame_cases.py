"""Every kernel of a whole frame, timed as the frame launches it: sizes and memory are those of real use.

A frame is drawn with kernels that note what they are asked to do; then each kernel's launches are repeated alone. Bytes
are the arrays that a kernel touches, counted once, of banks of portraits only as many as the batch has frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from live.bench.device_timing import Work
from live.bench.kernel_cases import KernelCase
from live.bench.sample_avatar import sample_avatar
from live.render.cuda.device import ComputeDevice
from live.render.cuda.face_arrays import model_arrays, motion_values, portrait_arrays
from live.render.cuda.live_face import FaceProgram
from live.render.cuda.program import OutputFormat
from live.render.geometric import GeometricRenderer
from live.render.kernels.launch import Kernels
from live.render.kernels.output import PixelFormat

Launch = tuple[str, int, tuple[Any, ...]]

DRAWS = 4
"""Frames drawn into memory of their own, which take turns, so that the cache helps no more than in real use."""


class NotingKernels:
    """Kernels that run what they are asked to and keep a note of it, with the arrays."""

    def __init__(self, kernels: Kernels) -> None:
        self._kernels = kernels
        self.launches: list[Launch] = []

    def launch(self, name: str, count: int, *arguments: object) -> None:
        """See `kernels.launch.Kernels.launch`."""
        self._kernels.launch(name, count, *arguments)
        self.launches.append((name, count, arguments))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernels, name)


def frame_cases(device: ComputeDevice, *, small: bool) -> Iterator[Callable[[], KernelCase]]:
    """Makers of one case per kernel of `FaceProgram`, in the order of the frame, in both output formats."""
    batch, side = (1, 64) if small else (16, 256)
    noting = NotingKernels(device.kernels)
    noted = replace(device, kernels=noting)
    geometric = GeometricRenderer(sample_avatar(), (side, side))
    output = OutputFormat(PixelFormat.I420)
    program = FaceProgram(model_arrays(geometric), noted, side=side, portraits=batch, output=output)
    parts = [torch.from_numpy(part) for part in portrait_arrays(geometric).parts]
    for slot in range(batch):
        program.enroll(slot, *parts)
    where = device.torch_device
    # Somebody who speaks with his head turned: nothing is at rest, so no kernel may leave early.
    motion = torch.from_numpy(motion_values(geometric.rest)).repeat(batch, 1)
    motion[:, 52:55] += torch.tensor([0.1, 0.25, 0.05])
    motion[:, :52] = (motion[:, :52] + 0.15).clamp(0, 1)
    inputs, slots = {"motion": motion.to(where)}, torch.arange(batch, dtype=torch.int32, device=where)
    draws: list[list[Launch]] = []
    for _ in range(DRAWS if device.is_gpu else 1):
        noting.launches = []
        out = torch.empty((batch, *PixelFormat.I420.shape(side, side)), dtype=torch.uint8, device=where)
        program.draw(inputs, slots, out)
        packed, noting.launches = noting.launches, []
        program.face.draw(inputs["motion"], slots)  # in RGB, as the networks read it
        known = {name for name, _, _ in packed}
        draws.append(packed + [launch for launch in noting.launches if launch[0] not in known])
    if device.is_gpu:
        # The cases run on streams of their own, on what was drawn here.
        torch.cuda.synchronize(where)
    for name in dict.fromkeys(name for name, _, _ in draws[0]):
        yield lambda name=name: _case(device, name, draws, f"{batch}x{side}²")  # type: ignore[misc]


def _case(device: ComputeDevice, name: str, draws: list[list[Launch]], what: str) -> KernelCase:
    mine = [[launch for launch in launches if launch[0] == name] for launches in draws]

    def work(launches: list[Launch]) -> Work:
        def run() -> None:
            for kernel, count, arguments in launches:
                device.kernels.launch(kernel, count, *arguments)

        return run

    arrays = {id(a): a for _, _, arguments in mine[0] for a in arguments if hasattr(a, "nbytes") and a.shape}
    moved = sum(int(array.nbytes) for array in arrays.values())
    count = len(mine[0])
    return KernelCase(f"frame: {name}", what + (f", {count} launches" if count > 1 else ""), moved, [*map(work, mine)])
