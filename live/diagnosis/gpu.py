"""What `live doctor` says of an NVIDIA GPU: driver, packages that fit it, and whether our kernels run."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

from live.diagnosis.finding import Finding

EXTRA_CUDA: Final = 13
"""CUDA of what the `gpu` extra installs."""

INSTALL: Final = "pip install 'live-avatar[gpu]'"
BY_HAND: Final = "Update the driver to 580 or later, or install torch and cupy-cuda12x by hand (docs/GPU.md)."


def examine_gpu() -> Iterator[Finding]:
    """Look at card, driver and packages, in the order in which a person would fix them."""
    if shutil.which("nvidia-smi") is None:
        yield Finding("gpu", "note", "no NVIDIA driver; the processor does the work, which is enough for one avatar")
        return
    names = _smi("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    if names.returncode != 0:
        reason = (names.stdout + names.stderr).strip().partition("\n")[0]
        yield Finding("gpu", "note", reason or "the driver does not answer", "Reinstall the NVIDIA driver.")
        return
    yield Finding("gpu", "ok", "; ".join(names.stdout.strip().splitlines()))
    known = re.search(r"CUDA Version:\s*(\d+)\.(\d+)", _smi().stdout)
    if known and int(known[1]) < EXTRA_CUDA:
        detail = f"the driver knows CUDA {known[1]}.{known[2]}, the gpu extra is for CUDA {EXTRA_CUDA}"
        yield Finding("cuda", "note", detail, BY_HAND)
    missing = [name for name in ("torch", "cupy") if importlib.util.find_spec(name) is None]
    if missing:
        yield Finding("gpu extra", "note", f"no {' and no '.join(missing)}; the GPU is not used", INSTALL)
        return
    yield from _packages()


def _packages() -> Iterator[Finding]:
    torch, cupy = importlib.import_module("torch"), importlib.import_module("cupy")
    usable = bool(torch.cuda.is_available())
    remedy = "" if usable else "Install torch for CUDA: see https://pytorch.org/get-started"
    detail = f"{torch.__version__}, CUDA {torch.version.cuda or 'none'} {'works' if usable else 'does not work'}"
    yield Finding("torch", "ok" if usable else "note", detail, remedy)
    version = int(cupy.cuda.runtime.runtimeGetVersion()) // 1000
    theirs = (torch.version.cuda or "").partition(".")[0]
    if theirs and int(theirs) != version:
        remedy = f"pip uninstall cupy-cuda{version}x && pip install cupy-cuda{theirs}x"
        yield Finding("cupy", "note", f"{cupy.__version__} is for CUDA {version}, torch for CUDA {theirs}", remedy)
    else:
        yield Finding("cupy", "ok", f"{cupy.__version__}, {int(cupy.cuda.runtime.getDeviceCount())} device(s)")
    if usable:
        from live.render.cuda.device import cuda_obstacle

        obstacle = cuda_obstacle()
        yield Finding("gpu renderer", "note" if obstacle else "ok", obstacle or "kernels compiled and loaded")
    if all(_installed(name) for name in ("onnxruntime", "onnxruntime-gpu")):
        remedy = "pip uninstall onnxruntime onnxruntime-gpu && pip install onnxruntime"
        yield Finding("onnxruntime", "note", "two builds of one module are installed", remedy)


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _smi(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["nvidia-smi", *options], capture_output=True, text=True, timeout=20, check=False)
