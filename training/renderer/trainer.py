"""The training loop: resumes where it stopped, runs for a number of minutes, leaves averaged weights behind."""

from __future__ import annotations

import copy
import json
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor, nn

from live.render.live_network.config import LiveConfig
from live.render.live_network.model import LivePIRenderer
from live.render.live_network.runtime import shipped_weights
from live.render.live_network.weights import load_weights, save_weights
from training.renderer.cache import CachedSamples
from training.renderer.face_features import FaceFeatures
from training.renderer.losses import PatchDiscriminator
from training.renderer.objective import (
    Batch,
    base_loss,
    detail_loss,
    judge_loss,
    run_base,
    run_eyes,
    run_mouth,
)
from training.renderer.settings import Settings, Stage
from training.renderer.validation import validate

LARGEST_GRADIENT = 1.0
SAVE_SECONDS = 90.0
"""A machine that is lent for minutes may be taken away at any of them."""
WARM = shipped_weights() / "live_pirenderer.safetensors"
"""Where a machine without a checkpoint begins."""
PARTS = ("mouth", "eyes", "base")
STATEFUL = ("model", "average", "judges", "judge_optimiser")


class Fakes(NamedTuple):
    """What a discriminator learns from: true crops, their regions, and the crops that the network drew."""

    target: Tensor
    regions: Tensor
    final: Tensor


