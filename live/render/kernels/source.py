"""The kernels' source text: one translation unit made of the .cu files beside this module."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

from live.render.kernels.tables import constants

FOLDER = Path(__file__).parent
UNITS = (
    "grid_sample", "flow_warp", "frame_output", "rasterise", "push_pull", "normalise", "live_frame",
    "pose", "openings", "motion_prior", "face_layers",
)  # fmt: skip
"""The .cu files, in the order in which they are joined."""

WAITING = ("channel_sums_f32", "channel_sums_f16", "norm_affine", "face_outlines", "extend_small")
"""Kernels whose threads wait for each other; the host build runs these as fibres."""

ARCHITECTURES = ("sm_80", "sm_90")
"""GPU generations every kernel is compiled for in the tests."""

_INCLUDE = re.compile(r'^#include "(\w+\.\w+)"$', re.MULTILINE)
_ENTRY = re.compile(r'extern "C" __global__ void (\w+?)(?:_##suffix)?\(')
_MACRO = re.compile(r"^#define (\w+)\(suffix\b.*?[^\\]\n", re.MULTILINE | re.DOTALL)


@cache
def unit_source(unit: str) -> str:
    """The text of one .cu file with the headers written out in place of their `#include` lines.

    `tables.h` is no file: it is what `tables.constants` says.
    """
    return _expanded(f"{unit}.cu")


def _expanded(name: str) -> str:
    if name == "tables.h":
        return f"#ifndef LIVE_TABLES_H\n#define LIVE_TABLES_H\n{constants()}\n#endif\n"
    text = (FOLDER / name).read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda include: _expanded(include[1]), text)


@cache
def full_source() -> str:
    """All kernels as one text, which needs no include path: what is compiled, and what caches are keyed by."""
    return "\n".join(unit_source(unit) for unit in UNITS)


@cache
def kernel_names() -> tuple[str, ...]:
    """Names of every `extern "C"` kernel, read from the source: plain ones, and those that macros make per format."""
    names: list[str] = []
    for unit in UNITS:
        text = (FOLDER / f"{unit}.cu").read_text(encoding="utf-8")
        names += _ENTRY.findall(_MACRO.sub("", text))
        for macro in _MACRO.finditer(text):
            suffixes = re.findall(rf"^{macro[1]}\((\w+),", text, re.MULTILINE)
            names += [f"{stem}_{suffix}" for stem in _ENTRY.findall(macro[0]) for suffix in suffixes]
    return tuple(names)


def fingerprint(*extra: str) -> str:
    """A short hash of the source and `extra` (compiler, flags): the key of compiled files on disk."""
    digest = hashlib.sha256(full_source().encode())
    for text in extra:
        digest.update(b"\0" + text.encode())
    return digest.hexdigest()[:20]
