"""The user's avatars, one folder each."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from live.errors import PortraitError
from live.paths import avatars_dir
from live.render.avatar import Avatar

_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class StoredAvatar:
    """An avatar on disk: `id` is its folder's name, `name` what the user calls it."""

    id: str
    name: str


class AvatarStore:
    """Keeps avatars in a folder.

    Args:
        folder: default: `live.paths.avatars_dir()`, at the time of each call.
        reserved: ids that are never given away.
    """

    def __init__(self, folder: Path | None = None, *, reserved: frozenset[str] = frozenset()) -> None:
        self._folder = folder
        self._reserved = reserved

    @property
    def folder(self) -> Path:
        """Where the avatars are."""
        return self._folder or avatars_dir()

    def entries(self) -> list[StoredAvatar]:
        """All avatars, by name. Folders that are none are left out."""
        found = []
        for path in self.folder.glob("*/avatar.json"):
            if path.parent.suffix == _PARTIAL:
                continue  # half-written
            try:
                name = str(json.loads(path.read_text(encoding="utf-8"))["name"])
            except (OSError, ValueError, KeyError, TypeError):
                name = path.parent.name  # damaged: listed, so that it can be removed
            found.append(StoredAvatar(path.parent.name, name))
        return sorted(found, key=lambda entry: (entry.name.casefold(), entry.id))

    def usage(self) -> tuple[int, int]:
        """How many avatars there are, and the bytes they take (half-written ones included)."""
        sizes = []
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):  # removed meanwhile
                sizes.append(path.stat().st_size if path.is_file() else 0)
        return len(self.entries()), sum(sizes)

    def add(self, avatar: Avatar) -> StoredAvatar:
        """Keep an avatar under an id of its own, made from its name.

        Raises:
            PortraitError: the folder cannot be written.
        """
        base = _slug(avatar.name)
        taken = self._reserved | {path.name for path in self.folder.glob("*")}
        new = base if base not in taken else next(f"{base}-{n}" for n in range(2, 10_000) if f"{base}-{n}" not in taken)
        try:
            avatar.save(self.folder / new)
        except OSError as error:
            raise PortraitError(
                f"The avatar cannot be kept in {self.folder}: {error.strerror or error}.",
                "Free some space, or set LIVE_HOME to a folder that can be written.",
            ) from error
        return StoredAvatar(new, avatar.name)

    def load(self, avatar_id: str) -> Avatar:
        """Read an avatar.

        Raises:
            PortraitError: there is none with this id, or its files are damaged.
        """
        return Avatar.load(self._path(avatar_id))

    def remove(self, avatar_id: str) -> None:
        """Delete an avatar.

        Raises:
            PortraitError: there is none with this id, or it cannot be deleted.
        """
        path = self._path(avatar_id)
        try:
            shutil.rmtree(path)
        except OSError as error:
            raise PortraitError(f"The avatar {avatar_id} cannot be deleted: {error.strerror or error}.") from error

    def _path(self, avatar_id: str) -> Path:
        path = self.folder / avatar_id
        # The id may come from a web page: it must name a folder right here.
        if path.parent != self.folder or avatar_id in ("", ".", "..") or not _is_file(path / "avatar.json"):
            raise PortraitError(
                f"There is no avatar {avatar_id[:60]!r}.", "`live avatar list` shows the avatars there are."
            )
        return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for any file
        return False


def _slug(name: str) -> str:
    """A folder name for any name: lower case ASCII letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "avatar"
