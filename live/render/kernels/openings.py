"""Outlines of mouth and eyes, what a frame's layers need to know, and the masks of their openings.

A layer (mouth, right eye, left eye) is drawn within a square window that follows it over the picture. Windows have
fixed sides, so that memory and launches do not depend on the motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from live.render.kernels.launch import THREADS, DeviceArray, Kernels, check_contiguous


@dataclass(frozen=True, slots=True)
class WindowSides:
    """Sides of the windows, pixels of the picture: mouth, and each eye."""

    mouth: int
    eye: int

    @staticmethod
    def for_picture(side: int) -> WindowSides:
        """Room for a wide-open mouth and for eyes with their margins in a picture of `side` pixels."""
        return WindowSides(3 * side // 8 + 8, side // 4 + 16)

    @property
    def pixels(self) -> int:
        """Of all three windows of a frame."""
        return self.mouth**2 + 2 * self.eye**2

    @property
    def arguments(self) -> tuple[np.int32, np.int32]:
        """As kernels take them."""
        return np.int32(self.mouth), np.int32(self.eye)


def face_outlines(
    kernels: Kernels,
    points: DeviceArray,
    motion: DeviceArray,
    slots: DeviceArray,
    *,
    index: DeviceArray,
    teeth: DeviceArray,
    avatars: DeviceArray,
    frames: DeviceArray,
    outlines: DeviceArray,
    layers: DeviceArray,
    picture_side: int,
    portrait_side: int,
    windows: WindowSides,
) -> None:
    """Outlines and layer rows of a batch.

    Args:
        kernels: where to run.
        points, motion, slots, avatars, frames, index: see `posing`.
        teeth: int32, points of the upper front teeth.
        outlines: float32 (N, OUTLINES, 2), written, crop sides: mouth, right eye, left eye.
        layers: float32 (N, 3, LAYER), written.
        picture_side, portrait_side: pixels.
        windows: their sides.
    """
    batch, stacked, _ = points.shape
    for array in (points, motion, slots, index, teeth, avatars, frames, outlines, layers):
        check_contiguous(array, "array")
    kernels.launch(
        "face_outlines",
        batch * 3 * THREADS,
        points,
        np.int32(stacked),
        index,
        teeth,
        np.int32(len(teeth)),
        motion,
        slots,
        avatars,
        frames,
        outlines,
        layers,
        np.float32(picture_side),
        np.float32(portrait_side),
        *windows.arguments,
    )


def window_masks(
    kernels: Kernels,
    outlines: DeviceArray,
    layers: DeviceArray,
    masks: DeviceArray,
    blurred: DeviceArray,
    *,
    picture_side: int,
    windows: WindowSides,
) -> None:
    """How much the openings cover of each window pixel: masks float32 (N, pixels), and that blurred along the rows by
    the layer's two widths, blurred float32 (N, pixels, 2). Both written."""
    count = masks.size
    if masks.shape[1] != windows.pixels or blurred.shape != (*masks.shape, 2):
        raise ValueError(f"masks {masks.shape} and {blurred.shape} do not fit windows of {windows.pixels} pixels")
    for array in (outlines, layers, masks, blurred):
        check_contiguous(array, "array")
    side = np.float32(picture_side)
    kernels.launch("window_masks", count, outlines, layers, masks, np.uint32(count), side, *windows.arguments)
    kernels.launch("window_blur", count, masks, layers, blurred, np.uint32(count), *windows.arguments)
