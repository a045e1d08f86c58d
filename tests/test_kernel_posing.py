"""Posing, openings and prior, kernel by kernel, against the processor's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")  # the arrays for the device are made beside its torch code

from live.frames import MotionFrame
from live.motion.landmark_groups import LEFT_EYE, RIGHT_EYE
from live.render.cuda.face_arrays import ModelArrays, PortraitArrays, model_arrays, motion_values, portrait_arrays
from live.render.geometric import GeometricRenderer
from live.render.kernels import openings, posing, priors
from live.render.kernels.extension import pyramid_sizes
from live.render.kernels.tables import EDGES, FRAME, LAYER, OUTLINES
from live.render.live_network.regions import RegionFinder
from live.render.opening import eye_outline, mouth_outline, opening_mask
from live.render.posed import PosedFace
from live.render.prior import motion_prior
from tests.faces import made_up_avatar
from tests.kernel_devices import DEVICES, KernelDevice, kernel_device

SIDE = 128


@cache
def drawer() -> GeometricRenderer:
    return GeometricRenderer(made_up_avatar(seed=3, mouthSmileLeft=0.5, jawOpen=0.2, eyeBlinkLeft=0.2), (SIDE, SIDE))


@cache
def arrays() -> tuple[ModelArrays, PortraitArrays]:
    return model_arrays(drawer()), portrait_arrays(drawer())


@cache
def motions() -> list[MotionFrame]:
    random, rest, made = np.random.default_rng(4), drawer().rest, []
    for _ in range(6):
        weights = (random.random(52) * (random.random(52) < 0.3)).astype(np.float32)
        made.append(
            replace(
                rest,
                expression=weights,
                rotation=random.uniform(-0.4, 0.4, 3).astype(np.float32),
                translation=random.uniform(-1, 1, 3).astype(np.float32) * np.array([3, 3, 0.2], np.float32),
                residual=random.normal(0, 0.7, 16).astype(np.float32),
            )
        )
    return made


class Posed:
    """The motions posed by the kernels, and by the processor."""

    def __init__(self, at: KernelDevice) -> None:
        model, portrait = arrays()
        self.at, batch, stacked = at, len(motions()), portrait.rest.size // 3
        put: Callable[[Any], Any] = at.put
        self.motion = put(np.stack([motion_values(motion) for motion in motions()]))
        self.slots, self.avatars = put(np.ones(batch, np.int32)), put(self.bank(portrait.row))
        self.index = put(model.index)
        self.frames, self.boxes = put(np.zeros((batch, FRAME.size), "f4")), put(np.zeros((batch, 3, 6), "f4"))
        self.points = put(np.zeros((batch, stacked, 3), "f4"))
        shape, moves = put(np.zeros((batch, 3 * stacked), "f4")), put(np.zeros((batch, EDGES), "f4"))
        rest, shapes = put(self.bank(portrait.rest)), put(model.moves)
        posing.pose_shape(at.kernels, self.motion, self.slots, rest, shapes, shape)
        posing.pose_frame(
            at.kernels, self.motion, self.slots, model=put(model.model), avatars=self.avatars, index=self.index,
            shape=shape, moves=moves, frames=self.frames, boxes=self.boxes,
        )  # fmt: skip
        follow = posing.FollowWeights(
            put(model.follow_starts), put(model.follow_columns), put(model.follow_weights)
        )  # fmt: skip
        posing.pose_place(at.kernels, shape, moves, self.frames, follow, self.points)
        self.expected: list[PosedFace] = [drawer().avatar.posed(drawer().poser, motion) for motion in motions()]

    @staticmethod
    def bank(array: np.ndarray) -> np.ndarray:
        """A bank of two portraits, the second being this one."""
        return np.stack([np.full_like(array, 7), array])

    def outlined(self) -> tuple[Any, Any, openings.WindowSides]:
        put, windows, batch = self.at.put, openings.WindowSides.for_picture(SIDE), len(motions())
        outlines, layers = put(np.zeros((batch, OUTLINES, 2), "f4")), put(np.zeros((batch, 3, LAYER.size), "f4"))
        openings.face_outlines(
            self.at.kernels, self.points, self.motion, self.slots, index=self.index, teeth=put(arrays()[0].teeth),
            avatars=self.avatars, frames=self.frames, outlines=outlines, layers=layers, picture_side=SIDE,
            portrait_side=drawer().portrait.shape[0], windows=windows,
        )  # fmt: skip
        return outlines, layers, windows


@pytest.mark.parametrize("device", DEVICES)
def test_points_are_where_the_poser_puts_them(device: str) -> None:
    posed = Posed(kernel_device(device))
    points = posed.at.get(posed.points)
    for n, expected in enumerate(posed.expected):
        np.testing.assert_allclose(points[n], np.concatenate([expected.points, expected.landmarks]), atol=3e-6)
        row = posed.at.get(posed.frames)[n]
        np.testing.assert_allclose(row[FRAME.places["rotation"]].reshape(3, 3), expected.rotation, atol=1e-6)
        np.testing.assert_allclose(row[FRAME.places["scale"]], expected.scale, rtol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_crops_follow_the_head_as_the_networks_expect(device: str) -> None:
    posed = Posed(kernel_device(device))
    finder, boxes = RegionFinder(drawer().source.posed), posed.at.get(posed.boxes)
    for n, face in enumerate(posed.expected):
        regions = finder.place(face)
        for k, box in enumerate((regions.mouth, regions.right_eye, regions.left_eye)):
            np.testing.assert_allclose(boxes[n, k], np.concatenate([box.centre, box.right, box.down]), atol=2e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_outlines_and_masks_of_the_openings(device: str) -> None:
    posed = Posed(kernel_device(device))
    outlines, layers, windows = posed.outlined()
    batch = len(motions())
    masks, blurred = (
        posed.at.put(np.zeros(shape, "f4")) for shape in ((batch, windows.pixels), (batch, windows.pixels, 2))
    )
    openings.window_masks(
        posed.at.kernels, outlines, layers, masks, blurred, picture_side=SIDE, windows=windows
    )  # fmt: skip
    cover = posed.at.get(masks)
    for n, face in enumerate(posed.expected):
        marks = face.landmarks
        wanted = [mouth_outline(marks), eye_outline(marks, RIGHT_EYE), eye_outline(marks, LEFT_EYE)]
        np.testing.assert_allclose(posed.at.get(outlines)[n], np.concatenate(wanted), atol=1e-5)
        start = 0
        for outline, side, layer in zip(
            wanted, (windows.mouth, windows.eye, windows.eye), posed.at.get(layers)[n], strict=True
        ):
            mask = cover[n, start : start + side * side].reshape(side, side)
            start += side * side
            x, y = (int(v) for v in layer[LAYER.places["origin"]])
            expected = opening_mask(outline, (side, side), (x, y), SIDE)
            assert np.abs(mask - expected).mean() < 0.004
            # Corners reach further in OpenCV's drawing, by less than half a pixel.
            assert np.abs(mask - expected).max() < 0.45
            # Slits of less than a pixel come out a little fainter than OpenCV's, whose lines have a least width.
            assert abs(float(mask.sum() - expected.sum())) < 0.05 * float(expected.sum()) + 4


@pytest.mark.parametrize("device", DEVICES)
def test_the_prior_is_the_processors(device: str) -> None:
    posed, grid = Posed(kernel_device(device)), 64
    outlines, layers, _ = posed.outlined()
    model, portrait = arrays()
    batch, put = len(motions()), posed.at.put

    def zeros(*shape: int) -> Any:
        return put(np.zeros((batch, *shape), "f4"))

    space = priors.PriorSpace(
        keys=put(np.zeros((batch, grid, grid), np.int64)), field=zeros(grid, grid, 2), uv=zeros(grid, grid, 2),
        states=zeros(grid, grid, 2), masks=zeros(grid, grid, 3),
        levels=[(zeros(*size, 2), zeros(*size)) for size in pyramid_sizes(grid, grid)], distance=zeros(grid, grid),
        map=zeros(grid, grid, 3), blurred=zeros(grid, grid, 3), displacement=zeros(grid, grid, 2),
        packed=zeros(grid // 2, grid // 2, 8),
    )  # fmt: skip
    mesh = priors.PriorMesh(put(model.skin_faces), put(model.uv), put(posed.bank(portrait.source)))
    priors.motion_prior(
        posed.at.kernels, posed.points, posed.slots, mesh, frames=posed.frames, outlines=outlines, layers=layers,
        space=space,
    )  # fmt: skip
    for n, face in enumerate(posed.expected):
        expected = motion_prior(drawer().surface, drawer().source, face, (grid, grid))
        skin, known = (posed.at.get(space.states)[n, ..., k] for k in range(2))
        assert (skin != expected.skin).sum() <= 2 and (skin - known != expected.hidden).sum() <= 2
        difference = np.abs(posed.at.get(space.displacement)[n] - expected.displacement())
        assert difference.mean() < 2e-4 and difference.max() < 0.01
        np.testing.assert_allclose(posed.at.get(space.uv)[n][skin > 0], expected.uv[skin > 0], atol=2e-3)
