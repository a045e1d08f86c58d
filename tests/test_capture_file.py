"""A file as a source: real-time order, loops, end, damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from live.capture.file import FileSource
from live.errors import MediaError
from live.frames import AudioChunk, VideoFrame
from tests.conftest import MakeMedia


class Received:
    """Everything a source delivers."""

    def __init__(self) -> None:
        self.sound: list[AudioChunk] = []
        self.pictures: list[VideoFrame] = []
        self.messages: list[str] = []


def play(source: FileSource, stop_after: int | None = None) -> Received:
    received = Received()

    def on_video(frame: VideoFrame) -> None:
        received.pictures.append(frame)
        if stop_after is not None and len(received.pictures) == stop_after:
            source._stop.set()

    source.start(received.sound.append, on_video, received.messages.append)
    assert source.finished.wait(20)
    source.stop()
    return received


def test_plays_to_the_end(make_media: MakeMedia) -> None:
    due: list[int] = []
    source = FileSource(make_media(), sleep_until=due.append)
    received = play(source)
    assert due == sorted(due)
    assert len(received.pictures) + source.dropped == 25
    assert len(received.sound) >= 99
    assert received.messages == ["clip.mp4 has ended."]
    # The instant of capture is the instant at which the item was due, on the media clock.
    first, last = received.sound[0], received.sound[-1]
    assert (last.capture_ns - first.capture_ns) / 1e9 == pytest.approx(last.pts - first.pts, abs=1e-6)


def test_loop_goes_on_in_time(make_media: MakeMedia) -> None:
    received = play(FileSource(make_media(seconds=0.4), loop=True, sleep_until=lambda _: None), stop_after=25)
    times = [p.pts for p in received.pictures]
    assert times == sorted(times)
    assert times[-1] > 0.8
    assert received.messages == []


def test_missing_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="There is no file"):
        FileSource(tmp_path / "none.mp4")


def test_a_file_that_vanishes_ends_with_a_sentence(make_media: MakeMedia) -> None:
    path = make_media()
    source = FileSource(path)
    path.unlink()
    received = play(source)
    assert "There is no file" in received.messages[0]
