"""The geometric renderer on a made-up person: exact at rest, and moving only what should move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from live.frames import Image, MotionFrame, Trace
from live.motion.arkit import ARKIT_INDEX
from live.protocols import Renderer
from live.render.geometric import GeometricRenderer
from tests.faces import made_up_avatar


@pytest.fixture(scope="module")
def renderer() -> GeometricRenderer:
    return GeometricRenderer(made_up_avatar(), (256, 256))


def moved(
    renderer: GeometricRenderer,
    rotation: tuple[float, float, float] = (0, 0, 0),
    translation: tuple[float, float, float] = (0, 0, 0),
    **expression: float,
) -> MotionFrame:
    weights = renderer.rest.expression.copy()
    for name, value in expression.items():
        weights[ARKIT_INDEX[name]] = value
    return replace(
        renderer.rest,
        expression=weights,
        rotation=(renderer.rest.rotation + np.radians(np.array(rotation))).astype(np.float32),
        translation=np.array(translation, np.float32),
        trace=Trace(0),
    )


def difference(a: Image, b: Image) -> np.ndarray:
    return np.abs(a.astype(np.int16) - b).max(-1)


def test_is_a_renderer_and_stamps_its_stages(renderer: GeometricRenderer) -> None:
    assert isinstance(renderer, Renderer)
    motion = moved(renderer)
    image = renderer.render(motion)
    assert image.shape == (256, 256, 3) and image.dtype == np.uint8 and renderer.size == (256, 256)
    assert [name for name, _, _ in motion.trace.stages] == ["prior", "warp", "mouth"]


def test_rest_reproduces_the_photo(renderer: GeometricRenderer) -> None:
    change = difference(renderer.render(renderer.rest), renderer.portrait)
    assert change.mean() < 0.5
    assert (change > 24).mean() < 0.002  # edges of the eyes' openings


@pytest.mark.parametrize("rotation", [(0, 25, 0), (0, -25, 0), (15, 0, 0), (-15, 0, 0), (0, 0, 15), (8, -18, -10)])
def test_the_border_never_moves(renderer: GeometricRenderer, rotation: tuple[float, float, float]) -> None:
    change = difference(renderer.render(moved(renderer, rotation, (2, 1, 0.1))), renderer.portrait)
    border = np.concatenate([change[0], change[-1], change[:, 0], change[:, -1]])
    assert border.max() <= 2
    assert change[64:192, 64:192].mean() > 5


def test_coefficients_that_are_not_finite_are_the_photos(renderer: GeometricRenderer) -> None:
    broken = replace(
        renderer.rest,
        expression=np.full(52, np.nan, np.float32),
        rotation=np.array([np.inf, np.nan, -np.inf], np.float32),
        translation=np.full(3, -np.inf, np.float32),
        residual=np.full(16, np.nan, np.float32),
    )
    assert np.array_equal(renderer.render(broken), renderer.render(renderer.rest))


def test_every_picture_is_fresh(renderer: GeometricRenderer) -> None:
    first = renderer.render(renderer.rest)
    first[:] = 0
    assert renderer.render(renderer.rest).any()


def test_expressions_move_their_region_only(renderer: GeometricRenderer) -> None:
    """Each of a few expressions changes the picture around its landmarks and leaves the rest alone."""
    rest = renderer.render(renderer.rest)
    landmarks = renderer.source.posed.landmarks[:, :2] * 256
    rows, columns = np.mgrid[0:256, 0:256]
    centres = {"jawOpen": 14, "eyeBlinkLeft": 386, "eyeBlinkRight": 159, "browInnerUp": 9, "mouthSmileLeft": 291}
    for name, index in centres.items():
        change = difference(renderer.render(moved(renderer, **{name: 0.9})), rest).astype(float)
        away = np.hypot(columns - landmarks[index, 0], rows - landmarks[index, 1])
        assert change[away < 12].mean() > 2, name
        assert change[away < 40].mean() > 4 * change[away > 70].mean(), name


def test_an_open_mouth_shows_dark_and_bright(renderer: GeometricRenderer) -> None:
    drawing = renderer.draw(moved(renderer, jawOpen=0.7, mouthUpperUpLeft=0.5, mouthUpperUpRight=0.5))
    opening = np.kron(drawing.prior.mouth, np.ones((2, 2))) > 0.95
    assert opening.sum() > 150
    inside = drawing.picture[opening].mean(-1)
    assert np.percentile(inside, 95) > 2 * np.percentile(inside, 10)  # teeth before a dark cavity


def test_other_sizes(renderer: GeometricRenderer) -> None:
    large = GeometricRenderer(renderer.avatar, (512, 512))
    assert large.render(large.rest).shape == (512, 512, 3)
    for size in ((255, 255), (256, 128), (16, 16)):
        with pytest.raises(ValueError, match="square"):
            GeometricRenderer(renderer.avatar, size)
