"""Sound pushed by a program becomes pictures with their sound, in step and without blocking."""

from __future__ import annotations

import numpy as np
import pytest

from live.errors import LiveError
from live.frames import AUDIO_RATE, Image, MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.speech.push import AvatarStream, SpokenFrame
from tests.speech_sample import samples

JAW = ARKIT_INDEX["jawOpen"]


class Canvas:
    """Draws the jaw's opening as brightness."""

    def __init__(self) -> None:
        self.closed = False

    @property
    def size(self) -> tuple[int, int]:
        return 8, 8

    def render(self, motion: MotionFrame) -> Image:
        return np.full((8, 8, 3), int(255 * motion.expression[JAW]), np.uint8)

    def close(self) -> None:
        self.closed = True


async def take(stream: AvatarStream, count: int) -> list[SpokenFrame]:
    frames: list[SpokenFrame] = []
    async for frame in stream:
        frames.append(frame)
        if len(frames) == count:
            break
    return frames


async def test_pushed_speech_comes_back_with_its_pictures() -> None:
    stream = AvatarStream(Canvas(), realtime=False)
    sound = samples()[: 3 * AUDIO_RATE]
    stream.push_audio(sound)
    assert stream.waiting == pytest.approx(3.0)
    frames = await take(stream, 100)
    assert [f.pts for f in frames] == pytest.approx([i / 25 for i in range(100)])
    assert np.array_equal(np.concatenate([f.audio for f in frames])[: len(sound)], sound)
    assert max(int(f.image[0, 0, 0]) for f in frames[:75]) > 12
    assert max(int(f.image[0, 0, 0]) for f in frames[90:]) <= 5
    assert stream.waiting == pytest.approx(0.06, abs=0.04)  # silence that the mouth has already heard


async def test_clear_stops_within_the_look_ahead() -> None:
    stream = AvatarStream(Canvas(), realtime=False)
    stream.push_audio(np.full(2 * AUDIO_RATE, 1000, np.int16))
    await take(stream, 10)
    stream.clear()
    frames = await take(stream, 10)
    spoken = np.concatenate([f.audio for f in frames])
    assert np.flatnonzero(spoken).max(initial=0) <= 0.06 * AUDIO_RATE
    assert stream.waiting <= 0.06 + 1e-9


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100])
async def test_other_rates_are_resampled(rate: int) -> None:
    stream = AvatarStream(Canvas(), realtime=False)
    tone = np.asarray(8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate), np.int16)
    for start in range(0, rate, 777):
        stream.push_audio(tone[start : start + 777].tobytes(), rate)
    assert stream.waiting == pytest.approx(1.0, abs=0.02)
    frames = await take(stream, 20)
    heard = np.concatenate([f.audio for f in frames]).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert spectrum.argmax() * AUDIO_RATE / len(heard) == pytest.approx(440, abs=3)


async def test_wrong_use_is_told() -> None:
    stream = AvatarStream(Canvas(), realtime=False)
    with pytest.raises(LiveError, match="100 Hz"):
        stream.push_audio(np.zeros(10, np.int16), 100)
    with pytest.raises(LiveError, match="do not divide"):
        AvatarStream(Canvas(), fps=29)
    stream.push_audio(b"")
    stream.push_audio(np.array([np.nan], np.float32))
    assert stream.waiting < 0.01


async def test_close_ends_the_iteration() -> None:
    canvas = Canvas()
    stream = AvatarStream(canvas, realtime=False)
    seen = 0
    async for _ in stream:
        seen += 1
        if seen == 3:
            stream.close()
            stream.close()
    assert seen == 3 and canvas.closed
