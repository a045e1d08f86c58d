"""Microphone and webcam: media time, missing and vanishing devices."""

from __future__ import annotations

import itertools
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from live.capture import devices, webcam
from live.capture.combined import CombinedSource
from live.capture.microphone import ChunkMaker, Microphone, _explain, portaudio
from live.capture.retry import FIRST_PAUSE, LONGEST_PAUSE, keep_open
from live.capture.webcam import Webcam
from live.errors import DeviceError
from live.frames import AudioChunk, VideoFrame

MS = 1_000_000


def test_chunks_count_samples() -> None:
    chunks: list[AudioChunk] = []
    maker = ChunkMaker(48_000, 0, chunks.append)
    for i in range(100):
        # Blocks of 7 ms that arrive with up to 3 ms of jitter.
        maker.feed(np.full(336, i, np.int16), (i + 1) * 7 * MS + (i % 4) * MS)
    assert [len(c.samples) for c in chunks] == [480] * 70
    steps = np.diff([c.pts for c in chunks])
    assert steps == pytest.approx(np.full(69, 0.01), abs=1e-9), "media time advances with the samples, not with jitter"
    assert chunks[0].pts == pytest.approx(0.0, abs=0.011)


def test_other_rate_is_resampled() -> None:
    chunks: list[AudioChunk] = []
    maker = ChunkMaker(44_100, 0, chunks.append)
    time = np.arange(44_100) / 44_100
    tone = (12_000 * np.sin(2 * np.pi * 1000 * time)).astype(np.int16)
    for i in range(100):
        maker.feed(tone[i * 441 : (i + 1) * 441], (i + 1) * 10 * MS)
    heard = np.concatenate([c.samples for c in chunks])
    assert len(heard) == pytest.approx(48_000, abs=960)
    spectrum = np.abs(np.fft.rfft(heard[4800:28_800] * np.hanning(24_000)))
    assert spectrum.argmax() * 2 == pytest.approx(1000, abs=2)
    away = np.delete(spectrum, np.arange(490, 511)).max()
    assert away < spectrum.max() / 300, "pieces join without clicks"


def test_a_device_that_lost_a_second_catches_up() -> None:
    chunks: list[AudioChunk] = []
    maker = ChunkMaker(48_000, 0, chunks.append)
    maker.feed(np.zeros(480, np.int16), 10 * MS)
    maker.feed(np.zeros(480, np.int16), 1020 * MS)
    assert chunks[1].pts == pytest.approx(1.01)


def test_portaudio_missing_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError) as caught:
        portaudio()
    assert "libportaudio2" in caught.value.hint and "brew install portaudio" in caught.value.hint
    with pytest.raises(DeviceError):
        Microphone().start(lambda chunk: None, None, lambda text: None)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("Error querying device -1", "not found"),
        ("Device unavailable [PaErrorCode -9985]", "used by another program"),
        ("Unanticipated host error", "cannot be opened"),
    ],
)
def test_microphone_errors_are_sentences(error: str, expected: str) -> None:
    assert expected in str(_explain(RuntimeError(error), None))


