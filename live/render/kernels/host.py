"""The kernels on the processor: the same .cu files, compiled by a C++ compiler through `host_shim.h`.

For tests of the index arithmetic on machines without a GPU, and for dry runs of the GPU path. Not a fast path: threads
run one after another (as fibres where they wait for each other).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from live.errors import LiveError
from live.render.kernels.launch import THREADS, address, launch_blocks
from live.render.kernels.source import FOLDER, WAITING, fingerprint, full_source, kernel_names

_FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-ffp-contract=off", "-Wno-unknown-pragmas")


class HostKernels:
    """Runs kernels on NumPy arrays. One at a time; results are complete when `launch` returns."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def launch(self, name: str, count: int, *arguments: object) -> None:
        """See `launch.Kernels.launch`; arrays are NumPy's. Raises `TypeError` for wrong arguments."""
        holders: list[object] = []
        pointers = (ctypes.c_void_p * len(arguments))()
        for i, argument in enumerate(arguments):
            if argument is None or isinstance(argument, np.ndarray):
                value: object = ctypes.c_void_p(None if argument is None else address(argument))
                pointers[i] = ctypes.addressof(value)  # type: ignore[arg-type]
            elif isinstance(argument, np.generic):
                value = np.array(argument)
                pointers[i] = value.ctypes.data
            else:
                raise TypeError(f"argument {i} of {name}: arrays, None or NumPy scalars, not {type(argument).__name__}")
            holders.append(value)
        function = getattr(self._library, f"host_{name}")
        wanted = function(launch_blocks(count), THREADS, len(arguments), pointers)
        if wanted:
            raise TypeError(f"{name} takes {wanted - 1} arguments, not {len(arguments)}")


def host_compiler() -> str | None:
    """A C++ compiler for the processor: `$CXX`, g++, c++ or clang++, or `None`."""
    for candidate in (os.environ.get("CXX"), "g++", "c++", "clang++"):
        if candidate and (path := shutil.which(candidate)):
            return path
    return None


@cache
def load_host_kernels() -> HostKernels:
    """Compile (once per source, kept in the user's cache) and load. Raises `LiveError` without a working compiler."""
    compiler = host_compiler()
    if compiler is None:
        raise LiveError("No C++ compiler was found.", "Install g++ or clang++, or set CXX to one.")
    exports = "\n".join(f"LIVE_HOST_EXPORT({name}, {int(name in WAITING)})" for name in kernel_names())
    shim = (FOLDER / "host_shim.h").read_text(encoding="utf-8")
    text = f"#define LIVE_HOST 1\n{shim}\n{full_source()}\n{exports}\n"
    target = cache_folder() / f"host-{fingerprint(compiler, *_FLAGS, shim, exports)}.so"
    if not target.exists():
        _compile(compiler, text, target)
    return HostKernels(ctypes.CDLL(str(target)))


def _compile(compiler: str, text: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        source, made = Path(folder) / "kernels.cpp", Path(folder) / "kernels.so"
        source.write_text(text, encoding="utf-8")
        run = subprocess.run(
            [compiler, *_FLAGS, str(source), "-o", str(made)], capture_output=True, text=True, check=False
        )
        if run.returncode:
            raise LiveError(f"{compiler} could not compile the kernels: {run.stderr.strip()[:2000]}")
        made.replace(target)


def cache_folder() -> Path:
    """Where compiled kernels are kept: `$LIVE_KERNEL_CACHE`, else `live/kernels` in the user's cache folder."""
    override = os.environ.get("LIVE_KERNEL_CACHE")
    if override:
        return Path(override).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "live" / "kernels"
