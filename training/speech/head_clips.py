"""Head, brow, lid and gaze motion of the tracked clips at 25 frames per second, with the sound that went with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from live.motion.arkit import ARKIT_INDEX
from live.motion.speech.features import FEATURES, MELS
from live.motion.speech.head_flow import FRAME_S
from training.speech.batches import load_items
from training.speech.stream_net import StreamNet


@dataclass
class HeadClip:
    """`motion` float32 (n, 9), `head_flow.CHANNELS` about the clip's median; `sound` (n, 2) loudness and speech."""

    name: str
    group: str
    motion: NDArray[np.float32]
    sound: NDArray[np.float32]


def channels(rotation: NDArray[np.float32], blendshapes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 3) and (n, 52) → (n, 9) about the median."""

    def mean(*names: str) -> NDArray[np.float32]:
        return np.asarray(np.mean([blendshapes[:, ARKIT_INDEX[name]] for name in names], axis=0))

    right = mean("eyeLookOutLeft", "eyeLookInRight") - mean("eyeLookInLeft", "eyeLookOutRight")
    up = mean("eyeLookUpLeft", "eyeLookUpRight") - mean("eyeLookDownLeft", "eyeLookDownRight")
    lids = mean("eyeBlinkLeft", "eyeBlinkRight")
    columns = [
        *gaussian_filter1d(rotation, 1.0, axis=0).T,
        gaussian_filter1d(mean("browInnerUp"), 1.0),
        gaussian_filter1d(mean("browOuterUpLeft", "browOuterUpRight"), 1.0),
        gaussian_filter1d(mean("browDownLeft", "browDownRight"), 1.0),
        lids,
        right,
        # Blinks drag the tracker's gaze down.
        up + 0.6 * np.maximum(lids - np.median(lids), 0.0),
    ]
    motion = np.stack(columns, 1)
    return (motion - np.median(motion, axis=0)).astype(np.float32)


@torch.no_grad()
def load_head_clips(work: Path) -> list[HeadClip]:
    """All tracked clips with sound."""
    net = StreamNet()
    net.load_state_dict(torch.load(work / "phones.pt"))
    net.eval()
    clips = []
    for item in load_items(work / "feat", pattern="*.0.npz"):
        path = work / "targets" / f"{item.name}.npz"
        if item.group not in ("grid", "video") or not path.exists():
            continue
        data = np.load(path)
        _, logits, _ = net(torch.from_numpy(item.features.astype(np.float32))[None])
        speech = 1.0 - logits[0].softmax(1)[:, 0].numpy()
        loud = item.features[:, [MELS, FEATURES + MELS]].astype(np.float32).mean(1)
        grid = np.arange(data["pts"][0], min(data["pts"][-1], item.times[-1]), FRAME_S)
        raw = channels(data["rotation"], data["blendshapes"])
        if np.abs(raw[:, :3]).max() > 0.6 or len(grid) < 40:  # cuts and profile views
            continue
        motion = np.stack([np.interp(grid, data["pts"], column) for column in raw.T], 1)
        sound = np.stack([np.interp(grid, item.times, column) for column in (loud, speech)], 1)
        clips.append(HeadClip(item.name, item.group, motion.astype(np.float32), sound.astype(np.float32)))
    return clips
