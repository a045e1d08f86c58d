"""The four seams of the engine. A new camera, driver, model or output is one new class behind one of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from live.frames import AudioChunk, Image, MotionFrame, RenderedFrame, VideoFrame

AudioCallback = Callable[[AudioChunk], None]
VideoCallback = Callable[[VideoFrame], None]
StateCallback = Callable[[str], None]


@runtime_checkable
class Source(Protocol):
    """Captures sound, pictures or both, on threads of its own.

    Delivery happens on the source's thread; the callbacks must return at once (they copy into a mailbox or a ring).
    A device that vanishes is reported through `on_state` with a sentence for the user, and retried until `stop`.
    """

    def start(
        self,
        on_audio: AudioCallback | None,
        on_video: VideoCallback | None,
        on_state: StateCallback,
    ) -> None:
        """Begin to deliver. Raises `DeviceError` or `MediaError` only for what can never work."""
        ...

    def stop(self) -> None:
        """Stop delivering and release the device. Safe to call twice."""
        ...


@runtime_checkable
class Driver(Protocol):
    """Turns what was captured into motion. Called on the session's render thread only, except where stated."""

    def push_audio(self, chunk: AudioChunk) -> None:
        """Accept sound, from any thread, without blocking. Drivers that do not listen ignore it."""
        ...

    def push_video(self, frame: VideoFrame) -> None:
        """Accept a picture, from any thread, without blocking; a newer frame replaces one not yet used."""
        ...

    def next_motion(self, timeout: float) -> MotionFrame | None:
        """Block for at most `timeout` seconds until there is motion for a new frame.

        Returns `None` when nothing is due. A driver without input returns idle motion at its frame rate, so that the
        face stays alive. Never raises for bad input.
        """
        ...

    def close(self) -> None:
        """Release models and threads, and wake a blocked `next_motion`."""
        ...


@runtime_checkable
class Renderer(Protocol):
    """Draws an avatar in the pose of a `MotionFrame`. Used from one thread at a time."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures, pixels; both even."""
        ...

    def render(self, motion: MotionFrame) -> Image:
        """Draw. Returns uint8 (H, W, 3) RGB, a fresh array that the caller owns.

        Stamps `motion.trace` with its stages. Non-finite coefficients are replaced by rest values, never raised on.
        """
        ...

    def close(self) -> None:
        """Release device memory."""
        ...


@runtime_checkable
class Sink(Protocol):
    """Takes finished frames and sound: viewers, a virtual camera, a file, a window.

    `push_video` and `push_audio` come from the session's threads and must not block: a slow sink drops its own frames
    (and counts them), never anybody else's.

    Sound comes when its picture is ready. A sink whose class sets `times_sound = True` gets it as soon as it is
    captured and meets the picture by itself.
    """

    def push_video(self, frame: RenderedFrame) -> None:
        """Show or store a picture."""
        ...

    def push_audio(self, chunk: AudioChunk) -> None:
        """Play or store sound; `pts` is on the same clock as the pictures'."""
        ...

    def close(self) -> None:
        """Flush and release. Safe to call twice."""
        ...
