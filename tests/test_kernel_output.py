"""The blend-and-convert kernel against its reference, and against FFmpeg's idea of the colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.render.kernels import reference
from live.render.kernels.output import ColourMatrix, PixelFormat, frame_output
from tests.kernel_devices import DEVICES, kernel_device

EVEN = st.integers(1, 12).map(lambda n: 2 * n)


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 3), size=st.tuples(EVEN, EVEN),
    small=st.tuples(st.integers(1, 24), st.integers(1, 24)), dtype=st.sampled_from((np.float16, np.float32)),
    pixel_format=st.sampled_from(PixelFormat), matrix=st.sampled_from(ColourMatrix), blended=st.booleans(),
    channels_last=st.booleans(), spoiled=st.booleans(), squash=st.booleans(),
)  # fmt: skip
def test_equals_the_reference(
    device: str, seed: int, batch: int, size: tuple[int, int], small: tuple[int, int], dtype: type,
    pixel_format: PixelFormat, matrix: ColourMatrix, blended: bool, channels_last: bool, spoiled: bool,
    squash: bool,
) -> None:  # fmt: skip
    at = kernel_device(device)
    rng = np.random.default_rng(seed)
    width, height = size

    def tensor(channels: int, low: float, high: float, shape: tuple[int, int]) -> np.ndarray:
        values = rng.uniform(low, high, (batch, *shape, channels)).astype(dtype)
        if spoiled and not squash:  # with tanh, neighbours of weight zero are not read at all
            values[rng.random(values.shape) < 0.05] = np.nan
        return values

    picture = tensor(3, -1.2, 1.2, small)
    mask = tensor(1, -0.1, 1.1, small) if blended else None
    warp = tensor(3, -1.0, 1.0, (height, width)) if blended else None

    def planes(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values.transpose(0, 3, 1, 2)

    def put(values: np.ndarray | None) -> object:
        if values is None:
            return None
        if channels_last:  # channels-last memory seen as NCHW, as torch does
            return at.put(values).transpose(0, 3, 1, 2)
        return at.put(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))

    out = at.put(np.full((batch, *pixel_format.shape(height, width)), 77, np.uint8))
    frame_output(
        at.kernels, put(picture), out, size=size, mask=put(mask), warp=put(warp), pixel_format=pixel_format,
        matrix=matrix, squash=squash,
    )  # fmt: skip
    values = reference.frame_values(
        planes(np.tanh(picture.astype(np.float64)) if squash else picture), planes(mask), planes(warp), size
    )
    expected = reference.pack(values, pixel_format, matrix)
    difference = np.abs(at.get(out).astype(int) - expected.astype(int))
    assert difference.max() <= 1, "one step of rounding"
    if difference.size >= 1000:  # in a handful of values chance may put several next to a half
        assert (difference > 0).mean() <= 0.02


@pytest.mark.parametrize("pixel_format", [PixelFormat.I420, PixelFormat.NV12])
def test_colours_are_those_of_ffmpeg(pixel_format: PixelFormat) -> None:
    av = pytest.importorskip("av")
    at = kernel_device("host")
    name = "yuv420p" if pixel_format is PixelFormat.I420 else "nv12"
    for colour in np.random.default_rng(3).integers(0, 256, (40, 3), np.uint8):
        # One colour per picture: the two sides site chroma samples differently.
        picture = np.broadcast_to(colour, (16, 32, 3)).copy()
        expected = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=name).to_ndarray()
        values = picture[None].astype(np.float32).transpose(0, 3, 1, 2)
        out = np.zeros((1, *pixel_format.shape(16, 32)), np.uint8)
        frame_output(at.kernels, values, out, size=(32, 16), pixel_format=pixel_format, gain=1.0, bias=0.0)
        assert np.abs(out[0].astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("matrix", "colour", "expected"),
    [
        (ColourMatrix.BT601, (255, 255, 255), (235, 128, 128)),
        (ColourMatrix.BT601, (0, 0, 0), (16, 128, 128)),
        (ColourMatrix.BT601, (255, 0, 0), (81, 90, 240)),
        (ColourMatrix.BT709, (255, 0, 0), (63, 102, 240)),
        (ColourMatrix.BT709, (0, 0, 255), (32, 240, 118)),
    ],
)
def test_known_colours(matrix: ColourMatrix, colour: tuple[int, ...], expected: tuple[int, ...]) -> None:
    at = kernel_device("host")
    picture = np.broadcast_to(np.array(colour, np.float32)[None, :, None, None], (1, 3, 2, 2)).copy()
    out = np.zeros((1, 3, 2), np.uint8)
    frame_output(
        at.kernels, picture, out, size=(2, 2), pixel_format=PixelFormat.I420, matrix=matrix, gain=1.0, bias=0.0
    )
    assert tuple(out.reshape(-1)[[0, 4, 5]]) == expected


def test_what_does_not_fit_is_refused() -> None:
    at = kernel_device("host")
    picture = np.zeros((1, 3, 4, 4), np.float32)
    with pytest.raises(ValueError, match="even"):
        frame_output(at.kernels, picture, np.zeros((1, 3, 3, 3), np.uint8), size=(3, 3))
    with pytest.raises(ValueError, match="go together"):
        frame_output(at.kernels, picture, np.zeros((1, 4, 4, 3), np.uint8), size=(4, 4), mask=picture[:, :1])
    with pytest.raises(ValueError, match="out must be"):
        frame_output(at.kernels, picture, np.zeros((1, 6, 4), np.uint8), size=(4, 4))
