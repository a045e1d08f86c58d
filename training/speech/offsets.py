"""How far sound and picture of the training clips are apart: `python -m training.speech.offsets --work DIR`.

The mouth that the network (trained on GRID, whose sound is in sync) hears is compared with the tracked one at all
shifts within ±250 ms; clips whose best correlation is poor (nobody speaks, dubbed, or another one speaks) are left out.
Output: `<work>/offsets.json`, seconds by which the sound is later than the picture.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from training.speech.batches import load_items
from training.speech.stream_net import StreamNet
from training.speech.train_mouth import LONGEST_LAG_S, Geometry, best_shift, predicted_opening

POOREST = 0.35
"""Best correlation below which a clip is not used."""


def main() -> None:
    """Measure every clip of the `video` group."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    net = StreamNet()
    net.load_state_dict(torch.load(options.work / "mouth.pt"))
    net.eval()
    geometry = Geometry()
    offsets: dict[str, float] = {}
    for item in load_items(options.work / "feat", "*.0.npz"):
        path = options.work / "targets" / f"{item.name}.npz"
        if item.group != "video" or not path.exists():
            continue
        shift, score = best_shift(item, predicted_opening(net, item, geometry), dict(np.load(path)))
        used = score >= POOREST and abs(shift) < LONGEST_LAG_S - 0.005
        if used:
            offsets[item.name] = round(shift, 3)
        print(f"{item.name:32s} {1000 * shift:5.0f} ms  r {score:.2f} {'' if used else 'not used'}")
    (options.work / "offsets.json").write_text(json.dumps(offsets, indent=1))
    print(f"{len(offsets)} clips are used")


if __name__ == "__main__":
    main()
