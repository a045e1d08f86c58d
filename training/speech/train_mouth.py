"""Second stage: the network learns to move the mouth. `python -m training.speech.train_mouth --work DIR --minutes N`.

Targets: tracked clips (GRID, and the other clips after `training.speech.offsets` has measured how far their sound is
off), and for all other sound with known phones the curves of `training.speech.coarticulation`. What hears was trained
on hundreds of speakers and is left alone (or changed slowly, `--acoustic`), because the filmed people are few.
Writes `<work>/mouth.pt`, the weights that move held-out people and sentences best, and `<work>/speech.onnx`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from live.bench.lips import MIDDLE
from live.motion.face_model import FaceModel
from live.motion.landmark_groups import LEFT_IRIS, LIPS, RIGHT_IRIS
from live.motion.speech.network import mouth_matrix
from live.motion.speech.phone_classes import BILABIAL, CLASSES
from training.speech import coarticulation
from training.speech.batches import Batch, Item, Sampler, attach_phones, load_items
from training.speech.splits import held_out
from training.speech.stream_net import HIDDEN, StreamNet, export
from training.speech.train_phones import LONGEST_STEP_S, phone_loss, validate

SHARES = {"grid": 0.3, "video": 0.22, "librispeech": 0.2, "kathleen": 0.1, "tts": 0.12, "noise": 0.06}
PSEUDO_WEIGHT = 0.3
VIDEO_WEIGHT = 0.7
ANTICIPATION_S = 0.015
"""Targets are taken this much later than they are for, because a causal least-squares estimate tends to be late."""
LIP_CLASS_WEIGHT = 2.0
"""Weight of the bilabials in the phone loss: a closure that is missed is seen."""
SPREAD = 0.06
"""Usual standard deviation of a speaker's opening, in pupil distances; clips are brought towards it, because how far
somebody opens the mouth cannot be heard..."""
SPREAD_RANGE = 0.6, 1.8
"""...by a factor within these."""
LONGEST_LAG_S = 0.25


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


def attach(items: list[Item], work: Path, offsets: dict[str, float], geometry: Geometry) -> None:
    """Put mouth targets to the items, in place."""
    opening = geometry.opening.numpy()
    for item in items:
        if item.group == "noise":
            item.mouth_weight[:] = 1.0
            continue
        path = work / "targets" / f"{item.name}.npz"
        read = item.group == "grid" or item.name.startswith("grid_")
        if item.group not in ("grid", "video") or not path.exists() or not (read or item.name in offsets):
            continue
        data = np.load(path)
        # A positive offset: the sound is later than the picture.
        times = item.times - offsets.get(item.name, 0.0) + ANTICIPATION_S
        outside = (times < data["pts"][0] - 0.02) | (times > data["pts"][-1] + 0.02)
        weights = data["mouth"]
        if not read:
            weights = weights * np.clip(SPREAD / ((weights @ opening).std() + 1e-6), *SPREAD_RANGE)
        mouth = np.stack([np.interp(times, data["pts"], column) for column in np.clip(weights, 0.0, 1.0).T], 1)
        mouth[outside] = 0.0
        item.mouth = mouth.astype(np.float16)
        item.mouth_weight = np.where(outside, 0.3, 1.0 if read else VIDEO_WEIGHT).astype(np.float16)


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
def predicted_opening(net: StreamNet, item: Item, geometry: Geometry) -> NDArray[np.float32]:
    """What the network (in evaluation mode) hears, (T,), pupil distances."""
    mouth, _, _ = net(torch.from_numpy(item.features.astype(np.float32))[None])
    return np.asarray((mouth[0] @ geometry.opening).numpy())


def best_shift(
    item: Item, predicted: NDArray[np.float32], tracked: dict[str, NDArray[np.float64]]
) -> tuple[float, float]:
    """Seconds by which the sound of a clip is later than its picture, and the correlation of the openings then."""
    shifts = np.arange(-LONGEST_LAG_S, LONGEST_LAG_S + 1e-6, 0.01)
    curves = [np.interp(tracked["pts"] + shift, item.times, predicted) for shift in shifts]
    scores = [float(np.corrcoef(tracked["opening"], curve)[0, 1]) for curve in curves]
    best = int(np.argmax(scores))
    return float(shifts[best]), scores[best]


def validate_mouth(net: StreamNet, items: list[Item], work: Path, geometry: Geometry) -> tuple[float, str]:
    """Mean of two medians of correlation, GRID as it is and other people at their clip's best shift; and a text."""
    net.eval()
    read, free, scale, late = [], [], [], []
    done: set[str] = set()
    for item in items:
        path = work / "targets" / f"{item.name}.npz"
        if item.group not in ("grid", "video") or item.name in done or not path.exists():
            continue
        done.add(item.name)  # the clean copy comes first
        data = dict(np.load(path))
        predicted = predicted_opening(net, item, geometry)
        shift, score = best_shift(item, predicted, data)
        if item.group == "grid":
            now = np.interp(data["pts"], item.times, predicted)
            read.append(float(np.corrcoef(now, data["opening"])[0, 1]))
            scale.append(float(now.std() / data["opening"].std()))
            late.append(shift)
        else:
            free.append(score)
    net.train()
    text = (
        f"grid r {np.median(read):.3f} scale {np.median(scale):.2f} late {1000 * np.median(late):.0f} ms  "
        f"others r {np.median(free):.3f} (mean {np.mean(free):.3f})"
    )
    return 0.5 * float(np.median(read)) + 0.25 * float(np.median(free) + np.mean(free)), text


