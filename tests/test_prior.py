"""The motion prior: right where the mesh knows, smooth elsewhere, never folded."""

from __future__ import annotations

import numpy as np
import pytest

from live.frames import FloatArray
from live.motion.arkit import ARKIT_INDEX
from live.motion.face_model import FaceModel
from live.render.avatar import Avatar
from live.render.posed import FacePoser, PosedFace
from live.render.prior import MotionPrior, SourceView, motion_prior, rigid_displacement
from live.render.surface import Surface
from tests.faces import made_up_avatar

SIDE = 128


@pytest.fixture(scope="module")
def surface() -> Surface:
    return Surface.of(FaceModel.load())


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return made_up_avatar()


@pytest.fixture(scope="module")
def poser(avatar: Avatar) -> FacePoser:
    return avatar.poser()


@pytest.fixture(scope="module")
def source(surface: Surface, avatar: Avatar, poser: FacePoser) -> SourceView:
    return SourceView.of(surface, poser.pose_fit(avatar.fit, 512))


def driven(avatar: Avatar, poser: FacePoser, degrees: tuple[float, float, float], jaw: float = 0.0) -> PosedFace:
    expression = avatar.fit.expression.copy()
    expression[ARKIT_INDEX["jawOpen"]] = jaw
    rotation = (avatar.fit.rotation + np.radians(np.array(degrees))).astype(np.float32)
    fit = avatar.fit
    return poser.pose(expression, fit.residual, rotation, fit.scale / 512, fit.offset / np.float32(512))


def prior_of(surface: Surface, source: SourceView, posed: PosedFace) -> MotionPrior:
    return motion_prior(surface, source, posed, (SIDE, SIDE))


def test_no_motion_is_the_identity(surface: Surface, source: SourceView) -> None:
    prior = prior_of(surface, source, source.posed)
    assert np.abs(prior.displacement()).max() < 1e-5
    assert prior.hidden.sum() < 0.25 * prior.skin.sum()


@pytest.mark.parametrize("degrees", [(0, 25, 0), (0, -25, 0), (12, 10, -8)])
def test_flow_leads_each_landmark_back(
    surface: Surface, source: SourceView, avatar: Avatar, poser: FacePoser, degrees: tuple[float, float, float]
) -> None:
    posed = driven(avatar, poser, degrees)
    prior = prior_of(surface, source, posed)
    inner = [4, 6, 9, 50, 280, 151, 152, 199, 61, 291]  # nose, forehead, cheeks, chin, mouth corners
    for index in inner:
        column, row = np.clip(posed.landmarks[index, :2] * SIDE, 0, SIDE - 1).astype(int)
        if prior.hidden[row, column] or not prior.skin[row, column]:
            continue
        error = prior.flow[row, column] - source.posed.landmarks[index, :2]
        assert np.abs(error).max() < 2.0 / SIDE, index


@pytest.mark.parametrize("degrees", [(0, 25, 0), (0, -25, 0), (15, 0, 0), (-15, 0, 0), (0, 0, 15), (8, 15, 5)])
def test_nothing_folds_outside_the_face(
    surface: Surface, source: SourceView, avatar: Avatar, poser: FacePoser, degrees: tuple[float, float, float]
) -> None:
    prior = prior_of(surface, source, driven(avatar, poser, degrees))
    folded = determinant(prior.flow) <= 0
    outside = (prior.skin[:-1, :-1] == 0) | (prior.hidden[:-1, :-1] > 0)
    assert (folded & outside).mean() < 0.003
    assert folded.mean() < 0.01  # lips and nostrils hide each other


def determinant(flow: FloatArray) -> FloatArray:
    """Change of area of each cell (h - 1, w - 1); negative where the picture is folded over."""
    right, down = flow[:-1, 1:] - flow[:-1, :-1], flow[1:, :-1] - flow[:-1, :-1]
    return np.asarray(right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]) * SIDE**2


def test_the_border_is_still(surface: Surface, source: SourceView, avatar: Avatar, poser: FacePoser) -> None:
    displacement = prior_of(surface, source, driven(avatar, poser, (8, 20, 10))).displacement()
    edge = np.concatenate([displacement[0], displacement[-1], displacement[:, 0], displacement[:, -1]])
    assert np.abs(edge).max() < 0.5 / SIDE
    assert np.abs(displacement).max() > 5 / SIDE


def test_turning_away_hides_one_side(surface: Surface, source: SourceView, avatar: Avatar, poser: FacePoser) -> None:
    """Yaw to the image's right uncovers the head's side at the image's left, which the photo does not show."""
    prior = prior_of(surface, source, driven(avatar, poser, (0, 25, 0)))
    columns = np.nonzero(prior.hidden)[1]
    middle = np.nonzero(prior.skin)[1].mean()
    assert (columns < middle).mean() > 0.7


def test_openings_follow_jaw_and_lids(surface: Surface, source: SourceView, avatar: Avatar, poser: FacePoser) -> None:
    rest = prior_of(surface, source, source.posed)
    spoken = prior_of(surface, source, driven(avatar, poser, (0, 0, 0), jaw=0.7))
    assert spoken.mouth.sum() > rest.mouth.sum() + 50
    assert spoken.eyes.sum() == pytest.approx(rest.eyes.sum(), rel=0.1)


def test_hair_turns_with_the_head_in_plane(
    surface: Surface, source: SourceView, avatar: Avatar, poser: FacePoser
) -> None:
    """A roll is exact for the whole head, mesh or not, and leaves the frame's edge alone."""
    posed = driven(avatar, poser, (0, 0, 10))
    field = rigid_displacement(surface, source.posed, posed, (SIDE, SIDE))
    above = posed.project(np.array([[0, 13.0, 2.0]], np.float32))[0, :2]
    was = source.posed.project(np.array([[0, 13.0, 2.0]], np.float32))[0, :2]
    column, row = (above * SIDE).astype(int)
    assert np.abs(field[row, column] - (was - above)).max() < 0.02
    assert np.abs(field[-1]).max() < 1e-3
