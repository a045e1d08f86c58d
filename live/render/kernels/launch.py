"""What a loaded set of kernels can do, whoever runs it: a GPU through CuPy or the processor through the host shim."""

from __future__ import annotations

from typing import Any, Protocol

THREADS = 256
"""Threads per block of every launch; all kernels are one-dimensional."""

DeviceArray = Any
"""A `cupy.ndarray` or a `numpy.ndarray`: both have shape, strides, dtype and the same indexing."""


class Kernels(Protocol):
    """The kernels of `source.py`, ready to launch on one device."""

    def launch(self, name: str, count: int, *arguments: object) -> None:
        """Run kernel `name` with at least `count` threads, in order with earlier launches.

        `arguments` are arrays of this device, `None` (a null pointer) or NumPy scalars of exactly the kernel's types.
        """
        ...


def launch_blocks(count: int) -> int:
    """Blocks of `THREADS` threads that cover `count` threads (at least one)."""
    if count >= 2**31:
        raise ValueError(f"{count} threads are more than one launch takes; split the batch")
    return max(1, -(-count // THREADS))


def value_suffix(array: DeviceArray) -> str:
    """`f16` or `f32` after the array's dtype. Raises `ValueError` for any other."""
    names = {"float16": "f16", "float32": "f32"}
    try:
        return names[str(array.dtype)]
    except KeyError:
        raise ValueError(f"kernels take float16 and float32, not {array.dtype}") from None


def address(array: DeviceArray) -> int:
    """The address of an array's first value."""
    pointer = getattr(array.data, "ptr", None)  # CuPy's
    return int(array.ctypes.data if pointer is None else pointer)


def element_strides(array: DeviceArray) -> tuple[int, ...]:
    """An array's strides counted in values rather than bytes."""
    return tuple(stride // array.dtype.itemsize for stride in array.strides)


def check_contiguous(array: DeviceArray, name: str) -> None:
    """Raise `ValueError` unless `array` is C-contiguous."""
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} must be C-contiguous (shape {array.shape}, strides {array.strides})")
