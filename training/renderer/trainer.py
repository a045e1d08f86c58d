"""The training loop: resumes where it stopped, runs for a number of minutes, leaves averaged weights behind."""

from __future__ import annotations

import copy
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from live.render.live_network.config import LiveConfig
from live.render.live_network.model import LivePIRenderer
from live.render.live_network.weights import save_weights
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
from training.renderer.samples import Samples
from training.renderer.settings import Settings, Stage
from training.renderer.validation import validate

LARGEST_GRADIENT = 1.0


class Trainer:
    """Owns networks, optimisers and the sample stream.

    Args:
        settings: the configuration.
        data: folder with `nets/`.
        device: "cpu" or "cuda".
    """

    def __init__(self, settings: Settings, data: Path, device: str) -> None:
        self.settings, self.device = settings, torch.device(device)
        torch.set_num_threads(settings.threads)
        torch.manual_seed(1)
        settings.folder.mkdir(parents=True, exist_ok=True)
        self.model = LivePIRenderer(LiveConfig()).to(self.device)
        self.average = copy.deepcopy(self.model).requires_grad_(False).eval()
        self.judges = nn.ModuleDict({"mouth": PatchDiscriminator(2), "eyes": PatchDiscriminator(2)}).to(self.device)
        self.faces = FaceFeatures(data / settings.face_network).to(self.device).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), settings.learning_rate, (0.9, 0.99), weight_decay=1e-4
        )
        self.judge_optimiser = torch.optim.AdamW(self.judges.parameters(), settings.discriminator_rate, (0.5, 0.99))
        if self.device.type == "cpu":
            self.model = self.model.to(memory_format=torch.channels_last)
        self.samples = 0
        self.seconds = 0.0
        self.runs = 0
        self.checkpoint = settings.folder / "last.pt"
        if self.checkpoint.is_file():
            self._load()
        self.runs += 1
        self.board = SummaryWriter(str(settings.folder / "log"))
        self.log = (settings.folder / "history.jsonl").open("a")

    def _load(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        for name in ("model", "average", "judges", "optimiser", "judge_optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.samples, self.seconds, self.runs = state["samples"], state["seconds"], state["runs"]

    def save(self) -> None:
        """Write the checkpoint (all state) and the averaged weights, each replaced in one step."""
        names = ("model", "average", "judges", "optimiser", "judge_optimiser")
        state = {name: getattr(self, name).state_dict() for name in names}
        facts = {"samples": self.samples, "seconds": self.seconds, "runs": self.runs}
        temporary = self.checkpoint.with_suffix(".partial")
        torch.save({**state, **facts}, temporary)
        temporary.replace(self.checkpoint)
        notes = {"samples": str(self.samples), "training_hours": f"{self.seconds / 3600:.2f}"}
        save_weights(self.average, self.settings.folder / "live_pirenderer.safetensors", notes)

    def _stream(self, size: int) -> Iterator[Batch]:
        workers = self.settings.workers
        samples = Samples(
            self.settings.pack, replace(self.model.config, size=size), held_out=False, seed=self.runs, augment=True
        )
        loader: DataLoader[Batch] = DataLoader(
            samples,
            batch_size=self.settings.batch,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            multiprocessing_context="spawn" if workers else None,
        )
        for batch in loader:
            yield {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}

    def run(self, minutes: float) -> None:
        """Train for `minutes`, then save and return; progress goes to TensorBoard and standard output."""
        begun = last_check = time.monotonic()
        terms: dict[str, list[Tensor]] = defaultdict(list)
        size, stream, steps = 0, iter(()), 0
        while time.monotonic() - begun < 60 * minutes:
            stage = self.settings.stage(self.samples)
            if stage.size != size:
                size, stream = stage.size, self._stream(stage.size)
            start = time.monotonic()
            for name, value in self._step(next(stream), stage).items():
                terms[name].append(value.detach())
            self.samples += self.settings.batch
            self.seconds += time.monotonic() - start
            steps += 1
            if steps % 50 == 0:
                self._report(stage, terms, time.monotonic() - begun, steps)
                terms.clear()
            if time.monotonic() - last_check > 60 * self.settings.minutes_between_checks:
                self.check(stage)
                last_check = time.monotonic()
        self.check(self.settings.stage(self.samples))

    def _step(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        settings = self.settings
        cast = torch.autocast(self.device.type, torch.bfloat16, enabled=settings.bf16)
        with cast:
            base = run_base(self.model, batch)
            mouth, eyes = run_mouth(self.model, batch), run_eyes(self.model, batch)
            eye_target, eye_regions = batch["target_eyes"].flatten(0, 1), batch["eyes_regions"].flatten(0, 1)
            judges = [self.judges["mouth"], self.judges["eyes"]] if stage.adversarial else [None, None]
            parts = {
                "base": base_loss(batch, base, settings.base, self.faces, edit=stage.edit),
                "mouth": detail_loss(
                    batch["target_mouth"], batch["mouth_regions"], mouth, settings.mouth, self.faces, judges[0],
                    stage.adversarial,
                ),
                "eyes": detail_loss(
                    eye_target, eye_regions, eyes, settings.eyes, self.faces, judges[1], stage.adversarial
                ),
            }  # fmt: skip
            total = torch.stack([loss for loss, _ in parts.values()]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        # Each network has its own norm: a large step of one must not shrink the others'.
        for part in (self.model.base, self.model.mouth, self.model.eyes):
            nn.utils.clip_grad_norm_(part.parameters(), LARGEST_GRADIENT)
        if torch.isfinite(total):
            self.optimiser.step()
        # The average follows quickly at first.
        decay = min(settings.ema, (1 + self.samples / settings.batch) / (10 + self.samples / settings.batch))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), self.model.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        seen = {f"{part}/{name}": value for part, (_, terms) in parts.items() for name, value in terms.items()}
        if stage.adversarial:
            with cast:
                judged = judge_loss(judges[0], batch["target_mouth"], batch["mouth_regions"], mouth.final)
                judged = judged + judge_loss(judges[1], eye_target, eye_regions, eyes.final)
            self.judge_optimiser.zero_grad(set_to_none=True)
            judged.backward()
            self.judge_optimiser.step()
            seen["judges"] = judged
        return {**seen, "total": total}

    def _report(self, stage: Stage, terms: dict[str, list[Tensor]], elapsed: float, steps: int) -> None:
        means = {name: float(torch.stack(values).mean()) for name, values in terms.items()}
        for name, value in means.items():
            self.board.add_scalar(f"train/{name}", value, self.samples)
        rate = steps * self.settings.batch / elapsed
        text = " ".join(f"{name} {value:.4f}" for name, value in means.items() if name != "total")
        print(f"{self.samples} {stage.name} {rate:.1f}/s total {means['total']:.4f} {text}", flush=True)

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
