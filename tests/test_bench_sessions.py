"""How sessions are counted, and that the benchmarks' own code runs where there is no GPU."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from live.bench.sessions import WARM_UP, Outcome, carry, most_sessions
from live.errors import LiveError
from live.render.kernels.source import unit_source


def outcome(count: int, held: bool) -> Outcome:
    return Outcome(count, 100, 0.0, 5.0, 10.0, 12.0, 25.0 * count, held)


class TestMostSessions:
    def test_the_largest_that_held(self) -> None:
        steps = list(most_sessions(lambda n: outcome(n, n <= 8), [4, 8, 16, 32]))
        assert [best for best, _ in steps] == [4, 8, 8, 8]
        assert [o.sessions for _, o in steps] == [4, 8, 16, 12], "then the middle, and no more"

    def test_the_middle_may_hold(self) -> None:
        assert [best for best, _ in most_sessions(lambda n: outcome(n, n <= 13), [8, 16])] == [8, 8, 12]

    def test_none_held(self) -> None:
        assert [best for best, _ in most_sessions(lambda n: outcome(n, False), [1, 2])] == [0]

    def test_all_held(self) -> None:
        assert [best for best, _ in most_sessions(lambda n: outcome(n, True), [1, 2, 4])] == [1, 2, 4]


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
    done = subprocess.run(
        [*command, "--parts", "live,frames,kernels", "--batches", "1", "--apart"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads((tmp_path / "dry-run-render.json").read_text())
    assert data["machine"]["dry"] is True
    assert not data["errors"]
    names = {row["name"] for row in data["kernels"]}
    face = "".join(unit_source(unit) for unit in ("pose", "openings", "motion_prior", "face_layers"))
    for kernel in re.findall(r'extern "C" __global__ void (\w+)', face):
        assert f"frame: {kernel}" in names, "every kernel of the face is timed"
    assert len([name for name in names if not name.startswith("frame:")]) == 8
    assert all(row["ms"] > 0 and row["fewest_bytes"] > 0 for row in data["kernels"])
    assert "these times mean nothing" in (tmp_path / "dry-run-render.md").read_text()
    assert len(data["networks"]) == 3, "the network alone, whole frames with it, and by geometry"
    for rows in data["networks"].values():
        assert [row["batch"] for row in rows] == [1]


def test_a_part_that_fails_leaves_the_others_figures(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "live.bench.render_cuda", "--device", "cpu", "--out", str(tmp_path)]
    done = subprocess.run(
        [*command, "--parts", "nonsense,published", "--batches", "1", "--apart"], capture_output=True, text=True
    )
    assert done.returncode == 1
    data = json.loads((tmp_path / "dry-run-render.json").read_text())
    assert [item["part"] for item in data["errors"]] == ["nonsense"]
    assert [len(rows) for rows in data["networks"].values()] == [1]
    assert "nonsense: KeyError" in (tmp_path / "dry-run-render.md").read_text()


@pytest.mark.parametrize("program", ["network", "geometry"])
def test_sessions_on_a_card_run_dry(tmp_path: Path, program: str) -> None:
    pytest.importorskip("torch")
    from live.render.kernels.host import host_compiler

    if host_compiler() is None:
        pytest.skip("no C++ compiler (install g++)")
    command = [sys.executable, "-m", "live.bench.sessions", "--dry", "--seconds", "0.4", "--counts", "1"]
    done = subprocess.run([*command, "--program", program, "--out", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = tmp_path.glob("*.json")
    data = json.loads(report.read_text())
    assert data["dry"] is True
    assert [outcome["sessions"] for outcome in data["outcomes"]] == [1]
    assert data["outcomes"][0]["frames"] > 0
    assert data["outcomes"][0]["card"]["mean_batch"] >= 1


BARE = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    names = {"mediapipe", "aiortc", "aiohttp", "av", "openvino", "platformdirs", "pyvirtualcam", "sounddevice",
             "webrtcvad", "cupy"}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
import live.bench.frame_cases, live.bench.kernel_cases, live.bench.network_cases, live.bench.render_cuda
import live.bench.sessions, live.render.cuda.card, live.render.cuda.renderer, live.render.kernels.gpu
import tests.test_batcher, tests.test_cuda_engine, tests.test_cuda_live, tests.test_cuda_renderer
import tests.test_device_face, tests.test_kernel_meshes, tests.test_kernel_tables
live.bench.network_cases.sample_geometric(64)
"""


def test_the_gpu_path_needs_neither_tracker_nor_transport() -> None:
    """`benchmarks/gpu.sh` must run on a bare machine with torch, CuPy, NumPy, SciPy, OpenCV and Numba."""
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
