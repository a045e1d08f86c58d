"""Reading media files: times, order, damage."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from live.capture.media import media_time, probe, read_media
from live.errors import MediaError
from live.frames import AudioChunk, VideoFrame
from tests.conftest import MakeMedia


def sound(items: list[AudioChunk | VideoFrame]) -> np.ndarray:
    return np.concatenate([i.samples for i in items if isinstance(i, AudioChunk)])


def test_times_and_order(make_media: MakeMedia) -> None:
    items = list(read_media(make_media()))
    times = [media_time(i) for i in items]
    assert times == sorted(times)
    pictures = [i for i in items if isinstance(i, VideoFrame)]
    assert [p.pts for p in pictures] == pytest.approx([i / 25 for i in range(25)], abs=1e-3)
    assert pictures[20].image.shape == (48, 64, 3)
    assert pictures[20].image.mean() == pytest.approx(56, abs=3)
    chunks = [i for i in items if isinstance(i, AudioChunk)]
    assert all(len(c.samples) == 480 for c in chunks)
    assert [c.pts for c in chunks] == pytest.approx([i / 100 for i in range(len(chunks))])


def test_sound_keeps_its_time(make_media: MakeMedia) -> None:
    heard = sound(list(read_media(make_media(), video=False)))
    loud = np.flatnonzero(np.abs(heard.astype(int)) > 8000)
    assert loud[0] / 48_000 == pytest.approx(0.5, abs=0.003)


def test_wav_of_another_rate(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    tone = (10_000 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.repeat(tone[:, None], 2, axis=1).tobytes())
    info = probe(path)
    assert info.has_audio and not info.has_video
    assert info.duration == pytest.approx(1.0, abs=0.01)
    heard = sound(list(read_media(path)))
    assert abs(len(heard) - 48_000) <= 480
    spectrum = np.abs(np.fft.rfft(heard[:48_000]))
    assert int(spectrum.argmax()) == pytest.approx(440, abs=2)


def test_silent_video_and_soundless_request(make_media: MakeMedia) -> None:
    path = make_media(sound=False)
    assert all(isinstance(i, VideoFrame) for i in read_media(path))
    with pytest.raises(MediaError, match="holds no sound"):
        read_media(path, video=False)


@pytest.mark.parametrize("content", [b"", b"this is not a film" * 100])
def test_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"cannot be read|neither sound nor"):
        read_media(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="There is no file"):
        read_media(tmp_path / "nothing.wav")


def test_picture_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n" * 50)
    with pytest.raises(MediaError):
        read_media(path)


def test_cut_off_wav_plays_to_the_cut(tmp_path: Path, spoken_wav: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(spoken_wav.read_bytes()[:40_001])
    heard = sound(list(read_media(path)))
    assert len(heard) / 48_000 == pytest.approx((40_001 - 44) / 2 / 22_050, abs=0.05)


def test_cut_off_film_plays_to_the_cut(tmp_path: Path, make_media: MakeMedia) -> None:
    whole = make_media("whole.mkv", seconds=4.0)
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    pictures = [i for i in read_media(path, audio=False, on_damage=lambda _: None) if isinstance(i, VideoFrame)]
    assert 5 < len(pictures) < 100


def test_damage_is_told_once(tmp_path: Path, make_media: MakeMedia) -> None:
    """An mp4 with garbage among its data: what is there plays, and one sentence explains."""
    whole = make_media("whole.mp4", seconds=4.0)
    content = bytearray(whole.read_bytes())
    start = content.index(b"mdat") + 2000
    length = (content.index(b"moov") - start) // 2
    content[start : start + length] = b"\xff" * length
    path = tmp_path / "damaged.mp4"
    path.write_bytes(bytes(content))
    told: list[str] = []
    items = list(read_media(path, on_damage=told.append))
    assert sum(isinstance(i, VideoFrame) for i in items) > 10
    assert len(told) == 1
    assert "damaged.mp4 is damaged" in told[0]
