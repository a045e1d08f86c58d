"""The one exception family shown to users: what happened, and what to do next."""

from __future__ import annotations


class LiveError(Exception):
    """An error whose text is written for the person in front of the screen.

    Args:
        message: what happened, in one sentence.
        hint: what to do next; empty if there is nothing to do.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class DeviceError(LiveError):
    """A camera, microphone or virtual camera is missing, busy or gone. The session goes on without it."""


class PortraitError(LiveError):
    """A photo that cannot become an avatar: no face, several faces, too small, unreadable."""


class MediaError(LiveError):
    """A media file that cannot be read or written."""


class ModelError(LiveError):
    """A model file that is missing, damaged or of the wrong kind."""


def first_line(error: BaseException) -> str:
    """What an error of somebody else's library says, in one line; its type's name if it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
