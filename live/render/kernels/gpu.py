"""The kernels on the GPU, loaded by CuPy and run on whatever stream torch is using."""

from __future__ import annotations

import logging
from typing import Any

from live.errors import LiveError, first_line
from live.render.kernels.build import compiled_cubin
from live.render.kernels.launch import THREADS, launch_blocks
from live.render.kernels.source import full_source, kernel_names

log = logging.getLogger(__name__)


class GpuKernels:
    """Runs kernels on CuPy arrays, on torch's current stream of `device`, so both libraries' work stays in one order.

    CuPy compiles the source once per GPU generation and keeps the result in its own disk cache; if its compiler fails
    (a CuPy without NVRTC, say), nvcc or a stand-alone NVRTC makes the same module.

    Raises `LiveError` when torch, CuPy or a GPU is missing or the kernels cannot be compiled.
    """

    def __init__(self, device: int = 0) -> None:
        try:
            import cupy
            import torch
        except ImportError as error:
            raise LiveError(
                f"The GPU kernels need torch and CuPy ({error}).", "Install them with: pip install 'live-avatar[gpu]'"
            ) from error
        self._cupy: Any = cupy
        self._torch: Any = torch
        self._device = device
        with cupy.cuda.Device(device):
            self._module = self._load()
            self._functions = {name: self._module.get_function(name) for name in kernel_names()}
        self._streams: dict[int, Any] = {}

    def _load(self) -> Any:
        try:
            module = self._cupy.RawModule(code=full_source(), options=("-std=c++17",), backend="nvrtc")
            module.compile()
            return module
        except Exception as error:
            log.info("CuPy could not compile the kernels (%s); trying nvcc.", first_line(error))
            major, minor = self._torch.cuda.get_device_capability(self._device)
            return self._cupy.RawModule(path=str(compiled_cubin(f"sm_{major}{minor}")))

    def launch(self, name: str, count: int, *arguments: object) -> None:
        """See `launch.Kernels.launch`; arrays are CuPy's. Asynchronous, on torch's current stream."""
        pointer = self._torch.cuda.current_stream(self._device).cuda_stream
        stream = self._streams.get(pointer)
        if stream is None:
            stream = self._streams[pointer] = self._cupy.cuda.ExternalStream(pointer, self._device)
        values = tuple(self._null if argument is None else argument for argument in arguments)
        with self._cupy.cuda.Device(self._device), stream:  # threads begin on the first device
            self._functions[name]((launch_blocks(count),), (THREADS,), values)

    @property
    def _null(self) -> Any:
        import numpy

        return numpy.uint64(0)  # a pointer is eight bytes

    def view(self, tensor: Any) -> Any:
        """A CuPy array over a torch tensor's memory, through DLPack: no copy, no synchronisation."""
        return self._cupy.from_dlpack(_SameStream(tensor))


class _SameStream:
    """Hands a tensor over without DLPack's stream synchronisation: both libraries already share the stream."""

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    def __dlpack__(self, **_: object) -> object:
        return self._tensor.detach().__dlpack__(stream=-1)

    def __dlpack_device__(self) -> object:
        return self._tensor.__dlpack_device__()
