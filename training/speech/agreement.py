"""How much of each decoded file's phones the network hears: `python -m training.speech.agreement --work DIR`.

A decoder that lost the thread (another language, singing, noise) writes phones that nobody said. A network that was
trained on other files is the judge. Output: `<work>/agreement.json`, share of the instants by name; `batches` drops the
phones of files below `LEAST_AGREEMENT`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from training.speech.batches import LEAST_AGREEMENT, load_items
from training.speech.dataset import labels, read_alignment
from training.speech.stream_net import StreamNet


@torch.no_grad()
def main() -> None:
    """Judge every LibriSpeech file and clip by its clean copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument("--weights", default="phones.pt", help="of the judge, in the work folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    net = StreamNet()
    net.load_state_dict(torch.load(options.work / options.weights))
    net.eval()
    found: dict[str, float] = {}
    for item in load_items(options.work / "feat", "*.0.npz"):
        if item.group not in ("librispeech", "video") or item.name.startswith("grid_"):
            continue
        truth = labels(read_alignment(options.work / "align" / f"{item.name}.json"), item.times.astype(np.float64))
        known = truth > 0  # silence is easy and tells nothing about the words
        if known.sum() < 20:
            continue
        features = torch.from_numpy(item.features.astype(np.float32))[None]
        _, logits, _ = net.hear(features, net.first_state())
        found[item.name] = round(float((logits[0].argmax(1).numpy() == truth)[known].mean()), 3)
    (options.work / "agreement.json").write_text(json.dumps(found, indent=1))
    for group in ("librispeech", "video"):
        spoken = sorted(v for n, v in found.items() if n.startswith(("train-", "test-")) == (group == "librispeech"))
        dropped = sum(v < LEAST_AGREEMENT for v in spoken)
        print(f"{group}: {len(spoken)} files, median {np.median(spoken):.2f}, {dropped} dropped", flush=True)


if __name__ == "__main__":
    main()
