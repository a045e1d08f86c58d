"""From a portrait and motion to pictures. `create_renderer` is the one way in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from live.errors import ModelError
from live.protocols import Renderer
from live.render.avatar import Avatar
from live.render.geometric import GeometricRenderer

logger = logging.getLogger(__name__)

Backend = Callable[[Avatar, tuple[int, int]], Renderer]
"""Makes a renderer for an avatar and a size (width, height); raises `ModelError` where it cannot run."""

FASTEST_FIRST: Final = ("cuda", "openvino", "onnxruntime")
"""What "auto" tries before it falls back to "geometric"."""

BACKENDS: dict[str, Backend] = {"geometric": GeometricRenderer}
"""Ways to draw, by name. A new one is one entry; import what is heavy inside it."""


def create_renderer(avatar: Avatar, backend: str = "auto", size: tuple[int, int] = (512, 512)) -> Renderer:
    """A renderer for an avatar.

    Args:
        avatar: the portrait.
        backend: "auto" (the fastest network that runs here, else "geometric") or a name in `BACKENDS`.
        size: (width, height) of the pictures; square, even.

    Raises:
        ModelError: the backend is unknown or cannot run here.
    """
    if backend != "auto":
        if backend not in BACKENDS:
            known = ", ".join(("auto", *BACKENDS))
            raise ModelError(f"There is no renderer {backend!r}.", f"Choose one of: {known}.")
        return BACKENDS[backend](avatar, size)
    for name in FASTEST_FIRST:
        if name in BACKENDS:
            try:
                return BACKENDS[name](avatar, size)
            except ModelError as error:
                logger.debug("renderer %s: %s", name, error)
    logger.info("No network renderer can run here; drawing by geometry.")
    return BACKENDS["geometric"](avatar, size)
