"""Measuring on people that training never sees, against the geometric picture, and a sheet to look at."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from live.frames import FloatArray, Image
from live.render.live_network.model import LivePIRenderer
from training.renderer.losses import regional_l1
from training.renderer.objective import Batch, run_base, run_eyes, run_mouth
from training.renderer.samples import Samples
from training.renderer.settings import Settings

SHEET_ROWS = 10
CHUNK = 8


@cache
def held_out_samples(pack: Path, size: int, count: int) -> list[dict[str, FloatArray]]:
    """The same samples every time."""
    config = replace(LivePIRenderer().config, size=size)
    return list(islice(iter(Samples(pack, config, held_out=True, seed=7, augment=False)), count))


def validate(
    model: LivePIRenderer, settings: Settings, size: int, device: torch.device, sheet: Path
) -> dict[str, float]:
    """Mean absolute errors (0…1 picture range) by region, for the network and for the geometric picture.

    Args:
        model: in evaluation mode.
        settings: where the data is and how many samples to use.
        size: of the base network's pictures.
        device: where to run.
        sheet: PNG file to write.
    """
    errors: dict[str, list[Tensor]] = {}
    rows: list[Image] = []
    samples = held_out_samples(settings.pack, size, settings.validation_samples)
    for start in range(0, len(samples), CHUNK):
        batch: Batch = {k: v.to(device) for k, v in default_collate(samples[start : start + CHUNK]).items()}
        with torch.inference_mode():
            _, moved, final = run_base(model, batch)
            mouth, eyes = run_mouth(model, batch), run_eyes(model, batch)
        eye_target, eye_crops = batch["target_eyes"].flatten(0, 1), batch["eyes"].flatten(0, 1)
        triples = {
            "base": (batch["composite"], final, batch["target"], batch["regions"]),
            "moved": (batch["composite"], moved, batch["target"], batch["regions"]),
            "mouth": (batch["mouth"][:, :3], mouth.final, batch["target_mouth"], batch["mouth_regions"]),
            "eyes": (eye_crops[:, :3], eyes.final, eye_target, batch["eyes_regions"].flatten(0, 1)),
        }
        for name, (before, after, target, regions) in triples.items():
            for kind, picture in (("geometric", before), ("network", after)):
                whole = (picture - target).abs().mean() / 2
                parts = regional_l1(picture, target, regions[:, :2]) / 2
                errors.setdefault(f"{name}_all_{kind}", []).append(whole)
                errors.setdefault(f"{name}_inner_{kind}", []).append(parts[0])
                errors.setdefault(f"{name}_ring_{kind}", []).append(parts[1])
        for i in range(len(final)):
            if len(rows) < SHEET_ROWS:
                rows.append(
                    _row(
                        [batch["portrait"][i], batch["composite"][i], final[i], batch["target"][i]],
                        [batch["mouth"][i, :3], mouth.final[i], batch["target_mouth"][i]],
                        [eye_crops[2 * i, :3], eyes.final[2 * i], eye_target[2 * i]],
                    )
                )
    sheet.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(sheet), np.vstack(rows)[..., ::-1])
    return {name: float(torch.stack(values).mean()) for name, values in errors.items()}


def _row(pictures: list[Tensor], mouths: list[Tensor], eyes: list[Tensor]) -> Image:
    """Portrait, geometric, network, truth; then mouth crops and eye crops: geometric, network, truth."""
    large = [_picture(p, 192) for p in pictures]
    return np.hstack(large + [_picture(p, 192) for p in mouths] + [_picture(p, 192) for p in eyes])


def _picture(tensor: Tensor, side: int) -> Image:
    array = ((tensor.float().cpu().numpy().transpose(1, 2, 0) + 1) * 127.5 + 0.5).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(array, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)
