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
from training.speech.train_mouth import Geometry

LONGEST = 0.25
POOREST = 0.35
"""Best correlation below which a clip is not used."""


@torch.no_grad()
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
    shifts = np.arange(-LONGEST, LONGEST + 1e-6, 0.01)
    offsets: dict[str, float] = {}
    done: set[str] = set()
    for item in load_items(options.work / "feat"):
        path = options.work / "targets" / f"{item.name}.npz"
        if item.group != "video" or item.name in done or not path.exists():
            continue
        done.add(item.name)  # copy 0, the clean one, comes first
        mouth, _, _ = net(torch.from_numpy(item.features.astype(np.float32))[None])
        predicted = (mouth[0] @ geometry.opening).numpy()
        data = np.load(path)
        scores = [
            np.corrcoef(data["opening"], np.interp(data["pts"] + shift, item.times, predicted))[0, 1]
            for shift in shifts
        ]
        best = int(np.argmax(scores))
        used = scores[best] >= POOREST and 0 < best < len(shifts) - 1
        if used:
            offsets[item.name] = round(float(shifts[best]), 3)
        print(f"{item.name:32s} {1000 * shifts[best]:5.0f} ms  r {scores[best]:.2f} {'' if used else 'not used'}")
    (options.work / "offsets.json").write_text(json.dumps(offsets, indent=1))


if __name__ == "__main__":
    main()
