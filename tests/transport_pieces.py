"""A small but real renderer, driver and studio, so that transport is tested without models."""

from __future__ import annotations

import io
import threading
import time

import numpy as np
from PIL import Image as Pillow

from live.errors import LiveError, PortraitError
from live.frames import AudioChunk, Image, MotionFrame, Trace, VideoFrame
from live.mailbox import Mailbox
from live.motion.slider_driver import SliderDriver
from live.protocols import Driver
from live.transport.studio import AvatarEntry, DriverKind, OpenAvatar


class CardRenderer:
    """Draws a card whose brightness is `jawOpen`, with a bar that moves with the yaw and a moving clock hand."""

    def __init__(self, side: int = 128) -> None:
        self._side = side
        self._ramp = np.linspace(0, 60, side, dtype=np.uint8)
        self.closed = False

    @property
    def size(self) -> tuple[int, int]:
        return self._side, self._side

    def render(self, motion: MotionFrame) -> Image:
        start = time.monotonic_ns()
        picture = np.empty((self._side, self._side, 3), np.uint8)
        picture[:] = np.uint8(40 + 150 * float(np.clip(motion.expression[24], 0, 1)))
        picture[..., 1] += self._ramp
        bar = int(self._side * (0.5 + 0.4 * np.sin(motion.rotation[1]))) % self._side
        picture[:, max(0, bar - 2) : bar + 3] = (250, 220, 40)
        hand = int(motion.pts * 25) % self._side
        picture[:8, hand : hand + 6] = 255
        motion.trace.stamp("render", start)
        return picture

    def close(self) -> None:
        self.closed = True


class MirrorDriver:
    """Opens the jaw with the loudness of the sound and turns the head with the brightness of the picture."""

    def __init__(self, fps: float = 25.0) -> None:
        self._period = 1 / fps
        self._box: Mailbox[VideoFrame] = Mailbox()
        self._loudness = 0.0
        self._next = time.monotonic()
        self._start = time.monotonic()
        self._woken = threading.Event()
        self.heard = 0
        self.seen = 0

    def push_audio(self, chunk: AudioChunk) -> None:
        self.heard += 1
        self._loudness = float(np.sqrt(np.mean(chunk.samples.astype(np.float64) ** 2))) / 32768

    def push_video(self, frame: VideoFrame) -> None:
        self.seen += 1
        self._box.put(frame)

    def next_motion(self, timeout: float) -> MotionFrame | None:
        self._woken.wait(min(timeout, max(0.0, self._next - time.monotonic())))
        now = time.monotonic()
        if now < self._next:
            return None
        self._next = max(self._next + self._period, now - self._period)
        picture = self._box.take(0.0)
        motion = MotionFrame.neutral(now - self._start, time.monotonic_ns())
        motion.expression[24] = min(1.0, 8 * self._loudness)
        if picture is not None:
            motion = MotionFrame(
                picture.pts,
                motion.expression,
                np.array([0, picture.image.mean() / 128 - 1, 0], np.float32),
                motion.translation,
                motion.residual,
                1.0,
                Trace(picture.trace.capture_ns, list(picture.trace.stages)),
            )
        return motion

    def close(self) -> None:
        self._woken.set()


class CardStudio:
    """Two avatars that need no models."""

    def __init__(self) -> None:
        self.entries = [AvatarEntry("card", "Card", sample=True), AvatarEntry("big", "Big card", sample=True)]
        self.renderers: list[CardRenderer] = []
        self.drivers: list[MirrorDriver | SliderDriver] = []

    def avatars(self) -> list[AvatarEntry]:
        return list(self.entries)

    def picture(self, avatar_id: str) -> bytes:
        self._known(avatar_id)
        file = io.BytesIO()
        Pillow.fromarray(CardRenderer().render(MotionFrame.neutral())).save(file, "JPEG")
        return file.getvalue()

    def add_avatar(self, photo: bytes, name: str) -> AvatarEntry:
        try:
            size = Pillow.open(io.BytesIO(photo)).size
        except OSError as error:
            raise PortraitError("That is not a picture.", "Choose a JPEG or PNG file.") from error
        if min(size) < 64:
            raise PortraitError(
                f"The picture is too small ({size[0]} by {size[1]} pixels).", "Use one of at least 64 pixels."
            )
        entry = AvatarEntry(f"a{len(self.entries)}", name or "Portrait")
        self.entries.append(entry)
        return entry

    def open_avatar(self, avatar_id: str) -> OpenAvatar:
        self._known(avatar_id)
        renderer = CardRenderer(256 if avatar_id == "big" else 128)
        self.renderers.append(renderer)
        return OpenAvatar(renderer, MotionFrame.neutral())

    def open_driver(self, kind: DriverKind, rest: MotionFrame) -> Driver:
        driver = SliderDriver(rest, fps=25) if kind == "sliders" else MirrorDriver()
        self.drivers.append(driver)
        return driver

    def _known(self, avatar_id: str) -> None:
        if all(entry.id != avatar_id for entry in self.entries):
            raise LiveError("There is no such avatar.", "Choose one from the list.")
