"""Where kernels are tested: always on the processor through the host shim, and on the GPU where there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from live.errors import LiveError
from live.render.kernels.host import host_compiler, load_host_kernels
from live.render.kernels.launch import Kernels

Array = NDArray[Any]


@dataclass(frozen=True)
class KernelDevice:
    """Kernels and how arrays get to them and back."""

    kernels: Kernels
    put: Callable[[Array], Any]
    get: Callable[[Any], Array]


@cache
def kernel_device(name: str) -> KernelDevice:
    """`host` or `gpu`; skips the test with the reason if it cannot be had."""
    if name == "host":
        if host_compiler() is None:
            pytest.skip("no C++ compiler for the host build of the kernels (install g++)")
        return KernelDevice(load_host_kernels(), lambda array: np.ascontiguousarray(array), lambda array: array)
    try:
        from live.render.kernels.gpu import GpuKernels

        kernels = GpuKernels()
        import cupy
    except LiveError as error:
        pytest.skip(str(error))
    return KernelDevice(kernels, cupy.asarray, cupy.asnumpy)


DEVICES = [pytest.param("host", id="host"), pytest.param("gpu", id="gpu", marks=pytest.mark.gpu)]
"""Parameters of tests that run kernels."""
