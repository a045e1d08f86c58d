"""The one place where OpenVINO is loaded: without its telemetry, with a cache of compiled networks."""

from __future__ import annotations

import sys
from typing import Any

from live.errors import ModelError
from live.paths import cache_dir


def openvino() -> Any:
    """The `openvino` package.

    Importing it would report the import to its makers: it forks a process out of whatever thread imports it and opens a
    connection. The engine calls nobody, and a fork of a process full of threads can hang. Its own fallback for a
    missing telemetry package keeps it silent.

    Raises:
        ModelError: OpenVINO is not installed, or does not work here.
    """
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # "not installed", by PEP 302
    try:
        import openvino as package
    except (ImportError, OSError) as error:
        raise ModelError(f"OpenVINO does not work here: {error}.", "Install it with: pip install openvino.") from error
    return package


def new_core() -> Any:
    """An `openvino.Core` that keeps compiled networks: compiling takes seconds, loading a fraction of one.

    Raises:
        ModelError: see `openvino`.
    """
    core = openvino().Core()
    core.set_property({"CACHE_DIR": str(cache_dir() / "openvino")})
    return core
