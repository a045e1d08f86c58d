"""What this machine has and lacks: one finding per thing, each with its remedy."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from live.diagnosis.finding import Finding
from live.errors import LiveError
from live.openvino_core import openvino as load_openvino

REQUIRED: Final[dict[str, str]] = {
    "numpy": "numpy",
    "scipy": "scipy",
    "numba": "numba",
    "cv2": "opencv-contrib-python",
    "PIL": "pillow",
    "mediapipe": "mediapipe",
    "onnxruntime": "onnxruntime",
    "av": "av",
    "aiohttp": "aiohttp",
    "aiortc": "aiortc",
    "safetensors": "safetensors",
}
"""Modules without which the default use fails, and the distributions that carry them."""

HELPFUL_CPU: Final = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Instruction sets that make networks faster, as Linux names them."""


def examine(port: int = 8080) -> Iterator[Finding]:
    """Look at everything, in the order in which a person would fix it. Never raises."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _libraries,
        _codecs,
        _models,
        _processor,
        _inference,
        _gpu,
        _microphone,
        _camera,
        _virtual_camera,
        lambda: _port(port),
        _data_folder,
    )
    for check in checks:
        try:
            yield from check()
        except LiveError as error:
            yield Finding(_topic(check), "note", error.message, error.hint)
        except Exception as error:  # a check that fails is itself a finding; the others still run
            yield Finding(_topic(check), "note", f"could not be checked ({type(error).__name__}: {error})")


def _topic(check: Callable[[], Iterator[Finding]]) -> str:
    return check.__name__.strip("_<>").replace("_", " ")


def _python() -> Iterator[Finding]:
    good = sys.version_info >= (3, 11)
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield Finding("python", "ok" if good else "problem", detail, "" if good else "Install Python 3.11 or newer.")


def _libraries() -> Iterator[Finding]:
    for module, distribution in REQUIRED.items():
        try:
            importlib.import_module(module)
        except Exception as error:  # a broken library may raise anything
            remedy = f"pip install --force-reinstall {distribution}"
            if "libGL" in str(error) or "libEGL" in str(error) or "libGLES" in str(error):
                remedy = "sudo apt install libgl1 libegl1 libgles2"
            yield Finding(distribution, "problem", f"does not work: {error}", remedy)
        else:
            yield Finding(distribution, "ok", _version(distribution))


def _codecs() -> Iterator[Finding]:
    from av.codec import codecs_available

    for name, use in (
        ("libx264", "films, H.264 viewers"),
        ("aac", "films"),
        ("libvpx", "viewers"),
        ("libopus", "sound"),
    ):
        if name in codecs_available:
            yield Finding(f"codec {name}", "ok", use)
        else:
            remedy = "Use the wheel: pip install --force-reinstall --only-binary av av"
            yield Finding(f"codec {name}", "problem", f"missing ({use})", remedy)


def _models() -> Iterator[Finding]:
    from live.models import ALL_MODELS, is_intact

    for model in ALL_MODELS:
        if is_intact(model):
            yield Finding(model.name, "ok", str(model.path))
        else:
            remedy = "live models fetch (needs the internet once)"
            yield Finding(model.name, "problem", "not there yet, or damaged", remedy)


def _processor() -> Iterator[Finding]:
    flags: set[str] = set()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith(("flags", "Features")):
                flags = set(line.split(":", 1)[1].split())
                break
        present = [name for name in HELPFUL_CPU if name in flags]
        yield Finding("processor", "ok", f"{', '.join(present) or 'no AVX2'}: {_precision(flags)}")
    else:
        yield Finding("processor", "ok", platform.processor() or platform.machine())


def _precision(flags: set[str]) -> str:
    return "networks run in bfloat16" if flags & {"avx512_bf16", "amx_bf16"} else "networks run in float32"


def _inference() -> Iterator[Finding]:
    if importlib.util.find_spec("openvino") is None:
        yield Finding("openvino", "note", "not installed; ONNX Runtime is used", "pip install openvino")
    else:
        load_openvino()
        yield Finding("openvino", "ok", _version("openvino"))


def _gpu() -> Iterator[Finding]:
    from live.diagnosis.gpu import examine_gpu

    yield from examine_gpu()


def _microphone() -> Iterator[Finding]:
    from live.capture.devices import list_microphones

    found = list_microphones()  # DeviceError carries the remedy for a missing PortAudio
    if not found:
        remedy = "Plug one in for `live run --source mic`; the page uses the browser's."
        yield Finding("microphone", "note", "none found", remedy)
    for device in found:
        yield Finding("microphone", "ok", f"{device.id}: {device.name}{' (default)' if device.default else ''}")


def _camera() -> Iterator[Finding]:
    from live.capture.devices import list_cameras

    found = list_cameras()
    if not found:
        remedy = "Plug one in for `live run --source webcam`; the page uses the browser's."
        yield Finding("camera", "note", "none found", remedy)
    for device in found:
        path = Path(f"/dev/video{device.id}")
        if sys.platform == "linux" and not os.access(path, os.R_OK | os.W_OK):
            remedy = "sudo usermod -aG video $USER, then log in again"
            yield Finding("camera", "note", f"{device.id}: {device.name} may not be used by this user", remedy)
        else:
            yield Finding("camera", "ok", f"{device.id}: {device.name}{' (default)' if device.default else ''}")


def _virtual_camera() -> Iterator[Finding]:
    from live.transport.virtual_camera import VirtualCamera

    camera = VirtualCamera((64, 64))  # DeviceError carries the remedy
    yield Finding("virtual camera", "ok", camera.device)
    camera.close()


def _port(port: int) -> Iterator[Finding]:
    with socket.socket() as probe:
        # As the server does it: a port that was in use a moment ago counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            remedy = f"Close what uses it, or choose another: live serve --port {port + 1}"
            yield Finding(f"port {port}", "note", f"in use ({error.strerror})", remedy)
        else:
            yield Finding(f"port {port}", "ok", "free")


def _data_folder() -> Iterator[Finding]:
    from live.paths import data_dir

    folder = data_dir()
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    if existing.is_dir() and os.access(existing, os.W_OK):
        yield Finding("data folder", "ok", str(folder))
    else:
        remedy = "Make it writable, or set LIVE_HOME to another folder."
        yield Finding("data folder", "problem", f"{folder} cannot be written", remedy)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "present"
