"""Warping by a low-resolution flow: upsampling, identity grid and sampling in one kernel, several scales per launch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from live.render.kernels.launch import DeviceArray, Kernels, check_contiguous, element_strides, value_suffix
from live.render.kernels.sampling import PADDING, Layout, Padding, lane_groups

_BASES = {"corners": 0, "pixels": 1, "resized": 2}

MAX_LEVELS = 4
"""Maps of different sizes that one launch warps."""


@dataclass(frozen=True, slots=True)
class FlowConvention:
    """What a flow's numbers mean.

    Attributes:
        base: what is added to the flow. `corners`: the published PIRenderer convention, flow in pixels of its own
            resolution and a base grid whose corners are pixel centres, both resized and sampled with half-pixel
            centres. `pixels`: each pixel's own position, half-pixel centres throughout. `resized`: the same, but
            positions at the flow's resolution, resized with it; differs from `pixels` only along the border.
        unit: how many flow units the picture is wide and high; 2 for torch's −1…1 coordinates. Not for `corners`.
    """

    base: Literal["corners", "pixels", "resized"]
    unit: float = 2.0


PUBLISHED = FlowConvention("corners")
"""As PIRenderer was published and trained."""
NORMALISED = FlowConvention("pixels", unit=2.0)
"""Displacement in torch's [-1, 1] coordinates."""
NORMALISED_RESIZED = FlowConvention("resized", unit=2.0)
"""Displacement in torch's [-1, 1] coordinates of a grid that is resized as a whole, as LivePIRenderer does."""
SIDES = FlowConvention("pixels", unit=1.0)
"""Displacement in picture sides, as the motion prior gives it."""


def flow_warp(
    kernels: Kernels,
    flow: DeviceArray,
    levels: Sequence[tuple[DeviceArray, DeviceArray]],
    *,
    convention: FlowConvention,
    padding: Padding = "zeros",
    layout: Layout = "nhwc",
    maps: Layout = "nhwc",
    slots: DeviceArray | None = None,
    trust: bool = False,
) -> None:
    """Warp maps by a flow that is upsampled bilinearly (half-pixel centres) to each map's size.

    Args:
        kernels: where to run.
        flow: float32 or float16, (N, h, w, 2) or (N, 2, h, w) after `layout`, with `trust` three channels, x first, any
            strides. Float16 flow needs float16 maps. See `sampling.grid_sample` for values that are not finite.
        levels: up to four pairs (source, out), C-contiguous, float16 or float32: source (A, H, W, C) or (A, C, H, W)
            after `maps`, out the same with N in place of A, written.
        convention: of the flow.
        padding: what lies outside the maps.
        layout: of the flow.
        maps: layout of the levels. NHWC with a multiple of 8 (float16) or 4 (float32) channels moves 16 bytes at a
            time.
        trust: the flow's third channel is resized likewise and multiplies what was sampled.
        slots: int32 (N,), which source image each output reads (0…A−1; not checked); default: its own.

    Raises:
        ValueError: shapes or dtypes do not fit.
    """
    if not 1 <= len(levels) <= MAX_LEVELS:
        raise ValueError(f"one to {MAX_LEVELS} levels, not {len(levels)}")
    strides: tuple[int, ...] = element_strides(flow)
    flow_strides: tuple[int, ...]
    if layout == "nhwc":
        batch, height, width, channels = flow.shape
        flow_strides = (strides[0], strides[3], strides[1], strides[2])
    else:
        batch, channels, height, width = flow.shape
        flow_strides = strides
    if channels != 2 + trust or height < 2 or width < 2:
        raise ValueError(f"flow must have {2 + trust} channels and two rows and columns, not {flow.shape} ({layout})")
    if slots is not None and (slots.dtype != np.int32 or slots.shape != (batch,)):
        raise ValueError(f"slots must be int32 ({batch},)")
    values, flows = value_suffix(levels[0][0]), value_suffix(flow)
    if (values, flows) == ("f32", "f16"):
        raise ValueError("float16 flow needs float16 maps")
    count, arguments = 0, list[object]()
    for source, out in levels:
        check_contiguous(source, "source")
        check_contiguous(out, "out")
        images = source.shape[0]
        rows, columns, channels = source.shape[1:] if maps == "nhwc" else (*source.shape[2:], source.shape[1])
        if value_suffix(source) != values or out.dtype != source.dtype or out.shape != (batch, *source.shape[1:]):
            raise ValueError(f"level {source.dtype} {source.shape} does not fit its output {out.dtype} {out.shape}")
        if slots is None and images != batch:
            raise ValueError(f"{images} source images for a batch of {batch} need slots")
        groups = lane_groups(source, out, channels) if maps == "nhwc" else 0
        count += batch * rows * columns * max(groups, 1)
        sizes = (np.int32(rows), np.int32(columns), np.int32(channels), np.int32(groups))
        arguments += [source, out, *sizes]
    arguments += [None, None, *[np.int32(0)] * 4] * (MAX_LEVELS - len(levels))
    unit = np.float32(convention.unit)
    kernels.launch(
        f"flow_warp_{values}_{flows}",
        count,
        flow,
        np.int32(height),
        np.int32(width),
        *(np.int32(stride) for stride in flow_strides),
        slots,
        np.int32(batch),
        np.int32(_BASES[convention.base]),
        unit,
        unit,
        PADDING[padding],
        np.int32(trust),
        np.int32(maps == "nchw"),
        np.uint32(count),
        *arguments,
    )