@torch.no_grad()
def hear_once(net: StreamNet, items: list[Item], sampler: Sampler) -> None:
    """Replace the features of items by what the network hears in them, (T, 192 + 28), in place: it will not change.

    Augmented copies are disguised before; the clean ones (the first of each recording) stay as they are.
    """
    net.eval()
    clean: set[str] = set()
    for item in tqdm(items, desc="hear", mininterval=10):
        features = item.features.astype(np.float32)
        if item.name in clean:
            sampler.disguise(features)
        clean.add(item.name)
        heard, logits, _ = net.hear(torch.from_numpy(features)[None], net.first_state())
        item.features = torch.cat((heard[0], logits[0]), 1).numpy().astype(np.float16)
    net.train()


def choose(items: list[Item], most: int) -> list[Item]:
    """All that was filmed, and at most `most` copies of every other group."""
    order = np.random.default_rng(2).permutation(len(items))
    counts: dict[str, int] = {}
    kept = []
    for index in order:
        item = items[int(index)]
        counts[item.group] = counts.get(item.group, 0) + 1
        if item.group in ("grid", "video") or counts[item.group] <= most:
            kept.append(item)
    return sorted(kept, key=lambda item: item.name)


def main() -> None:
    """Train for a given time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--acoustic", type=float, default=0.0, help="rate of what hears, relative to the mouth's")
    parser.add_argument("--unseen", type=int, default=300, help="copies of each group that nobody filmed")
    parser.add_argument("--keep-teacher", action="store_true", help="use the coarticulation model of the last run")
    parser.add_argument("--start", default="phones.pt", help="weights to start from, in the work folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    offsets_file = options.work / "offsets.json"
    offsets = json.loads(offsets_file.read_text()) if offsets_file.exists() else {}
    geometry = Geometry()
    items = load_items(options.work / "feat")
    attach_phones(items, options.work)
    attach(items, options.work, offsets, geometry)
    held = held_out(items)
    train = [i for i in items if i.name not in held]
    valid = [i for i in items if i.name in held]
    train = choose(train, options.unseen)
    if options.keep_teacher:
        teacher = coarticulation.Coarticulation().eval()
        teacher.load_state_dict(torch.load(options.work / "coarticulation.pt"))
    else:
        teacher = coarticulation.fit([i for i in train if i.group in ("grid", "video")])
    for item in train:
        if item.mouth_weight.max() == 0 and (item.phones >= 0).any():
            item.mouth = coarticulation.predict(teacher, item.phones)
            item.mouth_weight = np.where(item.phones >= 0, PSEUDO_WEIGHT, 0.0).astype(np.float16)
    train = [i for i in train if i.mouth_weight.max() > 0]
    filmed = {i.name for i in train if i.group == "video"}
    print(f"{len(train)} copies, {len(filmed)} clips: {' '.join(sorted(filmed))}", flush=True)
    torch.save(teacher.state_dict(), options.work / "coarticulation.pt")
    classes = torch.ones(len(CLASSES))
    classes[list(BILABIAL)] = LIP_CLASS_WEIGHT
    net = StreamNet()
    net.load_state_dict(torch.load(options.work / options.start))
    moving = [*net.speak.parameters(), *net.mouth.parameters()]
    hearing = [p for n, p in net.named_parameters() if not n.startswith(("speak.", "mouth."))]
    groups = [{"params": moving, "share": 1.0}, {"params": hearing, "share": options.acoustic}]
    optimizer = torch.optim.AdamW(groups, lr=options.rate, weight_decay=1e-3)
    frozen = options.acoustic == 0
    sampler = Sampler(train, SHARES, 200, 24, int(1000 * options.acoustic) + 1, disguise=not frozen)
    if frozen:
        hear_once(net, train, sampler)
    step, running, best, spent, checked, now = 0, np.zeros(2), 0.0, 0.0, 0.0, time.monotonic()
    while (share := spent / (60 * options.minutes)) < 1.0:
        for group in optimizer.param_groups:
            ramp = min(1.0, (step + 1) / 40) * max(0.03, 0.5 * (1 + np.cos(np.pi * share)))
            group["lr"] = options.rate * group["share"] * ramp
        batch = sampler.draw()
        state = net.first_state(len(batch.features))
        if frozen:
            heard, logits = batch.features.split((HIDDEN, len(CLASSES)), 2)
        else:
            heard, logits, _ = net.hear(batch.features, state)
        mouth, _ = net.move(heard, logits, state)
        moved = mouth_loss(mouth, batch, geometry)
        spoken = phone_loss(logits, batch, doubt=True, classes=classes)
        loss = 0.3 * moved + (0.0 if frozen else spoken)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        running += (np.array([spoken.item(), moved.item()]) - running) / min(step, 50)
        before, now = now, time.monotonic()
        spent += min(now - before, LONGEST_STEP_S)
        if spent - checked > 60 or spent >= 60 * options.minutes:
            checked = spent
            score, text = validate_mouth(net, valid, options.work, geometry)
            print(
                f"{100 * share:5.1f} %  step {step}  phones {running[0]:.3f}  mouth {running[1]:.3f}  {text}",
                flush=True,
            )
            if score > best:
                best = score
                torch.save(net.state_dict(), options.work / "mouth.pt")
    net.load_state_dict(torch.load(options.work / "mouth.pt"))
    print(f"done: {validate_mouth(net, valid, options.work, geometry)[1]}\n{validate(net, valid)[1]}")
    export(net, options.work / "speech.onnx")


if __name__ == "__main__":
    main()
