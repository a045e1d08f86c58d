"""Forced alignment of transcripts with pocketsphinx: `python -m training.speech.align --data DIR --work DIR`.

Every file is aligned in a process of its own (the aligner aborts on some inputs); files it cannot align are skipped.
Output: `<work>/align/<name>.json`, a list of `[start s, end s, ARPAbet phone]`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
from pathlib import Path

import numpy as np
from pocketsphinx import Decoder
from scipy.signal import resample_poly
from tqdm import tqdm

from training.speech.media import read_audio


def load_decoder() -> Decoder:
    """The aligner with its English dictionary and acoustic model."""
    return Decoder(samprate=16000, lm=None, loglevel="FATAL", beam=1e-80, pbeam=1e-80, wbeam=1e-60)


def align_file(decoder: Decoder, audio: Path, text: str) -> list[tuple[float, float, str]]:
    """Phones with start and end (s) in `audio`. Raises `ValueError` if the transcript does not fit."""
    samples, start = read_audio(audio)
    sixteen = resample_poly(samples.astype(np.float64), 1, 3)
    # Quiet recordings align worse: bring the loudest part to half scale.
    sixteen *= 16000 / max(np.percentile(np.abs(sixteen), 99.9), 1.0)
    pcm = np.clip(sixteen, -32768, 32767).astype(np.int16).tobytes()
    words = [word for word in re.sub(r"[^a-z' ]", " ", text.lower()).split() if word.strip("'")]
    missing = [word for word in words if decoder.lookup_word(word) is None]
    if missing:
        raise ValueError(f"not in the dictionary: {missing}")
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
    phones = []
    for word in decoder.get_alignment():
        for phone in word:
            name = "SIL" if phone.name in {"SIL", "+NSN+", "+SPN+"} else phone.name
            begin = start + phone.start / 100
            phones.append((round(begin, 3), round(begin + phone.duration / 100, 3), name))
    return phones


def transcripts(data: Path, limit: int) -> list[tuple[Path, str]]:
    """Files with a known text: GRID (training and evaluation), Kathleen (at most `limit`), LJSpeech."""
    found = []
    for folder in ("eval", "grid"):
        for name, entry in json.loads((data / folder / "manifest.json").read_text()).items():
            if "words" in entry:
                text = " ".join(word for _, _, word in entry["words"] if word not in {"sil", "sp"})
                found.append((data / folder / f"{name}.mp4", text))
    kathleen = sorted((data / "speech" / "kathleen").glob("*.txt"))
    found += [(path.with_suffix(".opus"), path.read_text()) for path in kathleen[:: max(1, len(kathleen) // limit)]]
    table = data / "speech" / "ljspeech" / "metadata.csv"
    for line in table.read_text().splitlines() if table.exists() else []:
        fields = line.split("|")
        for suffix in (".opus", ".ogg", ".wav"):
            path = table.parent / f"{fields[0]}{suffix}"
            if path.exists():
                found.append((path, fields[-1]))
    return found


def _align_into(decoder: Decoder, path: Path, text: str, output: Path) -> None:
    try:
        phones = align_file(decoder, path, text)
    except (ValueError, RuntimeError):
        phones = []
    output.write_text(json.dumps(phones))


def main() -> None:
    """Align everything that has a transcript and is not aligned yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument("--limit", type=int, default=1620, help="utterances of the single-speaker corpus")
    options = parser.parse_args()
    target = options.work / "align"
    target.mkdir(parents=True, exist_ok=True)
    decoder = load_decoder()
    fork = multiprocessing.get_context("fork")
    for path, text in tqdm(transcripts(options.data, options.limit), mininterval=10):
        output = target / f"{path.stem}.json"
        if output.exists():
            continue
        process = fork.Process(target=_align_into, args=(decoder, path, text, output))
        process.start()
        process.join(60)
        if process.is_alive():
            process.kill()
            process.join()
        if not output.exists():
            output.write_text("[]")


if __name__ == "__main__":
    main()
