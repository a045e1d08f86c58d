"""How the mouth itself is timed against the sound it answers, without any transport: what a perfect link would show.

A mouth may open a little before or after the sound of its word; that belongs to the speech model, not to the latency
of the engine. The same sound is rendered offline, on media time, and judged by the same detector.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from live.bench.latency_analysis import mouth_reader
from live.bench.latency_browser import COLUMNS, ROWS
from live.bench.latency_estimators import Response, speech_responses
from live.bench.latency_signals import SoundLevel, sound_onsets
from live.bench.latency_stimulus import Stimulus, luma_crop
from live.capture.resampling import BLOCK
from live.frames import AUDIO_RATE, AudioChunk, RenderedFrame
from live.offline import MediaClock, render_offline
from live.render.avatar import Avatar
from live.render.geometric import GeometricRenderer
from live.studio import make_driver

SIZE = 192
"""Side of the pictures, pixels: enough for the mouth."""


class CropSink:
    """Keeps the mouth's crop of every picture."""

    def __init__(self, stimulus: Stimulus) -> None:
        self._box = stimulus.avatar_mouth
        self.times: list[float] = []
        self.crops: list[NDArray[np.uint8]] = []

    def push_video(self, frame: RenderedFrame) -> None:
        """Keep."""
        self.times.append(frame.pts * 1e3)
        self.crops.append(luma_crop(frame.image, self._box, COLUMNS, ROWS))

    def push_audio(self, chunk: AudioChunk) -> None:
        """Sound is known."""

    def close(self) -> None:
        """Nothing to release."""


def read_wav(path: Path) -> NDArray[np.int16]:
    """`int16 (n,)` of a mono file."""
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def sound_level(samples: NDArray[np.int16]) -> SoundLevel:
    """RMS of every millisecond, as the probe in the browser takes it."""
    size = AUDIO_RATE // 1000
    whole = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64) / 32768
    return SoundLevel(np.arange(len(whole), dtype=np.float64), np.sqrt((whole**2).mean(1)))


def lip_timing(stimulus: Stimulus, avatar: Avatar, fps: float) -> tuple[list[Response], int]:
    """Timing of the mouth against the sound, media time in ms; negative = the mouth is first.

    Onsets are looked for from 100 ms before the sound, and their times shifted back accordingly.

    Returns:
        The responses, and the number of onsets that nothing answered.

    Raises:
        ModelError: the speech model cannot be had.
    """
    samples = read_wav(stimulus.speech)
    clock = MediaClock()
    driver = make_driver("speech", avatar.rest, fps=fps, clock_ns=clock)
    renderer = GeometricRenderer(avatar, (SIZE, SIZE))
    sink = CropSink(stimulus)
    try:
        render_offline(_blocks(samples), driver, renderer, sink, clock)
    finally:
        driver.close()
        renderer.close()
    times = np.array(sink.times)
    opening = mouth_reader(stimulus, "microphone").read(np.stack(sink.crops))
    early = 100.0
    found, missed = speech_responses(sound_onsets(sound_level(samples)) - early, times, opening)
    shifted = [Response(r.event + early, r.onset - early, r.half - early, r.frame) for r in found]
    return shifted, missed


def _blocks(samples: NDArray[np.int16]) -> Iterator[AudioChunk]:
    for start in range(0, len(samples), BLOCK):
        block = samples[start : start + BLOCK]
        yield AudioChunk(block, start / AUDIO_RATE, 0)
