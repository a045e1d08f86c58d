"""Avatars, renderers and drivers of this machine, by name: what the server and the command line make sessions from."""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import Image as PillowImage

from live.errors import LiveError, PortraitError
from live.frames import MotionFrame
from live.motion.face_driver import FaceDriver
from live.motion.idle import IdleMotion
from live.motion.retarget import RetargetMode
from live.motion.retargeted import RetargetedDriver
from live.motion.slider_driver import SliderDriver
from live.motion.speech import SpeechDriver
from live.paths import data_dir
from live.protocols import Driver
from live.render import create_renderer
from live.render.avatar import Avatar
from live.render.avatar_store import AvatarStore
from live.render.portrait import read_photo
from live.transport.studio import AvatarEntry, DriverKind, OpenAvatar

MotionKind = Literal["face", "speech", "sliders"]
"""What a driver is driven by."""

SAMPLE_NAMES: Final = {"collins": "Eileen Collins (NASA)"}
"""Names of the portraits that ship, by file name; the first is the default."""

MAX_AVATARS: Final = 100
"""The user's avatars up to which photos may be uploaded."""

MAX_AVATAR_BYTES: Final = 1_000_000_000
"""Bytes of the user's avatars up to which photos may be uploaded. One takes what its photo takes as PNG, and 0.5 MB."""

PICTURE_QUALITY: Final = 88
"""JPEG quality of the pictures in lists."""


def make_driver(
    kind: MotionKind,
    rest: MotionFrame,
    *,
    fps: float = 25.0,
    mode: RetargetMode = "relative",
    even: bool = False,
    clock_ns: Callable[[], int] = time.monotonic_ns,
) -> Driver:
    """A driver whose motion is in the frame of the avatar with `rest`.

    Args:
        kind: what drives.
        rest: the motion that reproduces the avatar's photo.
        fps: frame rate of drivers that make frames of their own accord.
        mode: how a face is retargeted.
        even: speech keeps its frames evenly spaced, for films; live it answers the onset of a word off the grid.
        clock_ns: monotonic clock; `live.offline.MediaClock` when rendering files.

    Raises:
        ModelError: a model cannot be had.
    """
    if kind == "face":
        return FaceDriver(rest, fps=fps, mode=mode, clock_ns=clock_ns)
    if kind == "speech":
        return RetargetedDriver(SpeechDriver(fps, even=even, clock_ns=clock_ns), rest)
    return SliderDriver(rest, fps=fps, idle=IdleMotion(), clock_ns=clock_ns)


