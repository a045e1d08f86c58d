"""Which microphones and cameras there are."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from live.capture.microphone import portaudio


@dataclass(frozen=True, slots=True)
class Device:
    """A microphone or a camera.

    Attributes:
        id: what to pass as `device`.
        name: what the system calls it.
        default: whether it is used when none is named.
    """

    id: int
    name: str
    default: bool


def list_microphones() -> list[Device]:
    """Inputs of the sound system.

    Raises:
        DeviceError: PortAudio is not installed.
    """
    sounddevice = portaudio()
    default = sounddevice.default.device[0]
    return [
        Device(i, str(info["name"]), i == default)
        for i, info in enumerate(sounddevice.query_devices())
        if info["max_input_channels"] > 0
    ]


def list_cameras(probe: int = 4) -> list[Device]:
    """Cameras. On Linux from the kernel's list; elsewhere by trying the first `probe` numbers."""
    if sys.platform == "linux":
        return _linux_cameras(Path("/sys/class/video4linux"))
    import cv2

    cv2.utils.logging.setLogLevel(0)
    found = []
    for i in range(probe):
        camera = cv2.VideoCapture(i)
        if camera.isOpened():
            found.append(Device(i, f"camera {i}", not found))
        camera.release()
    return found


def _linux_cameras(folder: Path) -> list[Device]:
    found: list[Device] = []
    for entry in sorted(folder.glob("video*"), key=lambda p: int(p.name[5:])):
        # A camera has several nodes; the one with index 0 delivers the pictures.
        index = entry / "index"
        if index.exists() and index.read_text().strip() != "0":
            continue
        number = int(entry.name[5:])
        found.append(Device(number, (entry / "name").read_text().strip(), not found))
    return found
