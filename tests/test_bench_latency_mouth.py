"""The mouth reader of the latency benchmark on drawn and rendered faces whose opening is known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from live.bench.latency_mouth import MouthReader
from live.bench.latency_stimulus import avatar_box, luma_crop, mouth_box, reference_faces, turned_heads
from live.motion.arkit import ARKIT_INDEX
from live.render.geometric import GeometricRenderer
from tests.faces import made_up_avatar

SIDE = 32


def face(opening: float, shift: tuple[float, float] = (0.0, 0.0), light: float = 0.0) -> NDArray[np.uint8]:
    """A face-like crop drawn at eight times its size: cheeks, a nose, lips, and a dark opening of given height."""
    big = SIDE * 8
    image = np.full((big, big), 170, np.uint8)
    cv2.circle(image, (big // 2, 20), 26, 120, -1)
    cv2.ellipse(image, (big // 2, big // 2), (80, 16), 0, 0, 360, 105, -1)
    cv2.ellipse(image, (big // 2, big // 2 + 8), (60, 4 + round(40 * opening)), 0, 0, 360, 35, -1)
    cv2.circle(image, (40, big - 50), 14, 190, -1)
    move = np.array([[1.0, 0.0, shift[0] * 8], [0.0, 1.0, shift[1] * 8]])
    moved = cv2.warpAffine(image, move, (big, big), borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(moved, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    return np.clip(np.rint(small + light), 0, 255).astype(np.uint8)


@pytest.fixture
def reader() -> MouthReader:
    return MouthReader([(face(0.0), face(1.0))])


def test_references_read_as_zero_and_one(reader: MouthReader) -> None:
    closed, opened = reader.read(np.stack([face(0.0), face(1.0)]))
    assert closed == pytest.approx(0.0, abs=0.02)
    assert opened == pytest.approx(1.0, abs=0.1)


def test_reading_grows_with_the_opening(reader: MouthReader) -> None:
    values = reader.read(np.stack([face(o) for o in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]))
    assert (np.diff(values) > 0.05).all()


@pytest.mark.parametrize("shift", [(1.5, 0.0), (0.0, 1.5), (-2.0, 1.0), (0.7, -1.2)])
def test_a_moved_head_is_not_an_open_mouth(reader: MouthReader, shift: tuple[float, float]) -> None:
    closed, opened = reader.read(np.stack([face(0.0, shift), face(0.8, shift)]))
    assert abs(closed) < 0.12
    assert opened > 0.5


def test_light_is_not_an_open_mouth(reader: MouthReader) -> None:
    assert abs(float(reader.read(face(0.0, light=-25.0)[None])[0])) < 0.08


def test_nothing_recorded_reads_as_nothing(reader: MouthReader) -> None:
    assert reader.read(np.zeros((0, SIDE, SIDE), np.uint8)).shape == (0,)


@pytest.fixture(scope="module")
def turning() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Readings of a mouth closed and half open (n,), by references of turned heads, while the head moves about."""
    avatar = made_up_avatar()
    renderer = GeometricRenderer(avatar, (128, 128))
    box = avatar_box(mouth_box(avatar))

    def crop(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return luma_crop(image, box, SIDE, SIDE)

    pairs = [reference_faces(renderer, turned) for turned in turned_heads(avatar.rest)]
    reader = MouthReader([(crop(rest), crop(opened)) for rest, opened in pairs])
    rng = np.random.default_rng(0)
    crops: dict[float, list[NDArray[np.uint8]]] = {0.0: [], 0.3: []}
    for _ in range(12):
        turn = np.radians(rng.uniform((-8.0, -10.0, -4.0), (8.0, 10.0, 4.0)))
        for jaw, kept in crops.items():
            expression = avatar.rest.expression.copy()
            expression[ARKIT_INDEX["jawOpen"]] += jaw
            rotation = np.asarray(avatar.rest.rotation + turn, np.float32)
            kept.append(crop(renderer.render(replace(avatar.rest, expression=expression, rotation=rotation))))
    renderer.close()
    closed, opened = (reader.read(np.stack(kept)) for kept in crops.values())
    return closed, opened


def test_a_turned_head_is_not_an_open_mouth(turning: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
    assert np.abs(turning[0]).max() < 0.12


def test_a_turned_head_hides_no_open_mouth(turning: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
    assert (turning[1] > 0.6).all() and (turning[1] < 1.4).all()
