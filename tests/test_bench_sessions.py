"""How sessions are counted, and that the benchmarks' own code runs where there is no GPU."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from live.bench.sessions import WARM_UP, Outcome, carry, most_sessions
from live.errors import LiveError


def outcome(count: int, held: bool) -> Outcome:
    return Outcome(count, 100, 0.0, 5.0, 10.0, 12.0, 25.0 * count, held)


class TestMostSessions:
    def test_the_largest_that_held(self) -> None:
        best, outcomes = most_sessions(lambda n: outcome(n, n <= 8), [4, 8, 16, 32])
        assert best == 8
        assert [o.sessions for o in outcomes] == [4, 8, 16, 12], "then the middle, and no more"

    def test_the_middle_may_hold(self) -> None:
        assert most_sessions(lambda n: outcome(n, n <= 13), [8, 16])[0] == 12

    def test_none_held(self) -> None:
        assert most_sessions(lambda n: outcome(n, False), [1, 2])[0] == 0

    def test_all_held(self) -> None:
        assert most_sessions(lambda n: outcome(n, True), [1, 2, 4])[0] == 4


class TestCarry:
    def test_every_session_draws_its_frames_in_order(self) -> None:
        seen: list[list[int]] = [[], []]
        result = carry([seen[0].append, seen[1].append], 0.5)
        assert result.sessions == 2
        assert result.frames > 0
        for frames in seen:
            assert frames == sorted(frames)
            assert frames[-1] >= WARM_UP

    def test_latency_counts_from_when_the_frame_was_due(self) -> None:
        result = carry([lambda _: time.sleep(0.02)], 0.5)
        assert result.p50_ms >= 20

    def test_a_renderer_that_is_too_slow_skips_and_does_not_hold(self) -> None:
        result = carry([lambda _: time.sleep(0.1)], 1.0)
        assert result.skipped > 0.2
        assert not result.held

    def test_a_failing_session_is_an_error_not_a_figure(self) -> None:
        def fail(_: int) -> None:
            raise ValueError("broken")

        with pytest.raises(LiveError, match="broken"):
            carry([fail], 0.3)


def test_the_gpu_benchmark_runs_dry(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from live.render.kernels.host import host_compiler

    if host_compiler() is None:
        pytest.skip("no C++ compiler (install g++)")
    command = [sys.executable, "-m", "live.bench.render_cuda", "--device", "cpu", "--out", str(tmp_path)]
    done = subprocess.run([*command, "--parts", "kernels,live", "--batches", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads((tmp_path / "dry-run-render.json").read_text())
    assert data["machine"]["dry"] is True
    assert not data["errors"]
    assert len(data["kernels"]) == 8
    assert all(row["ms"] > 0 and row["fewest_bytes"] > 0 for row in data["kernels"])
    assert "these times mean nothing" in (tmp_path / "dry-run-render.md").read_text()
    (rows,) = data["networks"].values()
    assert [row["batch"] for row in rows] == [1]


BARE = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    names = {"mediapipe", "aiortc", "aiohttp", "av", "openvino", "platformdirs", "pyvirtualcam", "sounddevice",
             "webrtcvad", "cupy"}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
import live.bench.kernel_cases, live.bench.network_cases, live.bench.render_cuda, live.bench.sessions
import live.render.cuda.card, live.render.kernels.gpu
import tests.test_batcher, tests.test_cuda_engine, tests.test_cuda_live, tests.test_kernel_meshes
"""


def test_the_gpu_path_needs_neither_tracker_nor_transport() -> None:
    """`benchmarks/gpu.sh` must run on a bare machine with torch, CuPy, NumPy, SciPy, OpenCV and Numba."""
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
