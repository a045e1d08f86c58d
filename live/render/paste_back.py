"""Putting the animated square back into the photo that it was cut from."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from live.frames import FloatArray, Image, MotionFrame
from live.protocols import Renderer
from live.render.avatar import Avatar
from live.render.grid import border_fade

FEATHER: Final = 0.04
"""Width of the soft edge, share of the square's side; narrow, because motion fades to zero towards the edge anyway."""


class PasteBack:
    """Pastes pictures of the avatar's square into its photo.

    Args:
        avatar: whose photo it is.
        longest: the result's longer side is at most this many pixels.
    """

    def __init__(self, avatar: Avatar, longest: int = 1920) -> None:
        height, width = avatar.original.shape[:2]
        scale = min(1.0, longest / max(height, width))
        self._size = (max(round(width * scale / 2) * 2, 2), max(round(height * scale / 2) * 2, 2))
        flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        self._photo: Image = np.asarray(cv2.resize(avatar.original, self._size, interpolation=flags), np.uint8)
        ratio = np.array([self._size[0] / width, self._size[1] / height])
        self._corner = np.array([avatar.box.left, avatar.box.top]) * ratio
        self._extent = avatar.box.side * ratio
        low = np.clip(np.floor(self._corner).astype(int), 0, self._size)
        high = np.clip(np.ceil(self._corner + self._extent).astype(int), 0, self._size)
        self._low, self._shape = low, high - low
        side = 256
        mask = np.ascontiguousarray(border_fade(side, side, FEATHER))
        self._alpha = self._place(mask, cv2.BORDER_CONSTANT)[..., None]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the results, both even."""
        return self._size

    def paste(self, picture: Image) -> Image:
        """The whole photo with `picture`, uint8 (S, S, 3), in its place: a fresh uint8 (H, W, 3)."""
        result = self._photo.copy()
        (left, top), (width, height) = self._low, self._shape
        part = result[top : top + height, left : left + width]
        placed = self._place(picture, cv2.BORDER_REPLICATE)
        part[...] = np.clip(part + (placed - part) * self._alpha + 0.5, 0, 255).astype(np.uint8)
        return result

    def _place(self, picture: Image | FloatArray, border: int) -> FloatArray:
        """Resample the square onto the photo's pixels from `_low` on."""
        side = picture.shape[0]
        scale = side / self._extent
        shift = (self._low + 0.5 - self._corner) * scale - 0.5
        matrix = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
        source = picture.astype(np.float32)
        if scale.max() > 1.5:  # shrinking: average first
            factor = 1 / scale.max()
            small = max(round(side * factor), 1)
            source = np.asarray(cv2.resize(source, (small, small), interpolation=cv2.INTER_AREA), np.float32)
            ratio = source.shape[0] / side
            matrix[:, :2] *= ratio
            matrix[:, 2] = (matrix[:, 2] + 0.5) * ratio - 0.5
        size = (int(self._shape[0]), int(self._shape[1]))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(source, matrix, size, flags=flags, borderMode=border), np.float32)


class PasteBackRenderer:
    """A renderer whose pictures are the whole photo. Implements `live.protocols.Renderer`.

    Args:
        renderer: draws the square; closed with this one.
        avatar: whose photo it is.
    """

    def __init__(self, renderer: Renderer, avatar: Avatar) -> None:
        self._renderer = renderer
        self._paste = PasteBack(avatar)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures, pixels."""
        return self._paste.size

    def render(self, motion: MotionFrame) -> Image:
        """Draw; see `live.protocols.Renderer`."""
        return self._paste.paste(self._renderer.render(motion))

    def close(self) -> None:
        """Close the inner renderer."""
        self._renderer.close()
