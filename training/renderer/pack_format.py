"""The packed training data: what its files hold, and how to read them.

* `frames.bin`: JPEG pictures of 384², one after the other; one fixed crop per clip, so the camera stands still;
* `sources.bin`: JPEG pictures of 512², crops of the frames that serve as portraits;
* `index.npz`: `frame_start` and `source_start`, byte offsets of the pictures, with one more entry than pictures; per
  clip `clip_name`, `clip_held_out`, `clip_start` (first row of motion, one more entry than clips), `identity` (50); per
  tracked frame ("row") `expression`, `residual`, `rotation`, `scale` (crop sides per cm), `offset` (crop sides) and
  `valid`;
  per packed frame `frame_row`, `frame_landmarks` (478, 3; crop sides); per portrait `source_frame`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from live.frames import Image, MotionFrame, Trace

SIDE = 384
"""Of packed frames, pixels: the mouth crop of the network then has the frame's own resolution."""
SOURCE_SIDE = 512


FINE = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
"""OpenCV's options for pictures that lose next to nothing."""


def encode(image: Image, options: Sequence[int] = FINE) -> bytes:
    """A picture as JPEG."""
    return bytes(cv2.imencode(".jpg", image[..., ::-1], options)[1])


def decode(data: NDArray[np.uint8]) -> Image:
    """The inverse of `encode`, uint8 (H, W, 3) RGB."""
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


@dataclass(frozen=True, slots=True)
class PackedData:
    """The arrays that `pack` wrote."""

    frames: NDArray[np.uint8]
    sources: NDArray[np.uint8]
    index: dict[str, NDArray[Any]]

    @staticmethod
    def open(folder: Path) -> PackedData:
        """Map the arrays of `folder` into memory."""
        with np.load(folder / "index.npz") as data:
            index = {name: data[name] for name in data.files}
        index["frame_landmarks"] = index["frame_landmarks"].astype(np.float32)  # a small pack has fewer bits
        frames, sources = (np.memmap(folder / f"{name}.bin", np.uint8, "r") for name in ("frames", "sources"))
        return PackedData(frames, sources, index)

    @property
    def frame_clips(self) -> NDArray[np.intp]:
        """Number of each packed frame's clip."""
        return np.searchsorted(self.index["clip_start"], self.index["frame_row"], side="right") - 1

    def frame(self, i: int) -> Image:
        """Packed frame `i`, uint8 (384, 384, 3)."""
        start, end = self.index["frame_start"][i : i + 2]
        return decode(self.frames[start:end])

    def source(self, i: int) -> Image:
        """Portrait `i`, uint8 (512, 512, 3)."""
        start, end = self.index["source_start"][i : i + 2]
        return decode(self.sources[start:end])

    def motion(self, row: int, reference: int) -> MotionFrame:
        """Motion of tracked frame `row` for an avatar whose portrait is tracked frame `reference` of the same clip."""
        scale = self.index["scale"]
        shift = (self.index["offset"][row] - self.index["offset"][reference]) / scale[reference]
        return MotionFrame(
            pts=0.0,
            expression=self.index["expression"][row].astype(np.float32),
            rotation=self.index["rotation"][row].astype(np.float32),
            translation=np.array([shift[0], -shift[1], np.log(scale[row] / scale[reference])], np.float32),
            residual=self.index["residual"][row].astype(np.float32),
            confidence=1.0,
            trace=Trace(0),
        )
