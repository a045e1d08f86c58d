"""Trains everything the speech driver needs: `python -m training.speech --data ../shared/data`.

Runs the stages in order, each in a process of its own; what is already in the work folder is not made again, so that an
interrupted run goes on where it stopped. About an hour of preparation and two of training on one core. Needs
espeak-ng and flite, and the packages `torch` and `pocketsphinx`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

SLOWLY = ("--rate", "6e-4", "--acoustic", "0.1")


def stages(data: str, work: str, minutes: float) -> list[tuple[str, list[str]]]:
    """(what, arguments of `python -m training.speech.…`) in order."""
    at, everything = ["--work", work], ["--data", data, "--work", work]
    return [
        ("synthesise speech with known phones", ["synthesise", *everything]),
        ("align the recorded speech", ["align", *everything]),
        ("decode the speech without text", ["transcribe", *everything]),
        ("features of clean and augmented sound", ["dataset", *everything]),
        ("track lips and solve mouth weights", ["targets", *everything]),
        ("learn phones", ["train_phones", *at, "--minutes", str(minutes / 4)]),
        ("find files that were decoded wrongly", ["agreement", *at]),
        ("train phones", ["train_phones", *at, "--minutes", str(minutes), "--start", "phones.pt"]),
        ("train the mouth on synchronous clips", ["train_mouth", *at, "--minutes", str(minutes / 6)]),
        ("measure how far the other clips are off", ["offsets", *at]),
        ("train the mouth on all clips", ["train_mouth", *at, "--minutes", str(minutes / 3), "--start", "mouth.pt"]),
        (
            "train all of it, slowly",
            ["train_mouth", *at, "--minutes", str(minutes / 6), "--start", "mouth.pt", *SLOWLY],
        ),
        ("train head, brows and blinks", ["train_head", *at]),
        ("export into the package", ["export", *at]),
    ]


def main() -> int:
    """Run all stages; stops at the first one that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument(
        "--minutes",
        type=float,
        default=60.0,
        help="of the phones' training, on one core; the other stages are in proportion",
    )
    options = parser.parse_args()
    plan = stages(str(options.data), str(options.work), options.minutes)
    for number, (what, (module, *arguments)) in enumerate(plan, 1):
        print(f"[{number}/{len(plan)}] {what}", flush=True)
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", f"training.speech.{module}", *arguments], check=False)
        if done.returncode:
            print(f"{module} failed", file=sys.stderr)
            return done.returncode
        print(f"    {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
