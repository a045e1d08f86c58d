"""The local webcam, through OpenCV (V4L2, AVFoundation, Media Foundation)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from live.capture.retry import DeviceSource
from live.errors import DeviceError
from live.frames import Trace, VideoFrame
from live.protocols import AudioCallback, StateCallback, VideoCallback

FAILURES: Final = 10
"""Pictures in a row that may be missing before the camera counts as unplugged."""


class Camera(Protocol):
    """What of `cv2.VideoCapture` is used."""

    def isOpened(self) -> bool: ...
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, NDArray[np.uint8]]: ...
    def release(self) -> None: ...


class Webcam(DeviceSource):
    """Delivers every picture of a camera as soon as it is there; drivers keep the newest.

    A camera that is missing, busy or unplugged is reported and tried again until `stop`.

    Args:
        device: number or path (`/dev/video2`) of the camera.
        size: (width, height) to ask for; the camera may choose another.
        fps: frame rate to ask for.
        epoch_ns: monotonic instant of media time 0; default: now.
        open_camera: opens the device; for tests.
    """

    def __init__(
        self,
        device: int | str = 0,
        *,
        size: tuple[int, int] = (640, 480),
        fps: float = 30.0,
        epoch_ns: int | None = None,
        open_camera: Callable[[int | str, tuple[int, int], float], Camera] | None = None,
    ) -> None:
        super().__init__("The camera", epoch_ns)
        self._device = device
        self._size = size
        self._fps = fps
        self._open_camera = open_camera or _open_camera

    def start(self, on_audio: AudioCallback | None, on_video: VideoCallback | None, on_state: StateCallback) -> None:
        """Begin to watch."""
        if on_video is None:
            return
        self._keep_open(lambda works: self._watch(on_video, works), on_state)

    def _watch(self, on_video: VideoCallback, works: Callable[[], None]) -> None:
        import cv2

        camera = self._open_camera(self._device, self._size, self._fps)
        try:
            if not camera.isOpened():
                raise _explain(self._device)
            missing = 0
            while not self._stop.is_set():
                grabbed = camera.grab()
                capture_ns = time.monotonic_ns()  # before the picture is unpacked, which takes milliseconds
                good, image = camera.retrieve() if grabbed else (False, np.zeros((0, 0, 3), np.uint8))
                if not good or image.size == 0:
                    missing += 1
                    if missing >= FAILURES:
                        raise DeviceError("The camera stopped delivering pictures.", "Check that it is plugged in.")
                    self._stop.wait(0.02)
                    continue
                missing = 0
                works()
                pts = (capture_ns - self._epoch_ns) / 1e9
                rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
                trace = Trace(capture_ns)
                trace.stamp("capture", capture_ns)
                on_video(VideoFrame(rgb, pts, trace))
        finally:
            camera.release()


def _open_camera(device: int | str, size: tuple[int, int], fps: float) -> Camera:
    import cv2

    # OpenCV prints a page of warnings for a camera that is not there; we say it in one sentence.
    cv2.utils.logging.setLogLevel(0)
    backends = {"linux": cv2.CAP_V4L2, "darwin": cv2.CAP_AVFOUNDATION, "win32": cv2.CAP_DSHOW}
    backend = backends.get(sys.platform, cv2.CAP_ANY)
    if isinstance(device, str) and not device.startswith("/dev/"):
        backend = cv2.CAP_ANY  # a network camera's address or a file
    camera: Any = cv2.VideoCapture(device, backend)
    if camera.isOpened():
        # Motion JPEG lets USB cameras reach their full rate above 640×480; one buffered picture is the newest one.
        camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        camera.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        camera.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        camera.set(cv2.CAP_PROP_FPS, fps)
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    opened: Camera = camera
    return opened


def _explain(device: int | str) -> DeviceError:
    which = f"The camera {device}"
    if sys.platform == "linux":
        path = Path(f"/dev/video{device}" if isinstance(device, int) else device)
        if not path.exists():
            return DeviceError(f"{which} was not found ({path}).", "Plug one in; `live doctor` lists what there is.")
        if not os.access(path, os.R_OK | os.W_OK):
            return DeviceError(
                f"{which} may not be used by this user ({path}).",
                "Add yourself to the group: `sudo usermod -aG video $USER`, then log in again.",
            )
        return DeviceError(f"{which} is used by another program.", "Close that program; it will be tried again.")
    if sys.platform == "darwin":
        return DeviceError(
            f"{which} cannot be opened.",
            "Plug one in, and allow the terminal to use it: System Settings → Privacy & Security → Camera.",
        )
    return DeviceError(f"{which} cannot be opened.", "Plug one in, or close the program that uses it.")
