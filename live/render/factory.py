"""Which renderer draws an avatar on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from live.errors import LiveError
from live.protocols import Renderer

if TYPE_CHECKING:
    from live.render.avatar import Avatar

BACKENDS: Final = ("auto", "geometric")
"""What `create_renderer` knows."""


def create_renderer(avatar: Avatar, backend: str = "auto", size: tuple[int, int] = (512, 512)) -> Renderer:
    """Make the renderer for an avatar.

    Args:
        avatar: whom to draw.
        backend: "geometric" needs no network; "auto" takes the best that this machine runs in real time.
        size: (width, height) of the pictures, equal and even.

    Raises:
        LiveError: an unknown backend.
    """
    if backend not in BACKENDS:
        raise LiveError(f"There is no renderer {backend!r}.", f"Choose one of: {', '.join(BACKENDS)}.")
    from live.render.geometric import GeometricRenderer

    return GeometricRenderer(avatar, size)
