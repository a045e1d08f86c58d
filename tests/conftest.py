"""Fixtures that several test modules use."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from live.transport import missing

os.environ.setdefault("OMP_NUM_THREADS", "1")

MakeMedia = Callable[..., Path]


@pytest.fixture
def live_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty data folder in place of the user's."""
    home = tmp_path / "home"
    monkeypatch.setenv("LIVE_HOME", str(home))
    yield home


@pytest.fixture(scope="session")
def spoken_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two to three seconds of synthesised speech, mono 22.05 kHz, with half a second of silence at its end."""
    program = shutil.which("espeak-ng")
    if program is None:
        pytest.skip("needs espeak-ng (make test installs it)")
    path = tmp_path_factory.mktemp("speech") / "spoken.wav"
    subprocess.run([program, "-w", str(path), "My big puppy may bark at people passing by."], check=True)
    return path


@pytest.fixture
def make_media(tmp_path: Path) -> MakeMedia:
    """Writes an mp4 of 64×48 pictures whose brightness is 2 × the picture's number, with a click at 0.5 s of sound."""

    def make(name: str = "clip.mp4", *, seconds: float = 1.0, fps: int = 25, sound: bool = True) -> Path:
        import av

        path = tmp_path / name
        with av.open(str(path), "w") as container:
            video = container.add_stream("libx264", rate=fps)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            audio = container.add_stream("aac", rate=44_100, layout="mono") if sound else None
            for i in range(round(seconds * fps)):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 2 * i + 16, np.uint8), format="rgb24")
                frame.pts, frame.time_base = i, Fraction(1, fps)
                container.mux(video.encode(frame))
            container.mux(video.encode())
            if audio is not None:
                samples: NDArray[np.int16] = np.zeros(round(seconds * 44_100), np.int16)
                samples[22_050:22_150] = 20_000
                for start in range(0, len(samples), 1024):
                    block = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], "s16", "mono")
                    block.sample_rate, block.pts, block.time_base = 44_100, start, Fraction(1, 44_100)
                    container.mux(audio.encode(block))
                container.mux(audio.encode())
        return path

    return make


@pytest.fixture
def equipped_home(live_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder that has the model files of the user's own."""
    from live.errors import ModelError
    from live.models import face_landmarker

    monkeypatch.delenv("LIVE_HOME")
    try:
        models = face_landmarker(progress=False).parent
    except ModelError as error:
        pytest.skip(f"needs the model files: {error}")
    monkeypatch.setenv("LIVE_HOME", str(live_home))
    live_home.mkdir()
    (live_home / "models").symlink_to(models, target_is_directory=True)
    return live_home


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said once in a process is said once in a test."""
    monkeypatch.setattr(missing, "_told", set())
