"""Texts and phones of recordings that came without text: `python -m training.speech.transcribe --data DIR --work DIR`.

LibriSpeech and the sound of the `video` clips are decoded with PocketSphinx and its English language model, the result
is force-aligned like a transcript. Wrong words of a decoder are mostly words that sound alike, so most of their phones
are right; `training.speech.agreement` later finds the files that are not, and `train_phones` ignores single instants.
Output: `<work>/heard/<name>.json` with `words` [[start s, end s, word, posterior], ...], and `<work>/align/<name>.json`
"""

from __future__ import annotations

import argparse
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
from tqdm import tqdm

from live.bench.alignment import Aligner
from training.speech.media import read_audio

Words = list[tuple[float, float, str, float]]
"""(start s, end s, word, posterior 0..1)."""

SECONDS = 90.0
"""Time limit per file and attempt."""


class Recogniser:
    """Decodes English, every file in a process of its own, because the decoder aborts on some inputs."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        # Narrow beams: half the time of the defaults at nearly the same words.
        self._decoder: Any = Decoder(samprate=16000, loglevel="FATAL", maxhmmpf=3000, maxwpf=5, pl_window=5)
        self._context = multiprocessing.get_context("fork")  # the loaded model is shared

    def words(self, samples: NDArray[np.int16]) -> Words:
        """Words in `samples` (int16 mono 48 kHz) without fillers; empty if decoding failed."""
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "words.json"
            process: BaseProcess = self._context.Process(target=self._decode_into, args=(samples, output))
            process.start()
            process.join(SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
            return [(a, b, w, p) for a, b, w, p in json.loads(output.read_text())] if output.exists() else []

    def _decode_into(self, samples: NDArray[np.int16], output: Path) -> None:
        sixteen = resample_poly(samples.astype(np.float64), 1, 3)
        sixteen *= 16000 / max(float(np.percentile(np.abs(sixteen), 99.9)), 1.0)
        decoder = self._decoder
        decoder.start_utt()
        decoder.process_raw(np.clip(sixteen, -32768, 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        found: Words = []
        for part in decoder.seg() or []:
            word = re.sub(r"\(\d+\)$", "", part.word)
            if re.fullmatch(r"[a-z'.]+", word):
                sure = round(min(1.0, float(part.prob)), 4)
                found.append((part.start_frame / 100, (part.end_frame + 1) / 100, word, sure))
        output.write_text(json.dumps(found))


def untold(data: Path) -> list[Path]:
    """LibriSpeech and the clips with sound, but for the GRID sentences among them, whose words are known."""
    manifest = json.loads((data / "video" / "manifest.json").read_text())
    clips = [n for n, e in manifest.items() if e["audio"] and not n.startswith("grid_")]
    found = [data / "video" / f"{name}.mp4" for name in clips]
    # Speakers with one long utterance each come first.
    spoken = sorted(
        (data / "speech" / "librispeech").glob("*.opus"), key=lambda path: ("test-" in path.name, path.name)
    )
    return found + spoken


def main() -> None:
    """Decode and align everything that is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    options = parser.parse_args()
    heard, target = options.work / "heard", options.work / "align"
    heard.mkdir(parents=True, exist_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    recogniser, aligner = Recogniser(), Aligner()
    for path in tqdm(untold(options.data), mininterval=10):
        output, aligned = heard / f"{path.stem}.json", target / f"{path.stem}.json"
        if output.exists() and aligned.exists():
            continue
        samples, start = read_audio(path)
        words = recogniser.words(samples)
        phones = []
        if words:
            text = " ".join(word for _, _, word, _ in words)
            phones = aligner.align(samples, text, (words[0][0], words[-1][1]), SECONDS) or []
        shifted = [(round(a + start, 3), round(b + start, 3), word, sure) for a, b, word, sure in words]
        output.write_text(json.dumps({"words": shifted}))
        aligned.write_text(json.dumps([(round(a + start, 3), round(b + start, 3), name) for a, b, name in phones]))


if __name__ == "__main__":
    main()
