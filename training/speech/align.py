"""Forced alignment of the transcripts: `python -m training.speech.align --data DIR --work DIR`.

Output: `<work>/align/<name>.json`, a list of `[start s, end s, ARPAbet phone]`, empty where the aligner failed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from live.bench.alignment import Aligner
from training.speech.media import read_audio


def transcripts(data: Path, limit: int) -> list[tuple[Path, str, tuple[float, float] | None]]:
    """Training files with a known text and, for GRID, when it is said; at most `limit` single-speaker utterances."""
    found: list[tuple[Path, str, tuple[float, float] | None]] = []
    for name, entry in json.loads((data / "grid" / "manifest.json").read_text()).items():
        words = [word for word in entry["words"] if word[2] not in {"sil", "sp"}]
        text = " ".join(word[2] for word in words)
        found.append((data / "grid" / f"{name}.mp4", text, (words[0][0], words[-1][1])))
    kathleen = sorted((data / "speech" / "kathleen").glob("*.txt"))
    found += [
        (path.with_suffix(".opus"), path.read_text(), None) for path in kathleen[:: max(1, len(kathleen) // limit)]
    ]
    return found


def main() -> None:
    """Align everything that is not aligned yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument("--limit", type=int, default=600)
    options = parser.parse_args()
    target = options.work / "align"
    target.mkdir(parents=True, exist_ok=True)
    aligner = Aligner()
    for path, text, spoken in tqdm(transcripts(options.data, options.limit), mininterval=10):
        output = target / f"{path.stem}.json"
        if output.exists():
            continue
        samples, start = read_audio(path)
        phones = aligner.align(samples, text, spoken) or []
        output.write_text(json.dumps([(round(a + start, 3), round(b + start, 3), name) for a, b, name in phones]))


if __name__ == "__main__":
    main()
