"""Second stage: the network learns to move the mouth. `python -m training.speech.train_mouth --work DIR --minutes N`.

Targets: tracked clips (GRID, and the other clips after `training.speech.offsets` has measured how far their sound is
off), and for all other sound with known phones the curves of `training.speech.coarticulation`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from live.bench.lips import MIDDLE
from live.motion.face_model import FaceModel
from live.motion.landmark_groups import LEFT_IRIS, LIPS, RIGHT_IRIS
from live.motion.speech.network import mouth_matrix
from live.motion.speech.phone_classes import BILABIAL, CLASSES
from training.speech import coarticulation
from training.speech.batches import Batch, Item, Sampler, load_items
from training.speech.dataset import labels, read_alignment
from training.speech.stream_net import StreamNet, export
from training.speech.train_phones import validate

SHARES = {"grid": 0.3, "video": 0.2, "kathleen": 0.24, "tts": 0.2, "noise": 0.06}
PSEUDO_WEIGHT = 0.3
VIDEO_WEIGHT = 0.7
ANTICIPATION_S = 0.015
"""Targets are taken this much later than they are for, because a causal least-squares estimate tends to be late."""
LIP_CLASS_WEIGHT = 2.0
"""Weight of the bilabials in the phone loss: a closure that is missed is seen."""
HELD_VIDEO = ("videoretalking_1", "pcavs_audio_00086", "tpsmm", "latentsync_demo3")


class Geometry:
    """What mouth weights do to the lips, linear, in pupil distances."""

    def __init__(self) -> None:
        model = FaceModel.load()
        mean = model.landmarks_mean
        unit = float(np.linalg.norm(mean[RIGHT_IRIS[0]] - mean[LEFT_IRIS[0]]))
        basis = np.tensordot(mouth_matrix(), model.landmarks_expression, 1)[:, :, :2] / unit
        self.lips = torch.from_numpy(basis[:, list(LIPS)].reshape(len(basis), -1).copy())
        gap = np.mean([basis[:, a, 1] - basis[:, b, 1] for a, b in MIDDLE], axis=0)
        self.opening = torch.from_numpy(gap)


def attach(items: list[Item], work: Path, offsets: dict[str, float]) -> None:
    """Put phones and mouth targets to the items, in place."""
    for item in items:
        outside = item.times < 0
        if item.group == "noise":
            item.mouth_weight[:] = 1.0
            continue
        alignment = work / "align" / f"{item.name}.json"
        if item.group == "grid" and (segments := read_alignment(alignment)):
            item.phones = labels(segments, item.times)
        path = work / "targets" / f"{item.name}.npz"
        if not path.exists() or (
            item.group == "video" and item.name not in offsets and not item.name.startswith("grid_")
        ):
            continue
        data = np.load(path)
        # A positive offset: the sound is later than the picture.
        times = item.times - offsets.get(item.name, 0.0) + ANTICIPATION_S
        outside = (times < data["pts"][0] - 0.02) | (times > data["pts"][-1] + 0.02)
        mouth = np.stack([np.interp(times, data["pts"], column) for column in data["mouth"].T], 1)
        mouth[outside] = 0.0
        item.mouth = mouth.astype(np.float16)
        item.mouth_weight = np.where(outside, 0.3, 1.0 if item.group == "grid" else VIDEO_WEIGHT).astype(np.float16)


def mouth_loss(mouth: Tensor, batch: Batch, geometry: Geometry) -> Tensor:
    """Squared error of weights, lips, opening and opening speed, each relative to its usual size."""
    weight = batch.mouth_weight
    error = mouth - batch.mouth
    opening = error @ geometry.opening
    terms = (
        (error**2).mean(2) / 0.08**2
        + ((error @ geometry.lips) ** 2).mean(2) / 0.025**2
        + 2.0 * opening**2 / 0.06**2
        + F.pad(opening.diff(dim=1) ** 2, (1, 0)) / 0.03**2
    )
    return (terms * weight).sum() / weight.sum().clamp(min=1.0)


@torch.no_grad()
def validate_mouth(net: StreamNet, items: list[Item], geometry: Geometry) -> str:
    """Median opening correlation per group and the scale of the predicted opening."""
    net.eval()
    found: dict[str, list[tuple[float, float]]] = {}
    for item in items:
        known = item.mouth_weight > 0.5
        if known.sum() < 30 or item.group not in ("grid", "video"):
            continue
        mouth, _, _ = net(torch.from_numpy(item.features.astype(np.float32))[None])
        predicted = (mouth[0] @ geometry.opening).numpy()[known]
        truth = (torch.from_numpy(item.mouth.astype(np.float32)) @ geometry.opening).numpy()[known]
        score = np.corrcoef(predicted, truth)[0, 1], predicted.std() / truth.std()
        found.setdefault("own" if item.name.startswith("grid_") else item.group, []).append(score)
    net.train()
    return "  ".join(
        f"{g} r {np.median([a for a, _ in f]):.3f} scale {np.median([b for _, b in f]):.2f}"
        for g, f in sorted(found.items())
    )


def main() -> None:
    """Train for a given time and write `<work>/mouth.pt` and `<work>/speech.onnx`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--start", default="phones.pt", help="weights to start from, in the work folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    offsets_file = options.work / "offsets.json"
    offsets = json.loads(offsets_file.read_text()) if offsets_file.exists() else {}
    items = load_items(options.work / "feat")
    attach(items, options.work, offsets)
    random = np.random.default_rng(5)
    names = sorted({i.name for i in items if i.group in ("grid", "kathleen")})
    held = set(random.choice(names, 35, replace=False).tolist()) | set(HELD_VIDEO)
    train = [i for i in items if i.name not in held and (i.group != "video" or i.mouth_weight.max() > 0)]
    valid = [i for i in items if i.name in held]
    teacher = coarticulation.fit([i for i in train if i.group == "grid"])
    for item in train:
        if item.group in ("tts", "kathleen"):
            item.mouth = coarticulation.predict(teacher, item.phones)
            item.mouth_weight = np.full(len(item.phones), PSEUDO_WEIGHT, np.float16)
    torch.save(teacher.state_dict(), options.work / "coarticulation.pt")
    geometry = Geometry()
    classes = torch.ones(len(CLASSES))
    classes[list(BILABIAL)] = LIP_CLASS_WEIGHT
    net = StreamNet()
    net.load_state_dict(torch.load(options.work / options.start))
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=1e-3)
    sampler = Sampler(train, SHARES, steps=200, batch=24, seed=int(time.time()))
    begin, step, running = time.monotonic(), 0, np.zeros(2)
    last = begin
    print(f"{len(train)} recordings", flush=True)
    while (share := (time.monotonic() - begin) / (60 * options.minutes)) < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1.0, (step + 1) / 40) * max(0.04, 0.5 * (1 + np.cos(np.pi * share)))
        batch = sampler.draw()
        mouth, logits, _ = net(batch.features)
        heard = F.cross_entropy(
            logits.flatten(0, 1), batch.phones.flatten(), ignore_index=-1, label_smoothing=0.05, weight=classes
        )
        moved = mouth_loss(mouth, batch, geometry)
        loss = heard + 0.3 * moved
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        running += (np.array([heard.item(), moved.item()]) - running) / min(step, 50)
        if time.monotonic() - last > 60:
            last = time.monotonic()
            print(
                f"{100 * share:5.1f} %  step {step}  phones {running[0]:.3f}  mouth {running[1]:.3f}  "
                f"{validate_mouth(net, valid, geometry)}",
                flush=True,
            )
            torch.save(net.state_dict(), options.work / "mouth.pt")
    torch.save(net.state_dict(), options.work / "mouth.pt")
    print(f"done: {step} steps, {validate_mouth(net, valid, geometry)}, {validate(net, valid)}")
    export(net, options.work / "speech.onnx")


if __name__ == "__main__":
    main()
