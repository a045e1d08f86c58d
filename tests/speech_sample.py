"""The speech sample that ships, decoded, with its phone times."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from live.capture.media import read_media
from live.frames import AudioChunk


@cache
def samples() -> NDArray[np.int16]:
    """int16 mono 48 kHz, about 8 s."""
    with as_file(files("live") / "assets" / "samples" / "speech.opus") as path:
        chunks = [c.samples for c in read_media(path, video=False) if isinstance(c, AudioChunk)]
    return np.concatenate(chunks)


@cache
def phones() -> list[tuple[float, float, str]]:
    """(start s, end s, name) as the synthesiser spoke them."""
    rows = json.loads((Path(__file__).parent / "data" / "speech_phones.json").read_text())
    return [(start, end, name) for start, end, name in rows]
