"""The kernels' source text: one translation unit made of the .cu files beside this module."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
UNITS = ("grid_sample", "flow_warp", "frame_output", "rasterise", "push_pull")
"""The .cu files, in the order in which they are joined."""

ARCHITECTURES = ("sm_80", "sm_90")
"""GPU generations every kernel is compiled for in the tests."""

_ENTRY = re.compile(r'extern "C" __global__ void (\w+)\(')
_MACRO_ENTRY = re.compile(r'extern "C" __global__ void (\w+?)_##suffix\(')


@cache
def unit_source(unit: str) -> str:
    """The text of one .cu file with the common header written out in place of its `#include`."""
    header = (FOLDER / "common.cuh").read_text(encoding="utf-8")
    text = (FOLDER / f"{unit}.cu").read_text(encoding="utf-8")
    return text.replace('#include "common.cuh"', header)


@cache
def full_source() -> str:
    """All kernels as one text, which needs no include path: what is compiled, and what caches are keyed by."""
    return "\n".join(unit_source(unit) for unit in UNITS)


@cache
def kernel_names() -> tuple[str, ...]:
    """Names of every `extern "C"` kernel, read from the source."""
    text = full_source()
    names = [name for name in _ENTRY.findall(text) if "##" not in name]
    for unit in UNITS:
        unit_text = (FOLDER / f"{unit}.cu").read_text(encoding="utf-8")
        stems = _MACRO_ENTRY.findall(unit_text)
        suffixes = re.findall(r"^[A-Z_]+\((f\d\w*),", unit_text, re.MULTILINE)
        names += [f"{stem}_{suffix}" for stem in stems for suffix in suffixes]
    return tuple(names)


def fingerprint(*extra: str) -> str:
    """A short hash of the source and `extra` (compiler, flags): the key of compiled files on disk."""
    digest = hashlib.sha256(full_source().encode())
    for text in extra:
        digest.update(b"\0" + text.encode())
    return digest.hexdigest()[:20]
