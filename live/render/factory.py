"""Which renderer draws an avatar on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from live.errors import LiveError, ModelError, first_line
from live.protocols import Renderer

if TYPE_CHECKING:
    from live.render.avatar import Avatar

logger = logging.getLogger(__name__)


class NoGpuError(ModelError):
    """There is no GPU: nothing that anybody forgot to install."""


_told: set[str] = set()
"""Lines that were written already: every session makes a renderer, and all fail alike."""


def _geometric(avatar: Avatar, size: tuple[int, int]) -> Renderer:
    from live.render.geometric import GeometricRenderer

    return GeometricRenderer(avatar, size)


def _openvino(avatar: Avatar, size: tuple[int, int], *, base: bool = True) -> Renderer:
    from live.render.live_network.renderer import NeuralRenderer
    from live.render.live_network.runtime import shipped_weights

    folder = shipped_weights()
    try:
        from live.render.live_network.openvino_runtime import OpenVinoRuntime
    except ImportError as error:
        raise ModelError("OpenVINO is not installed.", "pip install openvino, or use `onnxruntime`.") from error
    return NeuralRenderer(avatar, OpenVinoRuntime(folder, threads=0 if base else 1, base=base), size)


def _details(avatar: Avatar, size: tuple[int, int]) -> Renderer:
    return _openvino(avatar, size, base=False)


def _onnxruntime(avatar: Avatar, size: tuple[int, int]) -> Renderer:
    from live.render.live_network.onnxruntime_runtime import OnnxRuntimeRuntime
    from live.render.live_network.renderer import NeuralRenderer
    from live.render.live_network.runtime import shipped_weights

    return NeuralRenderer(avatar, OnnxRuntimeRuntime(shipped_weights()), size)


def _cuda(avatar: Avatar, size: tuple[int, int]) -> Renderer:
    from live.render.cuda.driver import driver_present

    if not driver_present():  # before torch is imported, which takes seconds
        raise NoGpuError("There is no NVIDIA GPU with a driver.", "Use another renderer; `auto` chooses one.")
    try:
        from live.render.cuda.renderer import open_renderer
    except ImportError as error:
        raise ModelError("The GPU renderer needs torch and CuPy.", "pip install 'live-avatar[gpu]'") from error
    try:
        return open_renderer(avatar, size[0])
    except LiveError as error:
        raise ModelError(error.message, error.hint) from error
    except Exception as error:  # CUDA, cuDNN and compilers fail in ways of their own
        raise ModelError(
            f"The GPU renderer failed: {first_line(error)}.", "Use another renderer; `auto` chooses one."
        ) from error


Backend = Callable[["Avatar", tuple[int, int]], Renderer]
"""Makes a renderer for an avatar and a size (width, height); raises `ModelError` where it cannot run."""

BEST_FIRST: Final = ("cuda", "openvino", "details", "onnxruntime")
"""What "auto" tries, as far as it is in `BACKENDS`, before it falls back to "geometric"."""

CORES_NEEDED: Final = {"openvino": 4, "onnxruntime": 4}
"""Processor cores from which "auto" uses a renderer; fewer would leave none for capture, encoding and a browser."""

BACKENDS: dict[str, Backend] = {
    "geometric": _geometric,
    "openvino": _openvino,
    "details": _details,
    "onnxruntime": _onnxruntime,
    "cuda": _cuda,
}
"""Ways to draw, by name. A new one is one entry here, with its imports inside its function."""


def create_renderer(avatar: Avatar, backend: str = "auto", size: tuple[int, int] = (512, 512)) -> Renderer:
    """Make the renderer for an avatar.

    Args:
        avatar: whom to draw.
        backend: "auto" (the best that keeps up here) or a name in `BACKENDS`; "details" repairs mouth and eyes only,
            "geometric" needs no network.
        size: (width, height) of the pictures, equal and even.

    Raises:
        ModelError: an unknown backend, or one that cannot run here.
    """
    if backend != "auto":
        if backend not in BACKENDS:
            known = ", ".join(("auto", *BACKENDS))
            raise ModelError(f"There is no renderer {backend!r}.", f"Choose one of: {known}.")
        return BACKENDS[backend](avatar, size)
    failures: list[tuple[str, ModelError]] = []
    cores = os.cpu_count() or 1
    for name in BEST_FIRST:
        if name in BACKENDS and cores >= CORES_NEEDED.get(name, 1):
            try:
                renderer = BACKENDS[name](avatar, size)
            except ModelError as error:
                failures.append((name, error))
            else:
                _tell(name, failures)
                return renderer
    _tell("geometric", failures)
    return _geometric(avatar, size)


def _tell(chosen: str, failures: list[tuple[str, ModelError]]) -> None:
    """Say once, in one line, which renderer is used instead of a faster one, and why."""
    if not failures:
        return
    reasons = "; ".join(f"{name}: {error.message} {error.hint}".strip() for name, error in failures)
    line = f"Drawing with {chosen!r} instead of a faster renderer. {reasons}"
    if line in _told:
        return
    _told.add(line)
    # A machine without a card lacks nothing; all else somebody may want to put right.
    level = logging.INFO if all(isinstance(error, NoGpuError) for _, error in failures) else logging.WARNING
    logger.log(level, line)
