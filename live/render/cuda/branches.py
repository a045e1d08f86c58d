"""Independent parts of a frame side by side on a GPU: small networks leave most of it idle when they take turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from live.render.cuda.device import ComputeDevice

Result = TypeVar("Result")


class Branches:
    """Forks the current stream and joins it again; within a graph the parts become parallel branches.

    Memory stays safe without further marks because it does not cross over while both sides run: what a part makes for
    itself is made and freed on its own stream, what it reads is kept by the caller until `run` returns, and what it
    returns is only read after the join. A stream's memory is reused by that stream alone, and the next fork waits for
    all that the caller enqueued before.

    Args:
        device: on the processor the parts run one after another.
        count: most parts at once.
    """

    def __init__(self, device: ComputeDevice, count: int) -> None:
        cuda: Any = torch.cuda
        self._device = device.torch_device
        self._streams = [cuda.Stream(self._device, priority=-1) for _ in range(count - 1)] if device.is_gpu else None

    def run(self, parts: Sequence[Callable[[], Result]]) -> list[Result]:
        """Run the parts and return what they return; the last, best the longest, stays on the caller's stream."""
        if self._streams is None:
            return [part() for part in parts]
        cuda: Any = torch.cuda
        main = cuda.current_stream(self._device)
        results = []
        sides = self._streams[: len(parts) - 1]
        for side, part in zip(sides, parts, strict=False):
            side.wait_stream(main)
            with cuda.stream(side):
                results.append(part())
        results.append(parts[-1]())
        for side in sides:
            main.wait_stream(side)
        return results
