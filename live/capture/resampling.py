"""Streaming conversion of any sound to what the engine speaks: mono int16 at 48 kHz."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray

from live.frames import AUDIO_RATE

BLOCK = AUDIO_RATE // 100
"""Samples of a chunk: 10 ms."""


class StreamResampler:
    """Feeds PyAV's resampler piece by piece; its filter state runs through, so pieces join without clicks."""

    def __init__(self) -> None:
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=AUDIO_RATE)

    def feed(self, frame: av.AudioFrame) -> NDArray[np.int16]:
        """Convert a decoded frame. Returns int16 (n,), n may be 0 while the filter fills."""
        # Time stamps are kept outside; with them inside, the resampler would try to repair gaps itself.
        frame.pts = None
        return _join(self._resampler.resample(frame))

    def feed_samples(self, samples: NDArray[np.int16], rate: int) -> NDArray[np.int16]:
        """Convert mono int16 (n,) samples at `rate` Hz."""
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        return self.feed(frame)

    def flush(self) -> NDArray[np.int16]:
        """What is left in the filter at the end of the stream."""
        return _join(self._resampler.resample(None))


class Blocks:
    """Cuts a stream of samples into blocks of exactly `size` samples."""

    def __init__(self, size: int = BLOCK) -> None:
        self._size = size
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)

    def cut(self, samples: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
        """Append `samples` and yield the blocks that are complete."""
        joined = np.concatenate((self._rest, samples))
        whole = len(joined) // self._size * self._size
        self._rest = joined[whole:]
        for start in range(0, whole, self._size):
            yield joined[start : start + self._size]

    def rest(self) -> NDArray[np.int16]:
        """Take what does not fill a block."""
        rest, self._rest = self._rest, np.zeros(0, np.int16)
        return rest


def _join(frames: list[av.AudioFrame]) -> NDArray[np.int16]:
    parts = [frame.to_ndarray().reshape(-1) for frame in frames]
    return np.concatenate(parts).astype(np.int16, copy=False) if parts else np.zeros(0, np.int16)
