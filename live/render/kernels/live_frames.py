"""LivePIRenderer's frame around its networks, on the device: inputs cut from a picture, pictures put back."""

from __future__ import annotations

import numpy as np

from live.render.kernels.launch import DeviceArray, Kernels, check_contiguous, value_suffix
from live.render.kernels.output import ColourMatrix, PixelFormat

COMPOSITE_CHANNELS = 16
"""Channels of the folded composite: 3 colours of 4 pixels, and four of zeros for alignment."""
CROP_CHANNELS = 40
"""Channels of a folded crop: 3 colours and 6 guides of 4 pixels, and four of zeros."""
HEAD_CHANNELS = 16
"""Channels of a network's output: 3 colours and mask of 4 pixels."""

PATCH_CHANNELS = 5
"""Change, mask, and the share of the geometric picture's own detail."""


def composite(kernels: Kernels, picture: DeviceArray, out: DeviceArray) -> None:
    """Shrink and fold the geometric picture.

    Args:
        kernels: where to run.
        picture: uint8 (N, S, S, 3); S a multiple of the networks' side.
        out: (N, side/2, side/2, 16), written: −1…1, folded as torch's `pixel_unshuffle` does.
    """
    side, size = 2 * out.shape[1], picture.shape[1]
    if size % side or out.shape[3] != COMPOSITE_CHANNELS:
        raise ValueError(f"a picture of side {size} cannot be shrunk to {out.shape}")
    _check(picture, out)
    count = out.shape[0] * out.shape[1] * out.shape[2]
    name = f"live_composite_{value_suffix(out)}"
    kernels.launch(name, count, picture, out, np.uint32(count), np.int32(size), np.int32(side))


def crops(
    kernels: Kernels,
    picture: DeviceArray,
    prior: DeviceArray,
    boxes: DeviceArray,
    out: DeviceArray,
    *,
    first: int,
    per_image: int,
) -> None:
    """Cut boxes out of picture and guides.

    Args:
        kernels: where to run.
        picture: uint8 (N, S, S, 3).
        prior: float32 (N, g, g, 8), of which the last six channels are guides.
        boxes: float32 (N, 3, 6): centre, right, down (x, y each) in picture sides.
        out: (N * per_image, crop/2, crop/2, 40), written, folded.
        first, per_image: which of the three boxes.
    """
    _check(picture, prior, boxes, out)
    if out.shape[0] != len(picture) * per_image or out.shape[3] != CROP_CHANNELS or prior.shape[3] != 8:
        raise ValueError(f"crops {out.shape} do not fit {picture.shape} and {prior.shape}")
    count = out.shape[0] * out.shape[1] * out.shape[2]
    sizes = (picture.shape[1], prior.shape[1], 2 * out.shape[1], first, per_image)
    name = f"live_crops_{value_suffix(out)}"
    kernels.launch(name, count, picture, prior, boxes, out, np.uint32(count), *(np.int32(n) for n in sizes))


def base_change(kernels: Kernels, head: DeviceArray, out: DeviceArray) -> None:
    """What the base network adds to the displaced picture.

    Args:
        kernels: where to run.
        head: (N, side/2, side/2, 16), the network's folded output.
        out: (N, side, side, 4), written: colour times mask (1 = 127.5 levels), and mask 0…1.
    """
    _check(head, out)
    if head.shape[3] != HEAD_CHANNELS or out.shape[1] != 2 * head.shape[1]:
        raise ValueError(f"head {head.shape} and output {out.shape} do not fit")
    count = out.shape[0] * out.shape[1] * out.shape[2]
    kernels.launch(f"live_base_{value_suffix(out)}", count, head, out, np.uint32(count), np.int32(out.shape[1]))


def patch(
    kernels: Kernels,
    folded: DeviceArray,
    head: DeviceArray,
    window: DeviceArray,
    out: DeviceArray,
    *,
    guide: int | None = None,
    gain: float = 1.0,
    shown: float = 0.0,
) -> None:
    """What a region network adds to the geometric picture; see `live_network.blending.Patch`.

    Args:
        kernels: where to run.
        folded: of `crops`. head: (M, crop/2, crop/2, 16).
        window: float32 (crop, crop), multiplies the mask.
        out: (M, crop, crop, 5), written: change (1 = 127.5 levels) times mask, mask, and the share of own detail.
        guide: number of the guide that says where the picture is drawn, not photographed; None = nowhere.
        gain: multiplies the guide, before it is clipped to 1.
        shown: 0..1, how much of what is drawn there stays.
    """
    _check(folded, head, window, out)
    count, crop = out.shape[0], out.shape[1]
    if head.shape != (*folded.shape[:3], HEAD_CHANNELS) or window.shape != (crop, crop):
        raise ValueError(f"head {head.shape}, input {folded.shape} and window {window.shape} do not fit")
    if out.shape != (len(head), crop, crop, PATCH_CHANNELS):
        raise ValueError(f"patches must be {(len(head), crop, crop, PATCH_CHANNELS)}, not {out.shape}")
    numbers = np.uint32(count * crop * crop), np.int32(crop), np.int32(-1 if guide is None else guide)
    shares = np.float32(gain), np.float32(shown)
    kernels.launch(f"live_patch_{value_suffix(out)}", count * crop * crop, folded, head, window, out, *numbers, *shares)


def finish(
    kernels: Kernels,
    picture: DeviceArray,
    residual: DeviceArray,
    base: DeviceArray,
    mouth: DeviceArray,
    eyes: DeviceArray,
    boxes: DeviceArray,
    out: DeviceArray,
    *,
    pixel_format: PixelFormat = PixelFormat.RGB,
    matrix: ColourMatrix = ColourMatrix.BT601,
) -> None:
    """Everything over the geometric picture, as bytes.

    Args:
        kernels: where to run.
        picture: uint8 (N, S, S, 3), S even.
        residual: float32 (N, 2, h, w). base: of `base_change`. mouth, eyes: of `patch`, eyes (2 N, …).
        boxes: float32 (N, 3, 6): mouth, right eye, left eye.
        out: uint8 (N, *pixel_format.shape(S, S)), written.
        pixel_format, matrix: of `out`.
    """
    _check(picture, residual, base, mouth, eyes, boxes, out)
    batch, size = picture.shape[:2]
    if out.shape != (batch, *pixel_format.shape(size, size)) or out.dtype != np.uint8 or size % 2:
        raise ValueError(f"out {out.dtype} {out.shape} does not fit {picture.shape} as {pixel_format.name}")
    if len(mouth) != batch or len(eyes) != 2 * batch or boxes.shape != (batch, 3, 6):
        raise ValueError(f"mouth {mouth.shape}, eyes {eyes.shape} and boxes {boxes.shape} do not fit")
    if base.shape[3] != 4 or mouth.shape[3] != PATCH_CHANNELS or eyes.shape[3] != PATCH_CHANNELS:
        raise ValueError(f"channels of base {base.shape}, mouth {mouth.shape} and eyes {eyes.shape} do not fit")
    count = batch * (size // 2) ** 2
    sizes = (size, residual.shape[2], residual.shape[3], base.shape[1], mouth.shape[1], eyes.shape[1])
    kernels.launch(
        f"live_finish_{value_suffix(base)}",
        count,
        picture,
        residual,
        base,
        mouth,
        eyes,
        boxes,
        out,
        np.uint32(count),
        *(np.int32(n) for n in sizes),
        np.int32(pixel_format.value),
        *(np.float32(weight) for weight in matrix.value),
    )


def _check(*arrays: DeviceArray) -> None:
    for i, array in enumerate(arrays):
        check_contiguous(array, f"array {i}")
