"""What the server needs from the rest of the engine: avatars, renderers and drivers, by name.

All methods may take long (models are loaded, photos fitted), so the server calls them on threads, never on the event
loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from live.frames import MotionFrame
from live.protocols import Driver, Renderer

DriverKind = Literal["microphone", "webcam", "sliders", "push"]
DRIVER_KINDS: Final[tuple[DriverKind, ...]] = ("webcam", "microphone", "sliders", "push")


@dataclass(frozen=True, slots=True)
class AvatarEntry:
    """An avatar as the page lists it.

    Attributes:
        id: opaque, stable, safe in a URL.
        name: for people.
        sample: it came with the engine.
    """

    id: str
    name: str
    sample: bool = False

    def as_dict(self) -> dict[str, object]:
        """Plain types for JSON."""
        return {"id": self.id, "name": self.name, "sample": self.sample, "picture": f"/avatars/{self.id}/picture"}


@dataclass(frozen=True, slots=True)
class OpenAvatar:
    """An avatar ready to be drawn: its renderer and the motion that reproduces its photo."""

    renderer: Renderer
    rest: MotionFrame


class Studio(Protocol):
    """Avatars and drivers. Thread-safe."""

    def avatars(self) -> list[AvatarEntry]:
        """All avatars, the default one first."""
        ...

    def picture(self, avatar_id: str) -> bytes:
        """The portrait as JPEG. Raises `LiveError` if there is no such avatar."""
        ...

    def add_avatar(self, photo: bytes, name: str) -> AvatarEntry:
        """Make and keep an avatar. Raises `PortraitError` with a hint if the photo cannot become one."""
        ...

    def open_avatar(self, avatar_id: str) -> OpenAvatar:
        """A renderer of its own for one session. Raises `LiveError` if there is no such avatar."""
        ...

    def open_driver(self, kind: DriverKind, rest: MotionFrame) -> Driver:
        """A driver for one session, whose motion is in the frame of the avatar with that `rest`.

        Raises `LiveError` if it cannot be had, e.g. because a model cannot be fetched.
        """
        ...
