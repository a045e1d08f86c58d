"""Compiling the kernels for a GPU without having one: nvcc, or NVRTC from the `nvidia-cuda-nvrtc` wheel."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from live.errors import LiveError
from live.render.kernels.host import cache_folder
from live.render.kernels.source import fingerprint, full_source


def find_nvcc() -> str | None:
    """Path of nvcc: on `PATH`, under `$CUDA_HOME` or `/usr/local/cuda`, or `None`."""
    found = shutil.which("nvcc")
    if found:
        return found
    for root in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        if root and (Path(root) / "bin" / "nvcc").is_file():
            return str(Path(root) / "bin" / "nvcc")
    return None


def compile_with_nvcc(source: str, architecture: str, output: str = "cubin") -> bytes:
    """Compile CUDA C++ `source` for e.g. `sm_90`; `output` is `cubin` or `ptx`.

    Raises `LiveError` with the compiler's words when it fails, or when there is no nvcc.
    """
    nvcc = find_nvcc()
    if nvcc is None:
        raise LiveError("nvcc was not found.", "Install the CUDA toolkit, or the PyPI package nvidia-cuda-nvrtc.")
    with tempfile.TemporaryDirectory() as folder:
        path, made = Path(folder) / "kernels.cu", Path(folder) / f"kernels.{output}"
        path.write_text(source, encoding="utf-8")
        command = [nvcc, "-std=c++17", f"-arch={architecture}", f"-{output}", str(path), "-o", str(made)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise LiveError(f"nvcc could not compile the kernels: {run.stderr.strip()[:2000]}")
        return made.read_bytes()


def find_nvrtc() -> ctypes.CDLL | None:
    """NVRTC from the system or from NVIDIA's wheels, or `None`."""
    names = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]
    for entry in sys.path:
        names += [str(p) for p in sorted(Path(entry or ".").glob("nvidia/*/lib/libnvrtc.so.*"))]
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def compile_with_nvrtc(source: str, architecture: str) -> bytes:
    """Compile to a cubin with NVRTC, which needs neither a GPU nor the CUDA toolkit. Raises `LiveError` on failure."""
    library = find_nvrtc()
    if library is None:
        raise LiveError("NVRTC was not found.", "Install the PyPI package nvidia-cuda-nvrtc.")
    program = ctypes.c_void_p()
    _checked(library, library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None))
    try:
        flags = [b"-std=c++17", f"-arch={architecture}".encode()]
        status = library.nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(*flags))
        if status:
            size = ctypes.c_size_t()
            _checked(library, library.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
            log = ctypes.create_string_buffer(size.value)
            _checked(library, library.nvrtcGetProgramLog(program, log))
            raise LiveError(f"NVRTC could not compile the kernels: {log.value.decode(errors='replace')[:2000]}")
        size = ctypes.c_size_t()
        _checked(library, library.nvrtcGetCUBINSize(program, ctypes.byref(size)))
        cubin = ctypes.create_string_buffer(size.value)
        _checked(library, library.nvrtcGetCUBIN(program, cubin))
        return cubin.raw
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _checked(library: ctypes.CDLL, status: int) -> None:
    if status:
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise LiveError(f"NVRTC: {library.nvrtcGetErrorString(status).decode()}")


def compiled_cubin(architecture: str) -> Path:
    """All kernels as a cubin file for `architecture`, made by nvcc or NVRTC once and kept in the user's cache."""
    compiler = "nvcc" if find_nvcc() else "nvrtc"
    target = cache_folder() / f"{architecture}-{fingerprint(compiler, architecture)}.cubin"
    if not target.exists():
        source = full_source()
        data = (
            compile_with_nvcc(source, architecture) if compiler == "nvcc" else compile_with_nvrtc(source, architecture)
        )
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = target.with_suffix(f".{os.getpid()}")
        partial.write_bytes(data)
        partial.replace(target)
    return target
