"""Lips and lids: exact in the photo, shut when told to shut."""

from __future__ import annotations

import numpy as np
import pytest

from live.frames import FloatArray
from live.motion.arkit import ARKIT_INDEX
from live.motion.landmark_groups import INNER_LIP, LEFT_EYE, RIGHT_EYE
from live.render.avatar import Avatar
from live.render.opening import gap
from live.render.posed import FacePoser
from tests.faces import made_up_avatar


def landmarks_of(avatar: Avatar, poser: FacePoser, **expression: float) -> FloatArray:
    weights = avatar.fit.expression.copy()
    for name, value in expression.items():
        weights[ARKIT_INDEX[name]] = value
    fit = avatar.fit
    posed = poser.pose(weights, fit.residual, np.zeros(3, np.float32), 1.0, np.zeros(2, np.float32))
    return posed.landmarks


@pytest.mark.parametrize("seed", range(4))
def test_lids_meet_when_they_blink(seed: int) -> None:
    avatar = made_up_avatar(seed=seed)
    poser = avatar.poser()
    open_eyes = landmarks_of(avatar, poser)
    shut = landmarks_of(avatar, poser, eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    for ring in (LEFT_EYE, RIGHT_EYE):
        assert gap(open_eyes, ring).max() > 0.5  # cm
        assert np.abs(gap(shut, ring)).max() < 0.12


@pytest.mark.parametrize("seed", range(4))
def test_lips_of_an_open_photo_can_close(seed: int) -> None:
    avatar = made_up_avatar(seed=seed, jawOpen=0.4)
    poser = avatar.poser()
    assert gap(landmarks_of(avatar, poser), INNER_LIP).max() > 0.6
    assert gap(landmarks_of(avatar, poser, jawOpen=0.0), INNER_LIP).max() < 0.12


def test_lips_never_pass_through_each_other() -> None:
    avatar = made_up_avatar(seed=1)
    poser = avatar.poser()
    pressed = landmarks_of(avatar, poser, mouthClose=0.6, mouthPressLeft=1.0, mouthPressRight=1.0)
    assert gap(pressed, INNER_LIP).min() > -0.03


def test_an_opening_jaw_opens_steadily() -> None:
    avatar = made_up_avatar(seed=2)
    poser = avatar.poser()
    heights = [gap(landmarks_of(avatar, poser, jawOpen=jaw), INNER_LIP).max() for jaw in np.linspace(0, 1, 11)]
    assert (np.diff(heights) > 0).all()
