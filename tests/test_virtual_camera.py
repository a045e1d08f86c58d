"""The virtual camera: what arrives at the device, and what is said when there is none.

The kernel module cannot be loaded everywhere, so a small C library (`v4l2_shim.c`, built here) answers the device's
calls and keeps what was written. The camera runs in a process of its own, because the library must be loaded first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from live.errors import DeviceError
from live.frames import MotionFrame, RenderedFrame
from live.transport.virtual_camera import VirtualCamera, fit

ROOT = Path(__file__).parent.parent

needs_shim = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None, reason="needs Linux and gcc (make test installs it)"
)


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("shim") / "v4l2_shim.so"
    source = Path(__file__).with_name("v4l2_shim.c")
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library


def run_camera(shim: Path, tmp_path: Path, code: str) -> str:
    """Run `code` after a preamble, with the shim loaded; returns what it printed."""
    preamble = """
        import numpy as np, time
        from live.errors import DeviceError
        from live.frames import MotionFrame, RenderedFrame
        from live.transport.virtual_camera import VirtualCamera
        def frame(image): return RenderedFrame(image, 0.0, MotionFrame.neutral())
        def until(condition):
            for _ in range(1000):
                if condition(): return
                time.sleep(0.01)
            raise SystemExit("timed out")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(preamble) + textwrap.dedent(code)],
        env={
            **os.environ,
            "LD_PRELOAD": str(shim),
            "V4L2_SHIM_FRAMES": str(tmp_path / "frames"),
            "V4L2_SHIM_FORMAT": str(tmp_path / "format"),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_shim
def test_the_device_gets_the_pixels(shim: Path, tmp_path: Path) -> None:
    out = run_camera(
        shim,
        tmp_path,
        """
        camera = VirtualCamera((64, 48), fps=25)
        print(camera.device)
        for i, color in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255))):
            image = np.zeros((48, 64, 3), np.uint8)
            image[:, 32:] = color
            camera.push_video(frame(image))
            until(lambda: camera.frames == i + 1)
        camera.close()
        camera.close()
        """,
    )
    assert out.strip() == "/dev/video7"
    width, height, fourcc, _ = (tmp_path / "format").read_text().split()
    assert (width, height, fourcc) == ("64", "48", "YU12")
    content = np.fromfile(tmp_path / "frames", np.uint8)
    pictures = content.reshape(3, 48 * 64 * 3 // 2)
    # Limited-range BT.601, what V4L2 programs expect: Y, U, V of pure red, green and blue.
    for picture, expected in zip(pictures, ((82, 90, 240), (145, 54, 34), (41, 240, 110)), strict=True):
        luma = picture[: 48 * 64].reshape(48, 64)
        chroma = picture[48 * 64 :].reshape(2, 24, 32)
        assert luma[:, :32] == pytest.approx(np.full((48, 32), 16), abs=1)
        assert luma[:, 32:] == pytest.approx(np.full((48, 32), expected[0]), abs=2)
        for plane, value in zip(chroma, expected[1:], strict=True):
            assert plane[:, :16] == pytest.approx(np.full((24, 16), 128), abs=1)
            assert plane[:, 17:] == pytest.approx(np.full((24, 15), value), abs=2)


@needs_shim
def test_another_frame_size_is_fitted(shim: Path, tmp_path: Path) -> None:
    run_camera(
        shim,
        tmp_path,
        """
        camera = VirtualCamera((64, 48))
        camera.push_video(frame(np.full((96, 96, 3), 255, np.uint8)))
        until(lambda: camera.frames == 1)
        camera.close()
        """,
    )
    luma = np.fromfile(tmp_path / "frames", np.uint8)[: 48 * 64].reshape(48, 64)
    assert (luma[:, :8] == 16).all() and (luma[:, 56:] == 16).all()
    assert (luma[:, 8:56] == 235).all()


def test_a_camera_that_goes_away_raises_once_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    class Camera:
        device = "OBS Virtual Camera"

        def __init__(self, **settings: object) -> None: ...

        def send(self, image: np.ndarray) -> None:
            raise RuntimeError("error sending frame")

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr("pyvirtualcam.Camera", Camera)
    camera = VirtualCamera((64, 48))
    picture = RenderedFrame(np.zeros((48, 64, 3), np.uint8), 0.0, MotionFrame.neutral())
    camera.push_video(picture)
    camera._thread.join(10)
    with pytest.raises(DeviceError, match="has gone"):
        camera.push_video(picture)
    camera.close()
    assert closed == [True]


def test_without_a_camera_the_error_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    if any(Path("/dev").glob("video*")):
        pytest.skip("this machine may have a real one")
    with pytest.raises(DeviceError) as caught:
        VirtualCamera((64, 48))
    if sys.platform == "linux":
        assert "modprobe v4l2loopback" in caught.value.hint
    with pytest.raises(DeviceError, match="/dev/video42"):
        VirtualCamera((64, 48), device="/dev/video42")


def test_fit_keeps_the_shape_of_things() -> None:
    image = np.full((50, 100, 3), 200, np.uint8)
    fitted = fit(image, (60, 60))
    assert fitted.shape == (60, 60, 3)
    assert (fitted[15:45] == 200).all()
    assert (fitted[:15] == 0).all() and (fitted[45:] == 0).all()
    assert fit(image, (100, 50)) is image
