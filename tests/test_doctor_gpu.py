"""What `live doctor` says of a GPU, with a driver's tool that stands for one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from live.diagnosis.finding import Finding
from live.diagnosis.gpu import examine_gpu

SMI = """#!/bin/sh
case "$*" in
    *query*) {query} ;;
    *) echo "| NVIDIA-SMI 580.1   Driver Version: 580.1   CUDA Version: {cuda} |" ;;
esac
"""


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cuda: str, query: str = "echo 'Card, 80 GiB, 580.1'"
) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(SMI.format(cuda=cuda, query=query))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def packages(monkeypatch: pytest.MonkeyPatch, torch_cuda: str | None, cupy_cuda: int, *, usable: bool) -> None:
    runtime = SimpleNamespace(runtimeGetVersion=lambda: cupy_cuda * 1000, getDeviceCount=lambda: 1)
    torch = SimpleNamespace(
        __version__="2.11", __spec__=object(), version=SimpleNamespace(cuda=torch_cuda),
        cuda=SimpleNamespace(is_available=lambda: usable),
    )  # fmt: skip
    cupy = SimpleNamespace(__version__="14.0", __spec__=object(), cuda=SimpleNamespace(runtime=runtime))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "cupy", cupy)


def found() -> dict[str, Finding]:
    return {finding.topic: finding for finding in examine_gpu()}


def test_no_driver_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = examine_gpu()
    assert finding.state == "note"
    assert "enough for one avatar" in finding.detail


def test_a_driver_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "13.0", query="echo 'Driver/library version mismatch'; exit 18")
    (finding,) = examine_gpu()
    assert finding.detail == "Driver/library version mismatch"
    assert "driver" in finding.remedy


def test_an_old_driver_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "12.4")
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    findings = found()
    assert "CUDA 12.4" in findings["cuda"].detail
    assert "cupy-cuda12x" in findings["cuda"].remedy
    assert "live-avatar[gpu]" in findings["gpu extra"].remedy


def test_packages_of_different_cuda_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "13.0")
    packages(monkeypatch, "13.0", 12, usable=False)
    findings = found()
    assert "cuda" not in findings
    assert findings["torch"].state == "note"
    assert findings["cupy"].remedy == "pip uninstall cupy-cuda12x && pip install cupy-cuda13x"


def test_a_card_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "13.0")
    packages(monkeypatch, "13.0", 13, usable=True)
    monkeypatch.setitem(sys.modules, "live.render.cuda.device", SimpleNamespace(cuda_obstacle=lambda: None))
    assert {topic: finding.state for topic, finding in found().items()} == {
        "gpu": "ok", "torch": "ok", "cupy": "ok", "gpu renderer": "ok",
    }  # fmt: skip
