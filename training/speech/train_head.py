"""Trains the head motion flow: `python -m training.speech.train_head --work DIR`; writes `<work>/speech_head.npz`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from live.motion.speech.head_flow import CHANNELS, HISTORY, SOUND_FRAMES
from training.speech.head_clips import HeadClip, load_head_clips

COUNT = len(CHANNELS)
HALF = COUNT // 2
CONTEXT = 64
HIDDEN = 64


class Flow(nn.Module):
    """The flow of `live.motion.speech.head_flow`, from motion to noise, with its likelihood."""

    def __init__(self, steps: int = 6) -> None:
        super().__init__()
        self.steps = steps
        self.context = nn.Linear(HISTORY * COUNT + SOUND_FRAMES * 2, CONTEXT)
        self.shift = nn.ParameterList(nn.Parameter(torch.zeros(COUNT)) for _ in range(steps))
        self.log_scale = nn.ParameterList(nn.Parameter(torch.zeros(COUNT)) for _ in range(steps))
        generator = torch.Generator().manual_seed(3)
        for k in range(steps):
            mix, _ = torch.linalg.qr(torch.randn(COUNT, COUNT, generator=generator))
            self.register_buffer(f"mix{k}", mix)
        self.couplings = nn.ModuleList()
        for _ in range(steps):
            last = nn.Linear(HIDDEN, 2 * (COUNT - HALF))
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            layers = (nn.Linear(HALF + CONTEXT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), last)
            self.couplings.append(nn.Sequential(*layers))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Negative log likelihood per dimension of frames (B, 9) given conditions (B, 102)."""
        context = torch.tanh(self.context(condition))
        volume = torch.zeros(len(x))
        for k in range(self.steps):
            x = x * self.log_scale[k].exp() + self.shift[k]
            volume = volume + self.log_scale[k].sum()
            x = x @ getattr(self, f"mix{k}")
            kept, changed = x[:, :HALF], x[:, HALF:]
            shift, log_scale = self.couplings[k](torch.cat((kept, context), 1)).chunk(2, 1)
            log_scale = torch.tanh(log_scale)
            x = torch.cat((kept, changed * log_scale.exp() + shift), 1)
            volume = volume + log_scale.sum(1)
        return ((0.5 * x**2 + 0.9189).sum(1) - volume).mean() / COUNT

    def save(self, path: Path, scale: np.ndarray) -> None:  # type: ignore[type-arg]
        """Write what `HeadFlow` reads."""
        arrays = {"scale": scale.astype(np.float32), "steps": np.int64(self.steps)}
        arrays["context_weight"] = self.context.weight.detach().numpy().T
        arrays["context_bias"] = self.context.bias.detach().numpy()
        for k in range(self.steps):
            arrays[f"shift{k}"] = self.shift[k].detach().numpy()
            arrays[f"log_scale{k}"] = self.log_scale[k].detach().numpy()
            arrays[f"unmix{k}"] = getattr(self, f"mix{k}").numpy().T
            for name, layer in zip(("in", "mid", "out"), self.couplings[k][::2], strict=True):
                arrays[f"{name}_weight{k}"] = layer.weight.detach().numpy().T
                arrays[f"{name}_bias{k}"] = layer.bias.detach().numpy()
        np.savez_compressed(
            path, **{n: np.asarray(a, a.dtype if n == "steps" else np.float16) for n, a in arrays.items()}
        )


def examples(clips: list[HeadClip], scale: np.ndarray) -> tuple[Tensor, Tensor]:  # type: ignore[type-arg]
    """Frames (N, 9) in units of `scale` and their conditions (N, 102)."""
    frames, conditions = [], []
    for clip in clips:
        motion = np.concatenate((np.zeros((HISTORY, COUNT), np.float32), clip.motion / scale))
        quiet = np.tile(np.array([[-2.0, 0.0]], np.float32), (SOUND_FRAMES - 1, 1))
        sound = np.concatenate((quiet, clip.sound))
        for t in range(HISTORY, len(clip.motion)):
            frames.append(motion[t + HISTORY])
            conditions.append(np.concatenate((motion[t : t + HISTORY].ravel(), sound[t : t + SOUND_FRAMES].ravel())))
    return torch.from_numpy(np.stack(frames)), torch.from_numpy(np.stack(conditions).astype(np.float32))


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument("--iterations", type=int, default=2500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    clips = load_head_clips(options.work)
    free = [c for c in clips if c.group == "video" and not c.name.startswith("grid_")]
    read = [c for c in clips if c.name.startswith("grid_")]
    scale = np.sqrt(np.mean(np.concatenate([c.motion for c in free]) ** 2, axis=0)) + 1e-3
    print(f"{len(free)} free and {len(read)} read clips; usual size {np.round(scale, 3)}", flush=True)
    x, condition = examples(free, scale)
    x_read, condition_read = examples(read[::4], scale)  # readers hold still: a quarter of them, for silence and onset
    x, condition = torch.cat((x, x_read)), torch.cat((condition, condition_read))
    flow = Flow()
    optimizer = torch.optim.AdamW(flow.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.iterations, 1e-5)
    running = 0.0
    for i in range(options.iterations):
        rows = torch.randint(len(x), (256,))
        given = condition[rows].clone()
        # MoGlow's data dropout: with its past hidden now and then, the flow has to listen to the sound.
        hidden = torch.rand(len(rows), HISTORY, 1) < 0.35 * (torch.rand(len(rows), 1, 1) < 0.6)
        past = given[:, : HISTORY * COUNT].view(-1, HISTORY, COUNT)
        past = past * ~hidden + 0.03 * torch.randn_like(past)
        given = torch.cat((past.flatten(1), given[:, HISTORY * COUNT :]), 1)
        loss = flow(x[rows] + 0.02 * torch.randn(len(rows), COUNT), given)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        running += (loss.item() - running) / min(i + 1, 200)
        if (i + 1) % 250 == 0:
            print(f"{100 * (i + 1) / options.iterations:4.0f} %  nll {running:.3f}", flush=True)
    flow.save(options.work / "speech_head.npz", scale)


if __name__ == "__main__":
    main()
