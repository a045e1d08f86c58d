"""First stage: the network learns to hear phones. `python -m training.speech.train_phones --work DIR --minutes N`.

Writes `<work>/phones.pt`, the weights that hear unseen LibriSpeech speakers best. A run that was stopped goes on from
`<work>/phones_run.pt`; `--start` begins a new one from given weights.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from live.motion.speech.phone_classes import BILABIAL
from training.speech.batches import Batch, Item, Sampler, attach_phones, load_items
from training.speech.splits import held_out
from training.speech.stream_net import StreamNet

SHARES = {"librispeech": 0.42, "tts": 0.24, "kathleen": 0.18, "grid": 0.09, "video": 0.03, "noise": 0.04}
CHECK_S = 180.0
"""Seconds between two checks on held-out recordings."""
LONGEST_STEP_S = 3.0
"""A step that took longer was interrupted (a machine that slept); the rest does not count as training time."""
DOUBT_AFTER = 0.35
"""Share of the time after which the network may doubt decoded phones."""


def phone_loss(logits: Tensor, batch: Batch, doubt: bool, classes: Tensor | None = None) -> Tensor:
    """Cross entropy weighted by `classes` (28,); with `doubt`, decoded phones that the network is sure not to hear do
    not count."""
    truth = batch.phones
    if doubt:
        with torch.no_grad():
            likely = logits.softmax(2)
            given = likely.gather(2, truth.clamp(min=0)[..., None])[..., 0]
            truth = torch.where(batch.decoded & (given < 0.02) & (likely.max(2).values > 0.6), -1, truth)
    return F.cross_entropy(logits.flatten(0, 1), truth.flatten(), ignore_index=-1, label_smoothing=0.05, weight=classes)


@torch.no_grad()
def validate(net: StreamNet, items: list[Item]) -> tuple[float, str]:
    """Accuracy on LibriSpeech, and a text: accuracy per group, recall and precision of bilabials."""
    net.eval()
    right: dict[str, list[int]] = {}
    hits = found = there = 0
    for item in items:
        truth = item.phones
        known = truth >= 0
        if not known.any():
            continue
        _, logits, _ = net.hear(torch.from_numpy(item.features.astype(np.float32))[None], net.first_state())
        best = logits[0].argmax(1).numpy()
        count = right.setdefault(item.group, [0, 0])
        count[0] += int((best == truth)[known].sum())
        count[1] += int(known.sum())
        is_lip, said_lip = np.isin(truth, BILABIAL), np.isin(best, BILABIAL)
        if item.group in ("librispeech", "kathleen"):
            hits += int((is_lip & said_lip).sum())
            found += int((said_lip & known).sum())
            there += int(is_lip.sum())
    net.train()
    table = "  ".join(f"{g} {a / b:.3f}" for g, (a, b) in sorted(right.items()))
    text = f"{table}  bilabial recall {hits / max(there, 1):.2f} precision {hits / max(found, 1):.2f}"
    chosen = right.get("librispeech") or [sum(a for a, _ in right.values()), sum(b for _, b in right.values())]
    return chosen[0] / max(chosen[1], 1), text


def main() -> None:
    """Train for a given time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument("--minutes", type=float, default=50.0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--start", help="weights to start from, in the work folder; a stopped run is forgotten")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    items = load_items(options.work / "feat")
    attach_phones(items, options.work)
    held = held_out(items)
    train = [i for i in items if i.name not in held and (i.phones >= 0).any()]
    names: set[str] = set()
    # The clean copy of a recording comes first.
    valid = [i for i in items if i.name in held and i.name not in names and not names.add(i.name)]  # type: ignore[func-returns-value]
    print(f"{len(train)} copies, {len(valid)} held out", flush=True)
    net = StreamNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=1e-3)
    stopped = options.work / "phones_run.pt"
    step, spent, running, best = 0, 0.0, 0.0, 0.0
    if stopped.exists() and not options.start:
        saved = torch.load(stopped)
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        step, spent, best = saved["step"], saved["spent"], saved["best"]
    elif options.start:
        net.load_state_dict(torch.load(options.work / options.start))
    else:
        stacked = np.concatenate([i.features[::7] for i in train[::3]]).astype(np.float32)
        net.mean.copy_(torch.from_numpy(stacked.mean(0)))
        net.scale.copy_(torch.from_numpy(1.0 / (stacked.std(0) + 0.05)))
    sampler = Sampler(train, SHARES, steps=200, batch=24, seed=step)
    checked, now, first = spent, time.monotonic(), step
    while (share := spent / (60 * options.minutes)) < 1.0:
        warm = min(1.0, (step - first + 1) / 60)
        for group in optimizer.param_groups:
            group["lr"] = options.rate * warm * max(0.02, 0.5 * (1 + np.cos(np.pi * share)))
        batch = sampler.draw()
        _, logits, _ = net.hear(batch.features, net.first_state(len(batch.features)))
        loss = phone_loss(logits, batch, share > DOUBT_AFTER)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        running += (loss.item() - running) / min(step - first, 100)
        before, now = now, time.monotonic()
        spent += min(now - before, LONGEST_STEP_S)
        if spent - checked > CHECK_S:
            score, text = validate(net, valid)
            print(f"{100 * share:5.1f} %  step {step}  loss {running:.3f}  {text}", flush=True)
            if score > best:
                best = score
                torch.save(net.state_dict(), options.work / "phones.pt")
            checked = spent
            run = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**run, "step": step, "spent": spent, "best": best}, stopped)
    score, text = validate(net, valid)
    if score >= best:
        torch.save(net.state_dict(), options.work / "phones.pt")
    stopped.unlink(missing_ok=True)
    print(f"done: {step} steps, {text}, best {max(score, best):.3f}")


if __name__ == "__main__":
    main()
