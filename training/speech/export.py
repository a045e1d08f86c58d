"""Puts the trained weights into the package: `python -m training.speech.export --work DIR`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch

from training.speech.stream_net import StreamNet, export

WEIGHTS = Path("live/assets/weights")


def main() -> None:
    """Write `speech.onnx` and `speech_head.npz`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    options = parser.parse_args()
    net = StreamNet()
    net.load_state_dict(torch.load(options.work / "mouth.pt"))
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    export(net, WEIGHTS / "speech.onnx")
    shutil.copy(options.work / "speech_head.npz", WEIGHTS / "speech_head.npz")
    print(f"{sum(p.numel() for p in net.parameters())} parameters")


if __name__ == "__main__":
    main()
