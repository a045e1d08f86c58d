"""What the engine runs: the device work of one renderer, on tensors that stay where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from live.render.cuda.device import ComputeDevice
from live.render.kernels.output import ColourMatrix, PixelFormat


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One frame's share of an input: `shape` without the batch, and `dtype`."""

    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """How finished pictures leave the device; RGB is what `Renderer.render` returns, the others feed encoders."""

    pixel_format: PixelFormat = PixelFormat.RGB
    matrix: ColourMatrix = ColourMatrix.BT601


class Program(Protocol):
    """Device work of one renderer for frames of any enrolled portraits, mixed in one batch."""

    device: ComputeDevice
    output: OutputFormat

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures."""
        ...

    @property
    def portraits(self) -> int:
        """How many portraits can be enrolled at once."""
        ...

    @property
    def inputs(self) -> dict[str, InputSpec]:
        """What a frame reads, by name."""
        ...

    def enroll(self, slot: int, *portrait: Tensor) -> None:
        """Precompute what depends on a portrait alone; what `portrait` holds is the program's affair."""
        ...

    def draw(self, inputs: dict[str, Tensor], slots: Tensor, out: Tensor) -> None:
        """Render a batch into `out`.

        Must do nothing but enqueue device work that depends on the arguments' contents, not on their values seen from
        the processor: it is captured once and replayed.

        Args:
            inputs: tensors (N, *shape) as `inputs` declares.
            slots: int32 (N,), which portrait each frame is of.
            out: uint8 (N, *shape of the output format).
        """
        ...
