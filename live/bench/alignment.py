"""Forced alignment: when each phone of a known text was spoken, with PocketSphinx and its English model.

Every file is aligned in a process of its own, because the aligner aborts on some inputs.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import tempfile
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from live.frames import AUDIO_RATE

Phones = list[tuple[float, float, str]]
"""(start s, end s, ARPAbet name or SIL)."""


class Aligner:
    """Aligns English text.

    Raises:
        ModuleNotFoundError: the package `pocketsphinx` is not installed.
    """

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder: Any = Decoder(samprate=16000, lm=None, loglevel="FATAL", beam=1e-80, pbeam=1e-80, wbeam=1e-60)
        self._context = multiprocessing.get_context("fork")  # the loaded model is shared

    def align(
        self, samples: NDArray[np.int16], text: str, spoken: tuple[float, float] | None = None, timeout: float = 60.0
    ) -> Phones | None:
        """Phones of `text` in `samples` (int16 mono 48 kHz), or `None` if they do not fit.

        Args:
            samples: the recording.
            text: what is said.
            spoken: seconds between which it is said; `None` = between the first and the last loud instant. Long
                silences are a frequent cause of failure, so the stretch is also tried by itself, with several margins.
            timeout: seconds per attempt.
        """
        length = len(samples) / AUDIO_RATE
        begin, finish = spoken or loud_bounds(samples)
        margins = (0.2, 0.15, 0.1, 0.3, 0.05)
        cuts = [(0.0, length), *((max(begin - m, 0.0), min(finish + m, length)) for m in margins)]
        for start, end in cuts:
            part = samples[round(start * AUDIO_RATE) : round(end * AUDIO_RATE)]
            if phones := self._attempt(part, text, timeout):
                phones = [(a + start, b + start, name) for a, b, name in phones]
                before = [(0.0, start, "SIL")] if start > 0.0 else []
                return [*before, *phones, *([(end, length, "SIL")] if end < length else [])]
        return None

    def _attempt(self, samples: NDArray[np.int16], text: str, timeout: float) -> Phones:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "phones.json"
            process: BaseProcess = self._context.Process(target=self._align_into, args=(samples, text, output))
            process.start()
            process.join(timeout)
            if process.is_alive():
                process.kill()
                process.join()
            if not output.exists():
                return []
            return [(start, end, name) for start, end, name in json.loads(output.read_text())]

    def _align_into(self, samples: NDArray[np.int16], text: str, output: Path) -> None:
        try:
            phones = self._align(samples, text)
        except (ValueError, RuntimeError):
            phones = []
        output.write_text(json.dumps(phones))

    def _align(self, samples: NDArray[np.int16], text: str) -> Phones:
        sixteen = resample_poly(samples.astype(np.float64), 1, 3)
        # Quiet recordings align worse: bring the loudest part to half scale.
        sixteen *= 16000 / max(float(np.percentile(np.abs(sixteen), 99.9)), 1.0)
        pcm = np.clip(sixteen, -32768, 32767).astype(np.int16).tobytes()
        decoder = self._decoder
        words = [word for word in re.sub(r"[^a-z' ]", " ", text.lower()).split() if word.strip("'")]
        if any(decoder.lookup_word(word) is None for word in words):
            raise ValueError("a word is not in the dictionary")
        decoder.set_align_text(" ".join(words))
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            raise ValueError("no path through the transcript")
        decoder.set_alignment()  # the second pass finds the phones inside the words
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        phones: Phones = []
        for word in decoder.get_alignment():
            for phone in word:
                name = "SIL" if phone.name in {"SIL", "+NSN+", "+SPN+"} else str(phone.name)
                phones.append((phone.start / 100, (phone.start + phone.duration) / 100, name))
        return phones


def loud_bounds(samples: NDArray[np.int16]) -> tuple[float, float]:
    """Seconds of the first and the last 10 ms within 30 dB of the loudest."""
    hop = AUDIO_RATE // 100
    count = len(samples) // hop
    power = (samples[: count * hop].astype(np.float64).reshape(count, hop) ** 2).mean(1)
    loud = np.flatnonzero(power > 1e-3 * power.max()) if count else np.zeros(0, np.int64)
    return (float(loud[0]) / 100, float(loud[-1] + 1) / 100) if len(loud) else (0.0, len(samples) / AUDIO_RATE)
