"""The training objective: what each of the three networks is asked for."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from live.render.live_network.base import BaseOutput, displaced
from live.render.live_network.detail import DetailNet
from live.render.live_network.model import LivePIRenderer
from training.renderer.face_features import FaceFeatures, align
from training.renderer.losses import (
    PatchDiscriminator,
    discriminator_loss,
    feature_loss,
    gradient_loss,
    regional_l1,
    smoothness,
)
from training.renderer.settings import BaseWeights, DetailWeights

Batch = dict[str, Tensor]


class DetailResult(NamedTuple):
    """A region network's output: `rgb`, `mask` and the blended crop `final`."""

    rgb: Tensor
    mask: Tensor
    final: Tensor


def run_base(model: LivePIRenderer, batch: Batch) -> tuple[BaseOutput, Tensor, Tensor]:
    """The base network on a batch: its output, the displaced geometric picture, and the blended picture."""
    features = model.base.portrait_features(batch["portrait"])
    out = model.base(features, batch["composite"], batch["prior"], batch["window"])
    out = BaseOutput(*(value.float() for value in out))
    moved = displaced(batch["composite"], out.residual)
    return out, moved, moved + out.change


def run_detail(net: DetailNet, portrait: Tensor, crop: Tensor, window: Tensor) -> DetailResult:
    """A region network on a batch of crops."""
    rgb, mask = net(net.portrait_features(portrait), crop[:, :3], crop[:, 3:], window)
    rgb, mask = rgb.float(), mask.float()
    return DetailResult(rgb, mask, crop[:, :3] + mask * (rgb - crop[:, :3]))


def run_mouth(model: LivePIRenderer, batch: Batch) -> DetailResult:
    """The mouth network on a batch."""
    return run_detail(model.mouth, batch["portrait_mouth"], batch["mouth"], batch["window"])


def run_eyes(model: LivePIRenderer, batch: Batch) -> DetailResult:
    """The eye network on a batch; both eyes of each sample follow each other."""
    windows = model.eye_windows(batch["window"])
    return run_detail(model.eyes, batch["portrait_eyes"].flatten(0, 1), batch["eyes"].flatten(0, 1), windows)


def base_loss(
    batch: Batch,
    result: tuple[BaseOutput, Tensor, Tensor],
    weights: BaseWeights,
    faces: FaceFeatures | None,
    *,
    edit: bool,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of the base network and its terms; before `edit`, of the displaced picture (the flow) alone."""
    out, moved, final = result
    target, regions = batch["target"], batch["regions"]
    region_weights = torch.tensor(weights.regions, device=target.device)
    everywhere = torch.ones_like(regions[:, :1])
    flow = regional_l1(moved, target, regions)
    terms = {
        "displaced": weights.displaced * (flow * region_weights).sum(),
        "smooth": weights.smooth * smoothness(out.residual),
    }
    if edit:
        terms["l1"] = (regional_l1(final, target, regions) * region_weights).sum()
        terms["gradient"] = weights.gradient * gradient_loss(final, target, everywhere)
        terms["mask"] = weights.mask * out.mask.mean()
        if faces is not None:
            real, fake = align(target, batch["five_points"]), align(final, batch["five_points"])
            with torch.no_grad():
                wanted = faces.shallow(real)
            terms["perceptual"] = weights.perceptual * feature_loss(faces.shallow(fake), wanted)
            if weights.identity > 0:
                with torch.no_grad():
                    identity = faces.embedding(real)
                terms["identity"] = weights.identity * (1 - (faces.embedding(fake) * identity).sum(1)).mean()
    else:
        terms["gradient"] = weights.gradient * gradient_loss(moved, target, everywhere)
    return torch.stack(list(terms.values())).sum(), terms


def detail_loss(
    target: Tensor,
    regions: Tensor,
    result: DetailResult,
    weights: DetailWeights,
    faces: FaceFeatures | None,
    judge: PatchDiscriminator | None,
    adversarial: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a region network and its terms. `judge` is the region's discriminator, if it takes part yet."""
    region_weights = torch.tensor(weights.regions, device=target.device)
    focus = (regions[:, :2].sum(1, keepdim=True) + 0.2).clamp(0, 1)
    terms = {
        "l1": (regional_l1(result.final, target, regions) * region_weights).sum(),
        "direct": weights.direct * (regional_l1(result.rgb, target, regions)[:2] * region_weights[:2]).sum(),
        "gradient": weights.gradient * gradient_loss(result.final, target, focus),
    }
    if faces is not None:
        with torch.no_grad():
            wanted = faces.shallow(target)
        terms["perceptual"] = weights.perceptual * feature_loss(faces.shallow(result.final), wanted)
    if judge is not None and adversarial > 0:
        score, fake_features = judge(result.final, regions[:, :2])
        with torch.no_grad():
            _, real_features = judge(target, regions[:, :2])
        terms["adversarial"] = -adversarial * score.mean()
        terms["matching"] = 10 * adversarial * feature_loss(fake_features, real_features)
    return torch.stack(list(terms.values())).sum(), terms


def judge_loss(judge: PatchDiscriminator, target: Tensor, regions: Tensor, final: Tensor) -> Tensor:
    """Loss of a discriminator on real and drawn crops."""
    guide = regions[:, :2]
    return discriminator_loss(judge(target, guide)[0], judge(final.detach(), guide)[0])
