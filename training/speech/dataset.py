"""Feature rows with what is known about them: `python -m training.speech.dataset --data DIR --work DIR`.

Every recording is cut to the network's 20 ms grid: step `k` hears sound up to `(k + 1) 20 ms` and describes the instant
`LOOK_AHEAD` earlier. Several augmented copies are stored: `<work>/feat/<name>.<copy>.npz` with `features` float16
(steps, 86), `phones` int8 (steps,) with -1 = unknown, `times` float32 (steps,), the instants of the source's media time
that the steps describe (outside of it there is silence), and `group` (grid, video, kathleen, librispeech, tts, noise).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from live.motion.speech.features import FEATURES, FeatureExtractor
from live.motion.speech.network import LOOK_AHEAD, STEP
from live.motion.speech.phone_classes import INDEX
from training.speech.augment import augment, change_speed, noise
from training.speech.media import RATE, read_audio
from training.speech.phones import from_arpabet, from_ipa

Segments = list[tuple[float, float, str]]


@dataclass
class Recording:
    """Sound and, where known, its phone classes as (start s, end s, class)."""

    name: str
    group: str
    samples: NDArray[np.int16]
    start: float
    segments: Segments


def split_classes(start: float, end: float, classes: tuple[str, ...]) -> Segments:
    """Share a phone's time evenly among its parts."""
    edges = np.linspace(start, end, len(classes) + 1)
    return [(float(a), float(b), c) for a, b, c in zip(edges[:-1], edges[1:], classes, strict=True)]


def read_alignment(path: Path) -> Segments:
    """Classes of an aligned file; empty if it could not be aligned."""
    segments: Segments = []
    for start, end, name in json.loads(path.read_text()) if path.exists() else []:
        segments += split_classes(start, end, from_arpabet(name))
    return segments


def read_tts(path: Path) -> Recording:
    """A synthesised sentence."""
    data = np.load(path)
    convert = from_ipa if str(data["alphabet"]) == "ipa" else from_arpabet
    starts = [*data["starts"].tolist(), len(data["samples"]) / RATE]
    segments: Segments = []
    for name, begin, end in zip(data["phones"], starts[:-1], starts[1:], strict=True):
        segments += split_classes(begin, end, convert(str(name)))
    return Recording(f"tts_{path.stem}", "tts", data["samples"], 0.0, segments)


def step_times(count: int) -> NDArray[np.float64]:
    """Instants (s after the first sample) that steps describe."""
    return (np.arange(count) + 1) * STEP - LOOK_AHEAD


def labels(segments: Segments, times: NDArray[np.float64]) -> NDArray[np.int8]:
    """Class of each instant, -1 where unknown; before the first sound it is silent."""
    result = np.full(len(times), -1, np.int8)
    for start, end, name in segments:
        result[(times >= start) & (times < end)] = INDEX[name]
    if segments:
        result[times < segments[0][0]] = INDEX["SIL"]
    return result


def list_recordings(data: Path, work: Path) -> list[tuple[str, str, Path]]:
    """(name, group, path) of everything that may be trained on; `eval` and LJSpeech are not."""
    found: list[tuple[str, str, Path]] = []
    for group in ("grid", "video"):
        manifest = json.loads((data / group / "manifest.json").read_text())
        found += [(n, group, data / group / f"{n}.mp4") for n, e in manifest.items() if e["audio"]]
    # The evaluation sentences of GRID must not come in through the other folder.
    held_out = {name.removeprefix("grid_s1_") for name in json.loads((data / "eval" / "manifest.json").read_text())}
    found = [item for item in found if item[0].removeprefix("grid_s1_").removeprefix("grid_") not in held_out]
    for path in sorted((data / "speech" / "kathleen").glob("*.opus")):
        if read_alignment(work / "align" / f"{path.stem}.json"):
            found.append((path.stem, "kathleen", path))
    found += [(f"tts_{path.stem}", "tts", path) for path in sorted((work / "tts").glob("*.npz"))]
    for path in sorted((data / "speech" / "librispeech").glob("*.opus")):
        if read_alignment(work / "align" / f"{path.stem}.json"):
            found.append((path.stem, "librispeech", path))
    return found


def load(name: str, group: str, path: Path, work: Path) -> Recording:
    """Read one of `list_recordings`."""
    if group == "tts":
        return read_tts(path)
    samples, start = read_audio(path)
    return Recording(name, group, samples, start, read_alignment(work / "align" / f"{path.stem}.json"))


def write_noise(target: Path, count: int = 80) -> None:
    """Recordings in which nobody speaks: rooms, hum, hiss and digital silence at all levels."""
    for index in range(count):
        random = np.random.default_rng([77, index])
        length = int(random.uniform(3.0, 7.0) * RATE)
        level = 10 ** (random.uniform(-80.0, -15.0) / 20.0) * 32768
        pcm = np.rint(noise(length, random, []) * level * (random.random() > 0.1))
        clicks = random.integers(0, length, int(random.integers(0, 6)))
        pcm[clicks] += random.uniform(5.0, 30.0) * level
        rows = FeatureExtractor().push(np.clip(pcm, -32768, 32767).astype(np.int16))
        rows = rows[: len(rows) // 2 * 2].reshape(-1, 2 * FEATURES)
        phones = np.full(len(rows), INDEX["SIL"], np.int8)
        times = np.full(len(rows), -1.0, np.float32)
        output = target / f"noise_{index:03d}.0.npz"
        np.savez(output, features=rows.astype(np.float16), phones=phones, times=times, group="noise")


def main() -> None:
    """Write the copies that are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument("--copies", type=int, default=2, help="augmented copies beside the clean one")
    options = parser.parse_args()
    target = options.work / "feat"
    target.mkdir(parents=True, exist_ok=True)
    items = list_recordings(options.data, options.work)
    random = np.random.default_rng(1)
    babble: list[NDArray[np.float64]] = []
    for name, group, path in (items[i] for i in random.permutation(len(items))[:40]):
        babble.append(load(name, group, path, options.work).samples.astype(np.float64))
    for copy in range(options.copies + 1):
        for index, (name, group, path) in enumerate(tqdm(items, desc=f"copy {copy}", mininterval=10)):
            output = target / f"{name}.{copy}.npz"
            if output.exists() or (group == "tts" and copy == 2):
                continue
            random = np.random.default_rng([copy, index])
            recording = load(name, group, path, options.work)
            lead = 0.0
            samples, percent = recording.samples.astype(np.float64), 100
            if copy:
                percent = int(random.integers(86, 117))
                samples = change_speed(samples, percent)
                lead = float(random.uniform(0.0, 1.5)) if random.random() < 0.5 else 0.0
                tail = float(random.uniform(0.0, 1.5)) if random.random() < 0.5 else 0.0
                pcm = augment(np.pad(samples, (int(lead * RATE), int(tail * RATE))), random, babble)
            else:
                pcm = recording.samples
            rows = FeatureExtractor().push(pcm)
            rows = rows[: len(rows) // 2 * 2].reshape(-1, 2 * FEATURES)
            times = (step_times(len(rows)) - lead) * percent / 100 + recording.start
            np.savez(
                output,
                features=rows.astype(np.float16),
                phones=labels(recording.segments, times),
                times=times.astype(np.float32),
                group=group,
            )
    write_noise(target)


if __name__ == "__main__":
    main()
