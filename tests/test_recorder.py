"""Recording: pictures, sound and time survive, gaps are filled, a killed program leaves a film that plays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import av
import numpy as np
import pytest

from live.capture.media import probe, read_media
from live.errors import MediaError
from live.frames import AudioChunk, MotionFrame, RenderedFrame, VideoFrame
from live.transport.recorder import Recorder

ROOT = Path(__file__).parent.parent


def frame(value: int | tuple[int, int, int], pts: float, size: tuple[int, int] = (64, 48)) -> RenderedFrame:
    image = np.empty((size[1], size[0], 3), np.uint8)
    image[:] = value
    return RenderedFrame(image, pts, MotionFrame.neutral(pts))


def silence(pts: float, samples: int = 480) -> AudioChunk:
    return AudioChunk(np.zeros(samples, np.int16), pts, 0)


def record(path: Path, seconds: float, start: float = 0.0, event: float = 0.6) -> None:
    """A film with a flash and a click at `event`."""
    recorder = Recorder(path, blocking=True)
    for i in range(round(seconds * 100)):
        time = i / 100
        if i % 4 == 0:
            recorder.push_video(frame(255 if time >= event - 1e-6 else 0, start + time))
        samples = np.zeros(480, np.int16)
        if i == round(event * 100):
            samples[:] = 20_000 * np.sin(np.arange(480) / 4)
        recorder.push_audio(AudioChunk(samples, start + time, 0))
    recorder.close()


def flash_and_click(path: Path) -> tuple[float, float]:
    flash = click = -1.0
    for item in read_media(path):
        if isinstance(item, VideoFrame):
            if flash < 0 and item.image.mean() > 128:
                flash = item.pts
        elif click < 0 and (loud := np.flatnonzero(np.abs(item.samples.astype(int)) > 6000)).size:
            click = item.pts + loud[0] / 48_000
    return flash, click


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.mov"])
@pytest.mark.parametrize("start", [0.0, 1234.5])
def test_sound_and_picture_stay_together(tmp_path: Path, name: str, start: float) -> None:
    path = tmp_path / name
    record(path, 1.2, start)
    flash, click = flash_and_click(path)
    assert flash == pytest.approx(0.6, abs=0.002)
    assert click == pytest.approx(0.6, abs=0.004)
    info = probe(path)
    assert info.has_audio and info.has_video
    assert info.duration == pytest.approx(1.2, abs=0.1)


def test_colours_survive(tmp_path: Path) -> None:
    path = tmp_path / "colour.mp4"
    recorder = Recorder(path, sound=False, blocking=True, quality=10)
    color = (180, 90, 60)
    for i in range(5):
        recorder.push_video(frame(color, i / 25))
    recorder.close()
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.colorspace == 1, "the file says that it is BT.709"
    pictures = [i for i in read_media(path) if isinstance(i, VideoFrame)]
    assert len(pictures) == 5
    assert pictures[2].image.reshape(-1, 3).mean(0) == pytest.approx(color, abs=4)


def test_uneven_frame_times_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "uneven.mp4"
    times = [0.0, 0.033, 0.1, 0.14, 0.3, 0.31]
    recorder = Recorder(path, sound=False, blocking=True)
    for time in [*times, 0.2]:  # the last one comes too late and is left out
        recorder.push_video(frame(100, 7.0 + time))
    recorder.close()
    assert [i.pts for i in read_media(path) if isinstance(i, VideoFrame)] == pytest.approx(times, abs=1e-3)


def test_lost_sound_becomes_silence(tmp_path: Path) -> None:
    """The microphone is unplugged from 0.5 s to 2.5 s: what is said afterwards is still in sync."""
    path = tmp_path / "gap.mp4"
    recorder = Recorder(path, blocking=True)
    for i in range(350):
        if i % 4 == 0:
            recorder.push_video(frame(255 if i >= 300 else 0, i / 100))
        if i < 50 or i >= 250:
            chunk = silence(i / 100)
            if i == 300:
                chunk.samples[:] = 20_000 * np.sin(np.arange(480) / 4)
            recorder.push_audio(chunk)
    recorder.close()
    flash, click = flash_and_click(path)
    assert flash == pytest.approx(3.0, abs=0.002)
    assert click == pytest.approx(3.0, abs=0.004)


def test_no_sound_at_all_still_makes_a_film(tmp_path: Path) -> None:
    path = tmp_path / "mute.mp4"
    recorder = Recorder(path, blocking=True)
    for i in range(60):
        recorder.push_video(frame(i, i / 25))
    recorder.close()
    heard = [i for i in read_media(path, video=False) if isinstance(i, AudioChunk)]
    assert len(heard) / 100 == pytest.approx(2.4, abs=0.1)
    assert all(not chunk.samples.any() for chunk in heard)


def test_size_changes_and_odd_sizes(tmp_path: Path) -> None:
    path = tmp_path / "sizes.mp4"
    recorder = Recorder(path, sound=False, blocking=True)
    recorder.push_video(frame(50, 0.0, (65, 49)))
    recorder.push_video(frame(50, 0.1, (128, 96)))
    recorder.close()
    assert [i.image.shape for i in read_media(path) if isinstance(i, VideoFrame)] == [(48, 64, 3)] * 2


def test_a_slow_encoder_drops_and_counts(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "busy.mp4", sound=False)
    picture = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    for i in range(200):
        recorder.push_video(RenderedFrame(picture, i / 25, MotionFrame.neutral()))
    recorder.close()
    assert recorder.dropped > 0
    assert recorder.frames + recorder.dropped == 200


@pytest.mark.skipif(sys.platform == "win32", reason="kills with a signal")
def test_a_killed_program_leaves_a_film_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "killed.mp4"
    code = """
        import sys, time
        from tests.test_recorder import frame, silence
        from live.transport.recorder import Recorder
        recorder = Recorder(sys.argv[1], blocking=True)
        for i in range(400):
            if i % 4 == 0:
                recorder.push_video(frame(i // 2, i / 100))
            recorder.push_audio(silence(i / 100))
        while recorder._waiting.qsize():
            time.sleep(0.01)
        print("written", flush=True)
        time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "written"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    pictures = [i for i in read_media(path) if isinstance(i, VideoFrame)]
    assert len(pictures) >= 50, "at most the last fragments are lost"
    assert pictures[40].image.mean() == pytest.approx(80, abs=4)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is not a film"):
        Recorder(tmp_path / "film.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaError, match="cannot be written"):
        Recorder(tmp_path / "file" / "film.mp4")


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    path = tmp_path / "full.mp4"
    path.symlink_to("/dev/full")
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8)

    def record_much() -> None:
        recorder = Recorder(path, sound=False, blocking=True)
        for i in range(100):
            recorder.push_video(RenderedFrame(noise, i / 25, MotionFrame.neutral()))
        recorder.close()

    with pytest.raises(MediaError, match=r"failed|cannot be written"):
        record_much()