class FakePortAudio(types.SimpleNamespace):
    """Stands for the sound system: a microphone that is absent, then delivers, then falls silent, then is back."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        super().__init__()
        self.opened = 0
        self.attempts = 0
        self._initialized = 1
        self.refusals = 0

    def _initialize(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise self.PortAudioError("Error initializing PortAudio")
        self._initialized += 1

    def _terminate(self) -> None:
        if not self._initialized:
            raise self.PortAudioError("PortAudio not initialized")
        self._initialized -= 1

    def query_devices(self, device: int | str | None = None, kind: str | None = None) -> dict[str, float]:
        self.attempts += 1
        if self.attempts == 1:
            raise self.PortAudioError("Error querying device -1")
        return {"default_samplerate": 44_100.0}

    def check_input_settings(self, **settings: object) -> None: ...

    def InputStream(self, callback, **settings):  # type: ignore[no-untyped-def]
        self.opened += 1
        stamp = types.SimpleNamespace(currentTime=1.0, inputBufferAdcTime=0.99)

        class Stream:
            def __enter__(stream) -> None:
                callback(np.full((480, 1), self.opened, np.int16), 480, stamp, None)

            def __exit__(stream, *ignored: object) -> None: ...

        return Stream()


def test_microphone_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr("live.capture.microphone.SILENT", 0.05)
    monkeypatch.setattr("live.capture.retry.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("live.capture.retry.LONGEST_PAUSE", 0.01)
    chunks: list[AudioChunk] = []
    messages: list[str] = []
    twice = threading.Event()

    def on_audio(chunk: AudioChunk) -> None:
        chunks.append(chunk)
        if chunk.samples[0] == 2:
            twice.set()

    microphone = Microphone()
    microphone.start(on_audio, None, messages.append)
    assert twice.wait(10)
    microphone.stop()
    assert "not found" in messages[0]
    assert messages[1] == "The microphone is back."
    assert "stopped delivering" in messages[2]
    assert chunks[1].pts > chunks[0].pts


def test_microphone_recovers_when_the_sound_system_could_not_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakePortAudio()
    fake.refusals = 2
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr("live.capture.retry.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("live.capture.retry.LONGEST_PAUSE", 0.01)
    heard = threading.Event()
    messages: list[str] = []
    microphone = Microphone()
    microphone.start(lambda chunk: heard.set(), None, messages.append)
    assert heard.wait(10), messages
    microphone.stop()
    microphone.stop()
    assert not any(thread.name == "live-device" for thread in threading.enumerate())
    assert fake._initialized == 1


def test_retry_backs_off_and_says_each_thing_once() -> None:
    stop = threading.Event()
    pauses: list[float] = []
    messages: list[str] = []
    runs = 0

    def run(works: object) -> None:
        nonlocal runs
        runs += 1
        if runs == 8:
            assert callable(works)
            works()
        if runs == 10:
            stop.set()
        raise DeviceError("The camera is away.")

    keep_open(run, stop, messages.append, "The camera", pauses.append)
    assert pauses[:6] == [FIRST_PAUSE, 1.0, 2.0, 4.0, LONGEST_PAUSE, LONGEST_PAUSE]
    assert pauses[7] == FIRST_PAUSE, "a device that worked is tried again soon"
    assert messages == ["The camera is away.", "The camera is back.", "The camera is away."]


def test_retry_survives_whatever_a_library_raises() -> None:
    stop = threading.Event()
    messages: list[str] = []
    failures = iter([TypeError("no such property"), KeyError("rate")])

    def run(works: object) -> None:
        error = next(failures, None)
        if error is None:
            stop.set()
            return
        raise error

    keep_open(run, stop, messages.append, "The camera", lambda seconds: None)
    assert messages[0] == "The camera failed (no such property); it will be tried again."
    assert len(messages) == 2


class FakeCamera:
    """Delivers `pictures` pictures, then fails like an unplugged camera."""

    def __init__(self, pictures: int) -> None:
        self.left = pictures
        self.released = False

    def isOpened(self) -> bool:
        return self.left > 0

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, NDArray[np.uint8]]:
        image = np.zeros((4, 6, 3), np.uint8)
        image[..., 0] = 200  # blue, OpenCV's first channel
        return True, image

    def release(self) -> None:
        self.released = True


def test_webcam_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.capture.retry.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("live.capture.retry.LONGEST_PAUSE", 0.01)
    cameras = [FakeCamera(0), FakeCamera(2), FakeCamera(10_000)]
    opened: list[FakeCamera] = []

    def open_camera(device: int | str, size: tuple[int, int], fps: float) -> FakeCamera:
        opened.append(cameras[min(len(opened), 2)])
        return opened[-1]

    frames: list[VideoFrame] = []
    messages: list[str] = []
    enough = threading.Event()

    def on_video(frame: VideoFrame) -> None:
        frames.append(frame)
        if len(frames) == 5:
            enough.set()

    camera = Webcam(77, open_camera=open_camera)
    camera.start(None, on_video, messages.append)
    assert enough.wait(10)
    camera.stop()
    assert "camera 77" in messages[0]
    assert messages[1] == "The camera is back."
    assert "stopped delivering" in messages[2]
    assert messages[3] == "The camera is back."
    assert all(c.released for c in opened)
    assert frames[0].image[0, 0].tolist() == [0, 0, 200], "pictures are RGB"
    assert all(b.pts > a.pts for a, b in itertools.pairwise(frames))
    assert frames[0].trace.stages[0][0] == "capture"


def test_a_camera_that_is_not_there_is_a_sentence() -> None:
    messages: list[str] = []
    said = threading.Event()

    def on_state(text: str) -> None:
        messages.append(text)
        said.set()

    camera = Webcam(63)
    camera.start(None, lambda frame: None, on_state)
    assert said.wait(20)
    camera.stop()
    assert "camera 63" in messages[0]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's list")
def test_linux_camera_list(tmp_path: Path) -> None:
    for number, name, index in ((0, "Webcam C920", 0), (1, "Webcam C920", 1), (10, "Loopback", 0)):
        folder = tmp_path / f"video{number}"
        folder.mkdir()
        (folder / "name").write_text(name + "\n")
        (folder / "index").write_text(f"{index}\n")
    found = devices._linux_cameras(tmp_path)
    assert [(d.id, d.name, d.default) for d in found] == [(0, "Webcam C920", True), (10, "Loopback", False)]


def test_permission_and_busy_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "video0"
    node.write_text("")
    monkeypatch.setattr(webcam.sys, "platform", "linux")
    assert "another program" in str(webcam._explain(str(node)))
    monkeypatch.setattr(webcam.os, "access", lambda path, mode: False)
    assert "usermod -aG video" in str(webcam._explain(str(node)))


def test_combined_source_splits_and_cleans_up() -> None:
    calls: list[str] = []

    class Part:
        def __init__(self, name: str, fail: bool = False) -> None:
            self.name, self.fail = name, fail

        def start(self, on_audio: object, on_video: object, on_state: object) -> None:
            calls.append(f"{self.name} sound={on_audio is not None} pictures={on_video is not None}")
            if self.fail:
                raise DeviceError("no")

        def stop(self) -> None:
            calls.append(f"{self.name} stop")

    source = CombinedSource(Part("camera", fail=True), Part("microphone"))
    with pytest.raises(DeviceError):
        source.start(lambda c: None, lambda f: None, lambda t: None)
    assert calls == ["microphone sound=True pictures=False", "camera sound=False pictures=True", "microphone stop"]
