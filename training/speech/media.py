"""Decode the sound and the pictures of a media file with their presentation times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000


def read_audio(path: Path) -> tuple[NDArray[np.int16], float]:
    """Mono `int16 (n,)` at 48 kHz and the media time (s) of its first sample.

    Gaps between packets larger than 5 ms are filled with silence so that sample `i` is always at `start + i / 48000`.
    Raises `ValueError` if the file has no sound.
    """
    with av.open(str(path)) as container:
        if not container.streams.audio:
            raise ValueError(f"{path} has no sound")
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        parts: list[NDArray[np.int16]] = []
        start: float | None = None
        for frame in container.decode(audio=0):
            if start is None and frame.pts is not None and frame.time_base is not None:
                start = float(frame.pts * frame.time_base)
            parts.extend(out.to_ndarray().reshape(-1) for out in resampler.resample(frame))
        parts.extend(out.to_ndarray().reshape(-1) for out in resampler.resample(None))
    if not parts:
        raise ValueError(f"{path} has no sound")
    return np.concatenate(parts).astype(np.int16), start or 0.0


def read_video(path: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield `(pts seconds, RGB uint8 (H, W, 3))` for each picture."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.pts is None or frame.time_base is None:
                continue
            yield float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24")
