"""`python -m training.renderer`: train (default), or export what was trained.

python -m training.renderer.pack --data DIR              # once: crops and fits
python -m training.renderer --minutes 60 --data DIR      # train, resume, repeat
python -m training.renderer export --out live/assets/weights
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from live.render.live_network.weights import load_weights
from training.renderer.settings import Settings
from training.renderer.trainer import Trainer


def main() -> None:
    """Train for some minutes, resuming; or export the averaged weights to safetensors and ONNX."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("action", nargs="?", choices=("train", "export"), default="train")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("config.toml"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--pack", type=Path, help="default: the configuration's")
    parser.add_argument("--faces", type=Path, help="face-recognition network (default: the configuration's in --data)")
    parser.add_argument("--batch", type=int, help="default: the configuration's; 96 and more on a GPU")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=Path("live/assets/weights"))
    arguments = parser.parse_args()
    settings = Settings.read(arguments.config)
    settings = replace(settings, pack=arguments.pack or settings.pack, batch=arguments.batch or settings.batch)
    if arguments.action == "train":
        faces = arguments.faces or arguments.data / settings.face_network
        Trainer(settings, faces, arguments.device).run(arguments.minutes)
        return
    from live.render.live_network.onnx_export import export_onnx  # deferred: training does not need ONNX

    weights = settings.folder / "live_pirenderer.safetensors"
    model = load_weights(weights)
    arguments.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(weights, arguments.out / weights.name)
    for path in export_onnx(model, arguments.out):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
