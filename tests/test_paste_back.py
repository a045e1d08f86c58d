"""Pasting the square back into the photo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from live.frames import Image
from live.render.geometric import GeometricRenderer
from live.render.paste_back import PasteBack, PasteBackRenderer
from live.render.portrait import CropBox, crop
from tests.faces import made_up_avatar


def photo() -> Image:
    rows, columns = np.mgrid[0:401, 0:600]
    return np.stack([columns / 3, rows / 2, (rows + columns) / 5], -1).astype(np.uint8)


@pytest.mark.parametrize("box", [CropBox(120.5, 60.25, 250), CropBox(-30, -20, 300), CropBox(10, 5, 700)])
def test_the_unchanged_square_leaves_the_photo_unchanged(box: CropBox) -> None:
    original = photo()
    avatar = replace(made_up_avatar(), original=original, image=crop(original, box), box=box)
    paste = PasteBack(avatar)
    result = paste.paste(avatar.image)
    assert result.shape[:2] == paste.size[::-1] and result.shape[0] % 2 == 0
    assert np.abs(result[:400].astype(int) - original[:400]).mean() < 2
    assert np.abs(result[:400].astype(int) - original[:400]).max() < 12


def test_only_the_square_changes_and_softly() -> None:
    original = photo()
    box = CropBox(200, 100, 200)
    avatar = replace(made_up_avatar(), original=original, image=crop(original, box), box=box)
    result = PasteBack(avatar).paste(np.full((256, 256, 3), 255, np.uint8))[:400]
    change = np.abs(result.astype(int) - original[:400]).max(-1)
    outside = np.ones(change.shape, bool)
    outside[99:301, 199:401] = False
    assert change[outside].max() <= 2  # only the resize to even sides
    assert (result[120:280, 220:380] > 250).all()
    assert change[200, 201] < 60 < change[200, 215]


def test_large_photos_are_limited() -> None:
    avatar = replace(made_up_avatar(), original=np.zeros((1000, 3000, 3), np.uint8), box=CropBox(500, 0, 900))
    assert PasteBack(avatar, longest=1200).size == (1200, 400)


def test_as_a_renderer() -> None:
    original = photo()
    avatar = replace(made_up_avatar(), original=original, box=CropBox(150, 50, 300))
    renderer = PasteBackRenderer(GeometricRenderer(avatar, (128, 128)), avatar)
    picture = renderer.render(avatar.rest)
    assert picture.shape == (renderer.size[1], renderer.size[0], 3)
    renderer.close()
