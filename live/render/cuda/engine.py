"""Runs a program in batches: one CUDA graph per batch size, uploads and downloads overlapping the next batch's work."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from live.render.cuda.program import Program

BATCH_SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
"""Sizes for which graphs are captured; a batch runs in the smallest that holds it."""

IN_FLIGHT: Final = 2
"""Batches between `submit` and `collect`: one computes while another's pictures are downloaded."""

WARM_UP: Final = 3
"""Runs before capture: libraries load, convolution algorithms are chosen, kernels are compiled."""

FrameInputs = Mapping[str, NDArray[Any]]
"""One frame's inputs by name, as the program declares them."""


@dataclass(slots=True)
class _Stage:
    """Memory of one batch in flight. Pinned on a GPU, so that copies run beside computation."""

    inputs: dict[str, Tensor]
    slots: Tensor
    pictures: Tensor
    device_inputs: dict[str, Tensor]
    device_slots: Tensor
    device_pictures: Tensor
    uploaded: Any = None
    computed: Any = None
    downloaded: Any = None
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """A batch on its way: `count` frames in stage `stage`."""

    stage: int
    count: int


class Engine:
    """Executes one program. Safe to call from several threads; batches compute one after another.

    Args:
        program: what to run.
        max_batch: largest batch; graphs are made for all of `BATCH_SIZES` up to it.
        prepare: capture all graphs at once instead of when a size is first needed.
    """

    def __init__(self, program: Program, *, max_batch: int = 16, prepare: bool = True) -> None:
        self.program = program
        self.batch_sizes = tuple(size for size in BATCH_SIZES if size <= max_batch)
        self.max_batch = self.batch_sizes[-1]
        self._gpu = program.device.is_gpu
        where = program.device.torch_device
        cuda: Any = torch.cuda
        self._compute: Any = cuda.Stream(where, priority=-1) if self._gpu else None
        # Up and down apart: a batch's coefficients must not wait for the pictures of the one before.
        self._up: Any = cuda.Stream(where) if self._gpu else None
        self._down: Any = cuda.Stream(where) if self._gpu else None
        # A newcomer is encoded beside the others' batches, and yields to them.
        self._beside: Any = cuda.Stream(where) if self._gpu else None
        width, height = program.size
        picture = program.output.pixel_format.shape(height, width)
        n = self.max_batch
        self._inputs = {k: torch.zeros((n, *s.shape), dtype=s.dtype, device=where) for k, s in program.inputs.items()}
        self._slots = torch.zeros(n, dtype=torch.int32, device=where)
        self._pictures = torch.zeros((n, *picture), dtype=torch.uint8, device=where)
        self._stages = [self._make_stage() for _ in range(IN_FLIGHT)]
        self._graphs: dict[int, Any] = {}
        self._pool: Any = None
        self._lock = threading.Lock()
        self._enrolling = threading.Lock()
        if self._gpu:
            # Everything so far was filled on torch's own stream, which the engine's streams do not wait for.
            torch.cuda.synchronize(where)
        if prepare:
            for size in self.batch_sizes:
                self._graph(size)

    def submit(self, frames: Sequence[tuple[int, FrameInputs]]) -> Ticket:
        """Start a batch of (portrait slot, inputs), 1 to `max_batch` frames.

        Raises:
            RuntimeError: `IN_FLIGHT` batches are waiting to be collected, or the device failed.
            ValueError: too many frames, or an input of the wrong shape.
        """
        count = len(frames)
        if not 1 <= count <= self.max_batch:
            raise ValueError(f"1 to {self.max_batch} frames make a batch, not {count}")
        with self._lock:
            number = next((i for i, stage in enumerate(self._stages) if not stage.busy), None)
            if number is None:
                raise RuntimeError("collect a batch first")
            stage = self._stages[number]
            self._fill(stage, frames)
            with torch.inference_mode():
                self._run(stage, count)
            stage.busy = True
        return Ticket(number, count)

    def wait_computed(self, ticket: Ticket) -> None:
        """Block until a batch's pictures exist on the device and the next batch could compute."""
        if self._gpu:
            self._stages[ticket.stage].computed.synchronize()

    def enroll(self, slot: int, *arrays: NDArray[Any]) -> None:
        """Give a portrait to the program (see its `enroll`); batches of other portraits go on meanwhile.

        Nobody may draw the slot until this returns.
        """
        tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
        with self._enrolling, torch.cuda.stream(self._beside) if self._gpu else nullcontext():
            self.program.enroll(slot, *tensors)
            if self._gpu:
                self._beside.synchronize()

    def collect(self, ticket: Ticket) -> list[NDArray[np.uint8]]:
        """Wait for a batch and take its pictures, fresh arrays in the order of `submit`."""
        stage = self._stages[ticket.stage]
        try:
            if self._gpu:
                stage.downloaded.synchronize()
            return [picture.copy() for picture in stage.pictures[: ticket.count].numpy()]
        finally:
            stage.busy = False

    def render(self, frames: Sequence[tuple[int, FrameInputs]]) -> list[NDArray[np.uint8]]:
        """`submit` and `collect`."""
        return self.collect(self.submit(frames))

    def graph_runner(self, count: int) -> Any:
        """A function that enqueues a batch of `count` on the compute stream, on whatever its inputs hold."""
        graph = self._graph(count)
        stream = self._compute

        def run() -> None:
            if graph is None:
                with torch.inference_mode():
                    self._draw(count)
            else:
                with torch.cuda.stream(stream):
                    graph.replay()

        return run

    @property
    def compute_stream(self) -> Any:
        """torch's stream on which batches run; `None` without a GPU."""
        return self._compute

    def _make_stage(self) -> _Stage:
        def staged(x: Tensor) -> Tensor:
            return torch.zeros(x.shape, dtype=x.dtype, pin_memory=self._gpu)

        def beside(x: Tensor) -> Tensor:
            return torch.zeros_like(x) if self._gpu else x

        stage = _Stage(
            inputs={name: staged(x) for name, x in self._inputs.items()},
            slots=staged(self._slots),
            pictures=staged(self._pictures),
            device_inputs={name: beside(x) for name, x in self._inputs.items()},
            device_slots=beside(self._slots),
            device_pictures=beside(self._pictures),
        )
        if self._gpu:
            cuda: Any = torch.cuda
            stage.uploaded, stage.computed, stage.downloaded = (cuda.Event() for _ in range(3))
        return stage

    def _fill(self, stage: _Stage, frames: Sequence[tuple[int, FrameInputs]]) -> None:
        for name, spec in self.program.inputs.items():
            target = stage.inputs[name].numpy()
            for i, (_, values) in enumerate(frames):
                value = values[name]
                if value.shape != spec.shape:
                    raise ValueError(f"{name} must be {spec.shape}, not {value.shape}")
                target[i] = value
        slots = stage.slots.numpy()
        slots[:] = 0  # places that the batch leaves empty still read a portrait
        for i, (slot, _) in enumerate(frames):
            if not 0 <= slot < self.program.portraits:
                raise ValueError(f"portrait slot {slot} of {self.program.portraits}")
            slots[i] = slot

    def _run(self, stage: _Stage, count: int) -> None:
        size = next(size for size in self.batch_sizes if size >= count)
        graph = self._graph(size)
        if not self._gpu:
            for name, x in self._inputs.items():
                x.copy_(stage.inputs[name])
            self._slots.copy_(stage.slots)
            self._draw(size)
            stage.pictures[:count].copy_(self._pictures[:count])
            return
        with torch.cuda.stream(self._up):
            for name, x in stage.device_inputs.items():
                x[:count].copy_(stage.inputs[name][:count], non_blocking=True)
            stage.device_slots.copy_(stage.slots, non_blocking=True)
            stage.uploaded.record()
        with torch.cuda.stream(self._compute):
            self._compute.wait_event(stage.uploaded)
            for name, x in stage.device_inputs.items():
                self._inputs[name][:count].copy_(x[:count])
            self._slots.copy_(stage.device_slots)
            graph.replay()
            stage.device_pictures[:count].copy_(self._pictures[:count])
            stage.computed.record()
        with torch.cuda.stream(self._down):
            self._down.wait_event(stage.computed)
            stage.pictures[:count].copy_(stage.device_pictures[:count], non_blocking=True)
            stage.downloaded.record()

    def _draw(self, count: int) -> None:
        inputs = {name: x[:count] for name, x in self._inputs.items()}
        self.program.draw(inputs, self._slots[:count], self._pictures[:count])

    def _graph(self, size: int) -> Any:
        """The captured graph for a batch size; `None` on the processor."""
        if size in self._graphs or not self._gpu:
            return self._graphs.get(size)
        where = self.program.device.torch_device
        torch.cuda.synchronize(where)
        with torch.inference_mode(), _deterministic():
            with torch.cuda.stream(self._compute):
                for _ in range(WARM_UP):
                    self._draw(size)
            torch.cuda.synchronize(where)
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, stream=self._compute, capture_error_mode="thread_local"):
                self._draw(size)
        torch.cuda.synchronize(where)
        self._graphs[size] = graph
        return graph


def _deterministic() -> AbstractContextManager[Any]:
    """The fastest of cuDNN's deterministic algorithms, chosen by trial during warm-up."""
    backend: Any = torch.backends.cudnn
    if not backend.is_available():
        return nullcontext()
    flags: AbstractContextManager[Any] = backend.flags(
        enabled=True, benchmark=True, deterministic=True, allow_tf32=False
    )
    return flags
