"""Whether there is an NVIDIA driver, found out without importing anything large."""

from __future__ import annotations

import ctypes
import sys


def driver_present() -> bool:
    """Whether CUDA's driver library can be loaded: the first thing torch and CuPy would do."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
