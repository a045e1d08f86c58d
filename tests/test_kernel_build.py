"""Every kernel compiles for the GPUs we support, with compilers that need no GPU, and keeps its promises in PTX."""

from __future__ import annotations

import re

import numpy as np
import pytest

from live.errors import LiveError
from live.render.kernels.build import compile_with_nvcc, compile_with_nvrtc, find_nvcc, find_nvrtc
from live.render.kernels.host import HostKernels, host_compiler, load_host_kernels
from live.render.kernels.source import ARCHITECTURES, UNITS, full_source, kernel_names, unit_source

needs_nvcc = pytest.mark.skipif(find_nvcc() is None, reason="nvcc is not installed (CUDA toolkit)")
needs_nvrtc = pytest.mark.skipif(find_nvrtc() is None, reason="NVRTC is not installed (pip install nvidia-cuda-nvrtc)")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@needs_nvcc
def test_nvcc_compiles_every_kernel(architecture: str) -> None:
    ptx = compile_with_nvcc(full_source(), architecture, "ptx").decode()
    entries = set(re.findall(r"\.visible \.entry (\w+)\(", ptx))
    assert entries == set(kernel_names())
    assert len(compile_with_nvcc(full_source(), architecture)) > 10_000


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@needs_nvrtc
def test_nvrtc_compiles_every_kernel_without_headers(architecture: str) -> None:
    cubin = compile_with_nvrtc(full_source(), architecture)
    assert cubin[:4] == b"\x7fELF"
    for name in kernel_names():
        assert name.encode() in cubin


@pytest.mark.parametrize(("unit", "prefix"), [("grid_sample", "grid_sample_lanes"), ("flow_warp", "flow_warp_f16")])
@needs_nvcc
def test_sampling_moves_sixteen_bytes_at_a_time(unit: str, prefix: str) -> None:
    ptx = compile_with_nvcc(unit_source(unit), "sm_80", "ptx").decode()
    bodies = [body for body in ptx.split(".visible .entry ")[1:] if body.startswith(prefix)]
    assert len(bodies) == 2
    for body in bodies:
        assert len(re.findall(r"ld\.global\.nc\.v4\.\w+", body)) >= 4, "one wide load per tap"
        assert re.search(r"st\.global\.v4\.\w+", body)


@needs_nvcc
def test_a_mistake_is_reported_with_the_compilers_words() -> None:
    with pytest.raises(LiveError, match="no_such_name"):
        compile_with_nvcc('extern "C" __global__ void f(int* p) { *p = no_such_name; }', "sm_80")


@needs_nvrtc
def test_nvrtc_reports_a_mistake_too() -> None:
    with pytest.raises(LiveError, match="no_such_name"):
        compile_with_nvrtc('extern "C" __global__ void f(int* p) { *p = no_such_name; }', "sm_80")


def test_every_unit_contributes_kernels() -> None:
    names = kernel_names()
    assert len(names) == len(set(names)) >= 2 * len(UNITS)


@pytest.mark.skipif(host_compiler() is None, reason="no C++ compiler (install g++)")
class TestHostBuild:
    def test_wrong_number_of_arguments_is_refused(self) -> None:
        with pytest.raises(TypeError, match="takes 2 arguments"):
            load_host_kernels().launch("raster_clear", 1, np.zeros(1, np.uint64))

    def test_python_numbers_are_refused(self) -> None:
        with pytest.raises(TypeError, match="NumPy scalars"):
            load_host_kernels().launch("raster_clear", 1, np.zeros(1, np.uint64), 1)

    def test_threads_beyond_the_count_do_nothing(self) -> None:
        kernels: HostKernels = load_host_kernels()
        keys = np.zeros(300, np.uint64)
        kernels.launch("raster_clear", 300, keys, np.uint32(257))
        assert (keys[:257] == np.uint64(2**64 - 1)).all()
        assert (keys[257:] == 0).all()
