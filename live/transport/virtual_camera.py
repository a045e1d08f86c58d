"""The avatar as a camera that other programs can choose, through pyvirtualcam."""

from __future__ import annotations

import sys
import threading
from typing import Any, Final

import numpy as np

from live.errors import DeviceError
from live.frames import AudioChunk, Image, RenderedFrame
from live.mailbox import Mailbox

HINTS: Final = {
    "linux": (
        "Load the loopback driver: `sudo apt install v4l2loopback-dkms && "
        'sudo modprobe v4l2loopback devices=1 exclusive_caps=1 card_label="Live avatar"`.'
    ),
    "darwin": "Install OBS Studio (https://obsproject.com), start its virtual camera once, stop it, and quit OBS.",
    "win32": "Install OBS Studio (https://obsproject.com); its virtual camera is then found by itself.",
}
"""How to get a virtual camera, by platform."""

PATIENCE: Final = 0.5
"""Seconds between looks whether to stop."""


class VirtualCamera:
    """A `Sink` that shows the newest picture in a virtual camera. Sound is not part of a camera.

    Args:
        size: (width, height) of the camera's pictures; frames of another size are fitted in with black borders.
        fps: frame rate to announce.
        device: name of the virtual camera (`/dev/video9`, `OBS Virtual Camera`); `None` takes the first one.

    Raises:
        DeviceError: there is none, or it is in use.
    """

    def __init__(self, size: tuple[int, int], fps: float = 30.0, device: str | None = None) -> None:
        self._size = size
        self._camera = _open(size, fps, device)
        self._mailbox: Mailbox[RenderedFrame] = Mailbox()
        self._closing = threading.Event()
        self._error: DeviceError | None = None
        self.frames = 0
        self._thread = threading.Thread(target=self._show, name="live-virtual-camera", daemon=True)
        self._thread.start()

    @property
    def device(self) -> str:
        """What other programs see."""
        return str(self._camera.device)

    @property
    def dropped(self) -> int:
        """Pictures that were replaced by newer ones before they were shown."""
        return self._mailbox.dropped

    def push_video(self, frame: RenderedFrame) -> None:
        """Show a picture.

        Raises:
            DeviceError: the virtual camera has gone.
        """
        if self._error is not None:
            raise self._error
        self._mailbox.put(frame)

    def push_audio(self, chunk: AudioChunk) -> None:
        """Ignored: a camera has no sound."""

    def close(self) -> None:
        """Release the camera. Safe to call twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._mailbox.close()
        self._thread.join()
        self._camera.close()

    def _show(self) -> None:
        while not self._closing.is_set():
            frame = self._mailbox.take(PATIENCE)
            if frame is None:
                continue
            try:
                self._camera.send(fit(frame.image, self._size))
            except (RuntimeError, OSError, ValueError) as error:
                self._error = DeviceError(f"The virtual camera has gone ({error}).", "Start the output again.")
                return
            self.frames += 1


def fit(image: Image, size: tuple[int, int]) -> Image:
    """Scale uint8 (H, W, 3) to fit into (width, height), centred on black; the picture itself if it has that size."""
    width, height = size
    if image.shape[:2] == (height, width):
        return image
    import cv2

    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    fitted = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    fitted[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner, interpolation=interpolation)
    return fitted


def _open(size: tuple[int, int], fps: float, device: str | None) -> Any:
    hint = HINTS.get(sys.platform, "")
    try:
        import pyvirtualcam
    except ImportError as error:
        raise DeviceError(f"The package pyvirtualcam does not work here ({error}).", hint) from error
    try:
        return pyvirtualcam.Camera(width=size[0], height=size[1], fps=fps, device=device)
    except (RuntimeError, ValueError) as error:
        if device is None and "No v4l2 loopback device" in str(error):
            raise DeviceError("There is no virtual camera.", hint) from error
        which = "No virtual camera can be used" if device is None else f"The virtual camera {device} cannot be used"
        raise DeviceError(f"{which} ({' '.join(str(error).split())}).", hint) from error
