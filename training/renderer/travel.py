"""A pack small enough to carry: fewer frames, stronger compression, for a machine that has a GPU for some minutes.

The folder has the pack's own format and holds the face-recognition network too, as safetensors: nothing else is read
there, and neither the clips nor `onnx` are needed. `gpu.sh` trains from it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training.renderer.face_features import FaceFeatures
from training.renderer.pack_format import PackedData, encode

FACES = "face_features.safetensors"
FRAMES_PER_CLIP = 16
PORTRAITS_PER_CLIP = 2
COARSE = (cv2.IMWRITE_JPEG_QUALITY, 75)
SMALLER = ("expression", "residual", "identity", "frame_landmarks")
"""What float16 is enough for."""


def choose(data: PackedData) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Packed frames and portraits to keep: the first portraits of each clip, and frames at regular steps."""
    index = data.index
    clips = data.frame_clips
    frames: list[int] = []
    portraits: list[int] = []
    for clip in np.unique(clips):
        own = np.flatnonzero(clips == clip)
        of_clip = np.flatnonzero(np.isin(index["source_frame"], own))[:PORTRAITS_PER_CLIP]
        portraits += of_clip.tolist()
        regular = own[np.linspace(0, len(own) - 1, min(len(own), FRAMES_PER_CLIP)).astype(int)]
        frames += np.union1d(regular, index["source_frame"][of_clip]).tolist()
    return np.array(frames), np.array(portraits)


def write(data: PackedData, folder: Path) -> int:
    """Write the smaller pack; returns its bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    frames, portraits = choose(data)
    index = dict(data.index)
    index["frame_row"] = index["frame_row"][frames]
    index["frame_landmarks"] = index["frame_landmarks"][frames]
    index["source_frame"] = np.searchsorted(frames, index["source_frame"][portraits])
    for name, pictures in (
        ("frame", (data.frame(int(i)) for i in tqdm(frames, desc="frames"))),
        ("source", (data.source(int(i)) for i in tqdm(portraits, desc="portraits"))),
    ):
        files = [encode(picture, COARSE) for picture in pictures]
        (folder / f"{name}s.bin").write_bytes(b"".join(files))
        index[f"{name}_start"] = np.cumsum([0, *map(len, files)])
    for name in SMALLER:
        index[name] = index[name].astype(np.float16)
    np.savez_compressed(folder / "index.npz", **index)
    return sum(path.stat().st_size for path in folder.iterdir())


def main() -> None:
    """Make a small pack out of a large one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--pack", type=Path, default=Path("training/work/renderer/pack"))
    parser.add_argument("--out", type=Path, default=Path("training/work/renderer/travel"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    FaceFeatures(arguments.data / "nets/MobileFaceNet.onnx").save(arguments.out / FACES)
    size = write(PackedData.open(arguments.pack), arguments.out)
    print(f"{arguments.out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
