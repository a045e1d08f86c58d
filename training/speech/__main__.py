"""Trains everything the speech driver needs: `python -m training.speech --data ../shared/data`.

Runs the stages in order, each in a process of its own; what is already in the work folder is not made again, so that an
interrupted run goes on where it stopped. About 20 minutes of preparation and an hour of training on one core. Needs
espeak-ng and flite, and the packages `torch` and `pocketsphinx`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path


def stages(data: str, work: str, minutes: float) -> list[tuple[str, list[str]]]:
    """(what, arguments of `python -m training.speech.…`) in order."""
    at, everything = ["--work", work], ["--data", data, "--work", work]
    return [
        ("synthesise speech with known phones", ["synthesise", *everything]),
        ("align the recorded speech", ["align", *everything]),
        ("features of clean and augmented sound", ["dataset", *everything]),
        ("track lips and solve mouth weights", ["targets", *everything]),
        ("train phones", ["train_phones", *at, "--minutes", str(minutes)]),
        ("train the mouth on synchronous clips", ["train_mouth", *at, "--minutes", str(minutes / 2)]),
        ("measure how far the other clips are off", ["offsets", *at]),
        ("train the mouth on all clips", ["train_mouth", *at, "--minutes", str(minutes), "--start", "mouth.pt"]),
        ("train head, brows and blinks", ["train_head", *at]),
        ("export into the package", ["export", *at]),
    ]


def main() -> int:
    """Run all stages; stops at the first one that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument("--minutes", type=float, default=20.0, help="of each long training stage, on one core")
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
