"""The command line: help that teaches, errors as one sentence, exit codes, speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from live.cli.main import COMMANDS, main
from live.diagnosis.finding import Finding
from live.diagnosis.machine import examine


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    for name, summary in COMMANDS.items():
        assert name in shown
        assert summary.split()[0] in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_each_help_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert f"live {command}" in shown


def test_help_imports_nothing_heavy() -> None:
    """What makes a start slow is not loaded to print a page of text."""
    code = (
        "import sys; from live.cli.main import main; main([]);"
        "heavy = {'numpy', 'av', 'cv2', 'torch', 'mediapipe', 'numba', 'scipy', 'aiohttp', 'openvino'};"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "loaded: []" in done.stdout


def test_errors_are_one_sentence_on_stderr(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code = main(["render", "--drive", str(tmp_path / "none.wav"), "-o", str(tmp_path / "out.mp4")])
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.strip().startswith("live: There is no file")
    assert len(captured.err.strip().splitlines()) == 1


@pytest.mark.parametrize("place", ["before", "after"])
def test_verbose_shows_where(place: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["render", "--drive", str(tmp_path / "none.wav"), "-o", str(tmp_path / "out.mp4")]
    assert main(["--verbose", *words] if place == "before" else [*words, "--verbose"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["render"],
        ["render", "--drive", "a.wav", "-o", "b.mp4", "--size", "255"],
        ["render", "--drive", "a.wav", "-o", "b.mp4", "--quality", "60"],
        ["run", "--fps", "0"],
        ["serve", "--port", "70000"],
        ["serve", "--fps", "0"],
        ["serve", "--size", "33"],
        ["serve", "--max-viewers", "0"],
        ["serve", "--bitrate", "-1"],
        ["bench", "nothing"],
    ],
)
def test_wrong_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_models_list(live_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    shown = capsys.readouterr().out
    assert "missing" in shown
    assert str(live_home / "models" / "face_landmarker.task") in shown


def test_serve_hands_on_its_options(live_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from live.studio import MAX_AVATAR_BYTES, MAX_AVATARS, LocalStudio
    from live.transport.config import ServerConfig

    served: list[ServerConfig] = []
    studios: list[LocalStudio] = []

    async def serve(config: ServerConfig, studio: LocalStudio, on_ready: object) -> None:
        served.append(config)
        studios.append(studio)

    monkeypatch.setattr("live.transport.server.serve", serve)
    words = [
        "--port",
        "0",
        "--size",
        "256",
        "--fps",
        "50",
        "--max-viewers",
        "3",
        "--max-sessions",
        "2",
        "--bitrate",
        "900",
        "--max-avatars",
        "7",
        "--max-avatar-space",
        "30",
    ]
    assert main(["serve", *words, "--stock-receive", "--ice", "turn:t.example.org:3478,user,pass,word"]) == 0
    (config,) = served
    assert (config.port, config.fps, config.max_viewers, config.max_sessions) == (0, 50.0, 3, 2)
    assert (studios[0]._max_avatars, studios[0]._max_avatar_bytes) == (7, 30_000_000)
    assert config.bitrate == 900_000 and config.stock_receive
    assert config.ice_servers[0].credential == "pass,word"
    assert main(["serve"]) == 0
    assert (studios[1]._max_avatars, studios[1]._max_avatar_bytes) == (MAX_AVATARS, MAX_AVATAR_BYTES)
    assert main(["serve", "--ice", "http://t.example.org"]) == 2


def test_half_a_certificate_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--tls-key", "key.pem"]) == 2
    assert "both a certificate and a key" in capsys.readouterr().err


def test_doctor_findings_have_remedies(live_home: Path) -> None:
    found = list(examine(port=0))
    topics = {finding.topic for finding in found}
    assert {"python", "numpy", "mediapipe", "face_landmarker.task", "data folder"} <= topics
    for finding in found:
        if finding.state == "problem":
            assert finding.remedy
    model = next(f for f in found if f.topic == "face_landmarker.task")
    assert model.state == "problem" and "live models fetch" in model.remedy


def test_doctor_as_json_and_exit_code(
    live_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["doctor", "--json"]) == 1, "the model is missing in an empty data folder"
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert all(set(f) == {"topic", "state", "detail", "remedy"} for f in report["findings"])
    monkeypatch.setattr("live.diagnosis.machine.examine", lambda port: iter([Finding("python", "ok", "fine")]))
    assert main(["doctor"]) == 0
    assert "Ready" in capsys.readouterr().out


def test_doctor_names_a_busy_port() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finding = next(f for f in examine(port) if f.topic == f"port {port}")
    assert finding.state == "note"
    assert f"--port {port + 1}" in finding.remedy


def test_doctor_survives_a_broken_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiortc", None)
    finding = next(f for f in examine() if f.topic == "aiortc")
    assert finding.state == "problem"
    assert "pip install" in finding.remedy


def test_a_measurement_that_is_missing_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "live.bench.sessions", None)
    assert main(["bench", "sessions"]) == 2
    assert "measurement 'sessions'" in capsys.readouterr().err
