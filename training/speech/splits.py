"""What no training stage sees, so that choices can be made on it: people, and sentences of the people that are seen."""

from __future__ import annotations

import zlib

import numpy as np

from training.speech.batches import Item

HELD_VIDEO = ("videoretalking_1", "pcavs_audio_00086", "tpsmm", "latentsync_demo3", "real3d_may", "edtalk_mouth_source")
"""Clips of people whom nothing is trained on."""
HELD_SENTENCES = 35
"""GRID and Kathleen sentences."""
HELD_SPEAKERS = 0.08
"""Share of the LibriSpeech speakers."""
HELD_TEST_SPEAKERS = ("2414", "3080")
"""Two of its ten speakers with ten utterances each, from the part that is hard to understand."""


def speaker(name: str) -> str:
    """LibriSpeech's number of the person in a file `<part>_<speaker>-<chapter>-<utterance>`."""
    return name.rsplit("_", 1)[-1].split("-")[0]


def is_held_speaker(name: str) -> bool:
    """Whether a LibriSpeech file is of a person who is kept for choosing."""
    return speaker(name) in HELD_TEST_SPEAKERS or zlib.crc32(speaker(name).encode()) % 1000 < 1000 * HELD_SPEAKERS


def held_out(items: list[Item]) -> set[str]:
    """Names that must not be trained on; the same in every stage."""
    names = sorted({i.name for i in items if i.group in ("grid", "kathleen")})
    chosen = np.random.default_rng(5).choice(names, min(HELD_SENTENCES, len(names)), replace=False)
    spoken = {i.name for i in items if i.group == "librispeech" and is_held_speaker(i.name)}
    synthetic = sorted({i.name for i in items if i.group == "tts"})[::30]
    return {*chosen.tolist(), *HELD_VIDEO, *spoken, *synthetic}