class LocalStudio:
    """The portraits that ship and the user's avatars. Implements `live.transport.studio.Studio`; thread-safe.

    Args:
        backend: which renderer to make, see `live.render.create_renderer`.
        size: (width, height) of the pictures.
        fps: frame rate of drivers that make frames of their own accord.
        max_avatars: how many avatars of the user there may be before uploads are refused.
        max_avatar_bytes: how much they may take on disk before uploads are refused.
    """

    def __init__(
        self,
        backend: str = "auto",
        size: tuple[int, int] = (512, 512),
        fps: float = 25.0,
        *,
        max_avatars: int = MAX_AVATARS,
        max_avatar_bytes: int = MAX_AVATAR_BYTES,
    ) -> None:
        self._backend = backend
        self._size = size
        self._fps = fps
        self._max_avatars = max_avatars
        self._max_avatar_bytes = max_avatar_bytes
        self._samples = _samples()
        self._store = AvatarStore(reserved=frozenset(self._samples))
        self._fitting = threading.Lock()

    def avatars(self) -> list[AvatarEntry]:
        """All avatars: those that ship first, the default one at the top."""
        shipped = [AvatarEntry(key, SAMPLE_NAMES.get(key, key.title()), sample=True) for key in self._samples]
        return shipped + [AvatarEntry(entry.id, entry.name) for entry in self._store.entries()]

    def picture(self, avatar_id: str) -> bytes:
        """The portrait as JPEG.

        Raises:
            PortraitError: there is no such avatar.
        """
        buffer = io.BytesIO()
        PillowImage.fromarray(self.open(avatar_id).image).save(buffer, "JPEG", quality=PICTURE_QUALITY)
        return buffer.getvalue()

    def add_avatar(self, photo: bytes, name: str) -> AvatarEntry:
        """Make and keep an avatar from the bytes of a photo that somebody uploads. Those that are kept are never
        removed to make room: they may be somebody's work, and this may be the page of another one.

        Raises:
            PortraitError: the photo cannot become one, or there is no room to keep it.
            ModelError: the face tracker's model cannot be had.
        """
        with self._fitting:
            self._check_room()
            return self._keep(photo, name)

    def add(self, photo: Path, name: str | None = None) -> AvatarEntry:
        """Make and keep an avatar from a file; its name is the file's unless given.

        Raises:
            PortraitError, ModelError: as `add_avatar`.
        """
        with self._fitting:
            return self._keep(photo, name or photo.stem)

    def remove(self, name: str) -> AvatarEntry:
        """Delete an avatar by id or name.

        Raises:
            PortraitError: there is none, or it ships with the engine.
        """
        entry = self.find(name)
        if entry.sample:
            raise PortraitError(f"{entry.name} comes with the engine and stays.")
        self._store.remove(entry.id)
        return entry

    def find(self, name: str) -> AvatarEntry:
        """The avatar with this id or name, or made from this photo; a photo that is no avatar yet becomes one.

        Raises:
            PortraitError: there is neither such an avatar nor such a photo, or the photo cannot become one.
            ModelError: as `add_avatar`.
        """
        for entry in self.avatars():
            if name in (entry.id, entry.name):
                return entry
        photo = Path(name).expanduser()
        if photo.is_file():
            return self._kept(photo) or self.add(photo)
        raise PortraitError(
            f"There is neither an avatar nor a photo {name!r}.", "`live avatar list` shows the avatars there are."
        )

    def load(self, name: str | None) -> Avatar:
        """An avatar by id, name or photo; `None` is the default one. A photo is used without being kept.

        Raises:
            PortraitError, ModelError: as `find`.
        """
        if name is None:
            return self.open(next(iter(self._samples)))
        photo = Path(name).expanduser()
        if photo.is_file() and name not in {entry.id for entry in self.avatars()}:
            with self._fitting:
                return Avatar.create(photo)
        return self.open(self.find(name).id)

    def open(self, avatar_id: str) -> Avatar:
        """An avatar by id.

        Raises:
            PortraitError: there is none, or its files are damaged.
        """
        photo = self._samples.get(avatar_id)
        return self._store.load(avatar_id) if photo is None else self._open_sample(avatar_id, photo)

    def open_avatar(self, avatar_id: str) -> OpenAvatar:
        """A renderer of its own for one session.

        Raises:
            PortraitError: there is no such avatar.
            ModelError: the renderer's weights cannot be used.
        """
        avatar = self.open(avatar_id)
        renderer = create_renderer(avatar, self._backend, size=self._size)
        renderer.render(avatar.rest)  # the first picture compiles and caches; no viewer waits for it
        return OpenAvatar(renderer, avatar.rest)

    def open_driver(self, kind: DriverKind, rest: MotionFrame) -> Driver:
        """A driver for one session.

        Raises:
            ModelError: a model cannot be had.
        """
        kinds: dict[DriverKind, MotionKind] = {
            "webcam": "face",
            "microphone": "speech",
            "push": "speech",
            "sliders": "sliders",
        }
        return make_driver(kinds[kind], rest, fps=self._fps)

    def _keep(self, photo: Path | bytes, name: str) -> AvatarEntry:
        stored = self._store.add(Avatar.create(photo, name))
        return AvatarEntry(stored.id, stored.name)

    def _check_room(self) -> None:
        count, size = self._store.usage()
        hint = "Whoever runs the engine can remove some: `live avatar list`, `live avatar rm NAME`"
        if count >= self._max_avatars:
            raise PortraitError(
                f"There is no room for another portrait: {count} are kept.", f"{hint}; or `live serve --max-avatars`."
            )
        if size >= self._max_avatar_bytes:
            raise PortraitError(
                f"There is no room for another portrait: {count} are kept, which take {size / 1e6:.0f} MB.",
                f"{hint}; or `live serve --max-avatar-space`.",
            )

    def _kept(self, photo: Path) -> AvatarEntry | None:
        """The avatar that was made from this very photo, if there is one."""
        named = [entry for entry in self._store.entries() if entry.name == photo.stem]
        if not named:
            return None
        picture = read_photo(photo)
        for entry in named:
            with contextlib.suppress(PortraitError):
                if np.array_equal(self._store.load(entry.id).original, picture):
                    return AvatarEntry(entry.id, entry.name)
        return None

    def _open_sample(self, avatar_id: str, photo: Path) -> Avatar:
        """Fit a portrait that ships once per version of the engine's data, then read the fit from the cache."""
        model = resources.files("live") / "assets" / "face_model.npz"
        key = hashlib.sha256(photo.read_bytes() + model.read_bytes()).hexdigest()[:16]
        folder = data_dir() / "samples" / f"{avatar_id}-{key}"
        with self._fitting:
            try:
                return Avatar.load(folder)
            except PortraitError:
                avatar = Avatar.create(photo, SAMPLE_NAMES.get(avatar_id, avatar_id))
            # Only a cache: on a full or read-only disk the next start fits again.
            with contextlib.suppress(OSError):
                avatar.save(folder)
        return avatar


def _samples() -> dict[str, Path]:
    """Photos that ship, the default one first."""
    folder = Path(str(resources.files("live") / "assets" / "portraits"))
    photos = {path.stem: path for path in sorted(folder.glob("*.jpg"))}
    if not photos:
        raise LiveError("The portraits of the package are missing.", "Reinstall it: pip install --force-reinstall .")
    first = [key for key in SAMPLE_NAMES if key in photos]
    return {key: photos[key] for key in (*first, *(k for k in photos if k not in first))}
