"""First stage: the network learns to hear phones. `python -m training.speech.train_phones --work DIR --minutes N`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from live.motion.speech.phone_classes import BILABIAL
from training.speech.batches import Sampler, load_items
from training.speech.stream_net import StreamNet

SHARES = {"kathleen": 0.42, "tts": 0.33, "grid": 0.2, "noise": 0.05}


def main() -> None:
    """Train for a given time and save `<work>/phones.pt`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    items = load_items(options.work / "feat")
    random = np.random.default_rng(5)
    names = sorted({i.name for i in items})
    held = set(random.choice(names, len(names) // 25, replace=False).tolist())
    train = [i for i in items if i.name not in held]
    valid = [i for i in items if i.name in held and i.group != "video"]
    net = StreamNet()
    stacked = np.concatenate([i.features[::7] for i in train[::3]]).astype(np.float32)
    net.mean.copy_(torch.from_numpy(stacked.mean(0)))
    net.scale.copy_(torch.from_numpy(1.0 / (stacked.std(0) + 0.05)))
    if options.resume:
        net.load_state_dict(torch.load(options.work / "phones.pt"))
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=1e-3)
    sampler = Sampler(train, SHARES, steps=200, batch=24, seed=int(time.time()) if options.resume else 0)
    begin, step, running = time.monotonic(), 0, 0.0
    last = begin
    while (share := (time.monotonic() - begin) / (60 * options.minutes)) < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1.0, (step + 1) / 60) * max(0.04, 0.5 * (1 + np.cos(np.pi * share)))
        batch = sampler.draw()
        _, logits, _ = net(batch.features)
        loss = F.cross_entropy(logits.flatten(0, 1), batch.phones.flatten(), ignore_index=-1, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        running += (loss.item() - running) / min(step, 50)
        if time.monotonic() - last > 60:
            last = time.monotonic()
            print(f"{100 * share:5.1f} %  step {step}  loss {running:.3f}  {validate(net, valid)}", flush=True)
            torch.save(net.state_dict(), options.work / "phones.pt")
    torch.save(net.state_dict(), options.work / "phones.pt")
    print(f"done: {step} steps, {validate(net, valid)}")


@torch.no_grad()
def validate(net: StreamNet, items: list) -> str:  # type: ignore[type-arg]
    """Accuracy per group, and recall and precision of bilabials."""
    net.eval()
    right: dict[str, list[int]] = {}
    hits = found = there = 0
    for item in items[::2]:
        _, logits, _ = net(torch.from_numpy(item.features.astype(np.float32))[None])
        best, truth = logits[0].argmax(1).numpy(), item.phones
        known = truth >= 0
        count = right.setdefault(item.group, [0, 0])
        count[0] += int((best == truth)[known].sum())
        count[1] += int(known.sum())
        is_lip, said_lip = np.isin(truth, BILABIAL), np.isin(best, BILABIAL)
        hits, found, there = (
            hits + int((is_lip & said_lip).sum()),
            found + int(said_lip.sum()),
            there + int(is_lip.sum()),
        )
    net.train()
    table = "  ".join(f"{g} {a / max(b, 1):.2f}" for g, (a, b) in sorted(right.items()))
    return f"{table}  bilabial recall {hits / max(there, 1):.2f} precision {hits / max(found, 1):.2f}"


if __name__ == "__main__":
    main()
