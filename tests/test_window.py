"""The preview window, on a virtual screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from live.errors import DeviceError
from live.transport.window import Window


@pytest.mark.skipif(sys.platform != "linux", reason="about X11 and Wayland")
def test_without_a_screen_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(DeviceError) as caught:
        Window()
    assert "live serve" in caught.value.hint


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs xvfb")
def test_shows_pictures_on_a_virtual_screen(tmp_path: Path) -> None:
    code = """
        import threading, time
        import numpy as np
        from live.frames import MotionFrame, RenderedFrame
        from live.transport.window import Window
        window = Window()
        done = threading.Event()
        def feed():
            while window.frames < 3:
                window.push_video(RenderedFrame(np.full((48, 64, 3), 90, np.uint8), 0.0, MotionFrame.neutral()))
                time.sleep(0.02)
            window.close()
        threading.Thread(target=feed, daemon=True).start()
        window.run(done)
        print("frames", window.frames >= 3)
    """
    done = subprocess.run(
        ["xvfb-run", "-a", sys.executable, "-c", textwrap.dedent(code)],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "QT_QPA_PLATFORM": "xcb"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "frames True" in done.stdout, done.stderr
