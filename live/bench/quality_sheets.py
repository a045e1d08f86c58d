"""Contact sheets and side-by-side videos: what a person looks at before believing a number."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from live.frames import Image

LABEL_HEIGHT = 18


def labelled(picture: Image, text: str) -> Image:
    """The picture under a line of text."""
    strip = np.full((LABEL_HEIGHT, picture.shape[1], 3), 24, np.uint8)
    cv2.putText(strip, text, (3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (230, 230, 230), 1, cv2.LINE_AA)
    return np.concatenate([strip, picture])


def grid(rows: list[list[Image]]) -> Image:
    """Pictures of one size, side by side and below each other; short rows are padded with black."""
    widest = max(map(len, rows))
    blank = np.zeros_like(rows[0][0])
    return np.concatenate([np.concatenate(row + [blank] * (widest - len(row)), axis=1) for row in rows])


def write_picture(path: Path, picture: Image) -> None:
    """Save as PNG or JPEG by the file's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


def write_video(path: Path, frames: list[Image], fps: float) -> None:
    """Save frames of one even size as H.264."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