def open_board(folder: Path) -> Any:
    """TensorBoard's writer, or one that forgets where it is not installed (`history.jsonl` keeps what matters)."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return Forgetful()
    return SummaryWriter(str(folder))


class Forgetful:
    """Stands in for TensorBoard."""

    def add_scalar(self, *_: object) -> None:
        """Nothing is kept."""

    def flush(self) -> None:
        """Nothing is waiting."""


class Trainer:
    """Owns networks, optimisers and the sample stream.

    Args:
        settings: the configuration.
        faces: of the face-recognition network, see `FaceFeatures`.
        device: "cpu" or "cuda".
    """

    def __init__(self, settings: Settings, faces: Path, device: str) -> None:
        self.settings, self.device = settings, torch.device(device)
        torch.set_num_threads(settings.threads)
        torch.manual_seed(1)
        settings.folder.mkdir(parents=True, exist_ok=True)
        self.model = LivePIRenderer(LiveConfig()).to(self.device)
        self.average = copy.deepcopy(self.model).requires_grad_(False).eval()
        self.judges = nn.ModuleDict({"mouth": PatchDiscriminator(2), "eyes": PatchDiscriminator(2)}).to(self.device)
        self.faces = FaceFeatures(faces).to(self.device).requires_grad_(False)
        self.optimisers = {
            part: torch.optim.AdamW(
                getattr(self.model, part).parameters(), settings.learning_rate, (0.9, 0.99), weight_decay=1e-4
            )
            for part in PARTS
        }
        self.judge_optimiser = torch.optim.AdamW(self.judges.parameters(), settings.discriminator_rate, (0.5, 0.99))
        self.stopping = False
        self.samples = 0
        self.seconds = 0.0
        self.runs = 0
        self.checkpoint = settings.folder / "last.pt"
        if self.checkpoint.is_file():
            self._load()
        elif WARM.is_file():
            self._warm_start()
        self.runs += 1
        self.board = open_board(settings.folder / "log")
        self.log = (settings.folder / "history.jsonl").open("a")

    def _warm_start(self) -> None:
        """Go on from the weights of another machine; its optimisers' state is lost."""
        state = load_weights(WARM).state_dict()
        self.model.load_state_dict(state)
        self.average.load_state_dict(state)
        with safe_open(WARM, "pt") as file:
            notes = file.metadata()
        self.samples, self.seconds = int(notes["samples"]), 3600 * float(notes["training_hours"])
        print(f"warm start from {WARM} at {self.samples} samples", flush=True)

    def _load(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        for name in STATEFUL:
            getattr(self, name).load_state_dict(state[name])
        for part, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][part])
        self.samples, self.seconds, self.runs = state["samples"], state["seconds"], state["runs"]

    def save(self) -> None:
        """Write the checkpoint (all state) and the averaged weights, each replaced in one step."""
        state = {name: getattr(self, name).state_dict() for name in STATEFUL}
        state["optimisers"] = {part: optimiser.state_dict() for part, optimiser in self.optimisers.items()}
        facts = {"samples": self.samples, "seconds": self.seconds, "runs": self.runs}
        temporary = self.checkpoint.with_suffix(".partial")
        torch.save({**state, **facts}, temporary)
        temporary.replace(self.checkpoint)
        notes = {"samples": str(self.samples), "training_hours": f"{self.seconds / 3600:.2f}"}
        save_weights(self.average, self.settings.folder / "live_pirenderer.safetensors", notes)

    def _stream(self, size: int) -> Iterator[Batch]:
        return CachedSamples(self.settings.cache / str(size), self.runs, self.device).batches(self.settings.batch)

    def run(self, minutes: float) -> None:
        """Train for `minutes`, then save and return; progress goes to TensorBoard and standard output."""
        begun = last_check = last_save = time.monotonic()
        terms: dict[str, list[Tensor]] = defaultdict(list)
        size, stream, steps = 0, iter(()), 0
        signal.signal(signal.SIGTERM, self._stop)
        try:
            while time.monotonic() - begun < 60 * minutes and not self.stopping:
                stage = self.settings.stage(self.samples)
                if stage.size != size:
                    size, stream = stage.size, self._stream(stage.size)
                start = time.monotonic()
                for name, value in self._step(next(stream), stage, steps).items():
                    terms[name].append(value.detach())
                self.samples += self.settings.batch
                self.seconds += time.monotonic() - start
                steps += 1
                if steps % 50 == 0:
                    self._report(stage, terms, time.monotonic() - begun, steps)
                    terms.clear()
                if time.monotonic() - last_save > SAVE_SECONDS:
                    self.save()
                    last_save = time.monotonic()
                if time.monotonic() - last_check > 60 * self.settings.minutes_between_checks:
                    self.check(stage)
                    last_check = time.monotonic()
        finally:
            self.save()
        if not self.stopping:
            self.check(self.settings.stage(self.samples))

    def _stop(self, *_: object) -> None:
        """Save and leave after the current step: what SIGTERM does."""
        self.stopping = True

    def _step(self, batch: Batch, stage: Stage, number: int) -> dict[str, Tensor]:
        """One step of every part whose turn it is; the mouth's is always."""
        turns = {"mouth": 1, "eyes": stage.eyes_every, "base": stage.base_every}
        self._pace(stage)
        seen: dict[str, Tensor] = {}
        for part, every in turns.items():
            if number % every:
                continue
            fakes: Fakes | None = None
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16):
                if part == "base":
                    loss, terms = self._base(batch, stage)
                else:
                    loss, terms, fakes = self._detail(part, batch, stage)
            optimiser = self.optimisers[part]
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            network = getattr(self.model, part)
            norm = nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
            if torch.isfinite(norm):
                optimiser.step()
            self._follow(network, getattr(self.average, part))
            # Only now: the network's gradient needs the judge as it was.
            if fakes is not None and stage.adversarial:
                terms["judge"] = self._train_judge(part, fakes)
            seen |= {f"{part}/{name}": value for name, value in terms.items()}
        return seen

    def _pace(self, stage: Stage) -> None:
        """Give every optimiser the stage's learning rate; a checkpoint brings along that of its own stage."""
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = self.settings.learning_rate * stage.rate
        for group in self.judge_optimiser.param_groups:
            group["lr"] = self.settings.discriminator_rate * stage.rate

    def _base(self, batch: Batch, stage: Stage) -> tuple[Tensor, dict[str, Tensor]]:
        faces = self.faces if stage.perceptual else None
        return base_loss(batch, run_base(self.model, batch), self.settings.base, faces, edit=stage.edit)

    def _detail(self, part: str, batch: Batch, stage: Stage) -> tuple[Tensor, dict[str, Tensor], Fakes]:
        result = run_mouth(self.model, batch) if part == "mouth" else run_eyes(self.model, batch)
        target, regions = batch[f"target_{part}"], batch[f"{part}_regions"]
        if part == "eyes":
            target, regions = target.flatten(0, 1), regions.flatten(0, 1)
        weights = self.settings.mouth if part == "mouth" else self.settings.eyes
        judge = self.judges[part] if stage.adversarial else None
        faces = self.faces if stage.perceptual else None
        loss, terms = detail_loss(target, regions, result, weights, faces, judge, stage.adversarial)
        return loss, terms, Fakes(target, regions, result.final.detach())

    def _train_judge(self, part: str, fakes: Fakes) -> Tensor:
        """One step of a region's discriminator; returns its loss."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16):
            loss = judge_loss(self.judges[part], *fakes)
        self.judge_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.judge_optimiser.step()
        return loss

    def _follow(self, network: nn.Module, average: nn.Module) -> None:
        """Move the running average towards the network; quickly at first."""
        steps = self.samples / self.settings.batch
        decay = min(self.settings.ema, (1 + steps) / (10 + steps))
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)

    def _report(self, stage: Stage, terms: dict[str, list[Tensor]], elapsed: float, steps: int) -> None:
        means = {name: float(torch.stack(values).mean()) for name, values in terms.items()}
        for name, value in means.items():
            self.board.add_scalar(f"train/{name}", value, self.samples)
        rate = steps * self.settings.batch / elapsed
        text = " ".join(f"{name} {value:.4f}" for name, value in means.items())
        print(f"{self.samples} {stage.name} {rate:.1f}/s {text}", flush=True)

    def check(self, stage: Stage) -> None:
        """Save, measure on people that training never sees, and draw a preview sheet."""
        self.save()
        path = self.settings.folder / "previews" / f"{self.samples:07d}.png"
        figures = validate(self.average, self.settings, stage.size, self.device, path)
        for name, value in figures.items():
            self.board.add_scalar(f"validation/{name}", value, self.samples)
        self.board.flush()
        row = {"samples": self.samples, "stage": stage.name, "hours": round(self.seconds / 3600, 3), **figures}
        self.log.write(json.dumps(row) + "\n")
        self.log.flush()
        print("validation " + " ".join(f"{name} {value:.4f}" for name, value in figures.items()), flush=True)
