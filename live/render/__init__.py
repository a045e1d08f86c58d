"""From a portrait and motion to pictures."""

from live.render.factory import create_renderer

__all__ = ["create_renderer"]
