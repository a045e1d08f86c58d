"""The measures of `live bench quality`, on pictures whose figures are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from live.bench.quality import Smoothed, mean_of, pixel_measures, reconstruct, table
from live.bench.quality_clips import TruthFrame, motion_of
from live.bench.quality_metrics import TIGHT, WIDE, jitter, l1, mouth_and_eyes, psnr, relight, ssim
from live.bench.sample_avatar import sample_avatar
from live.frames import Image
from live.render.geometric import GeometricRenderer
from live.render.portrait import PORTRAIT_SIDE

SIDE = 256


def photo() -> Image:
    return GeometricRenderer(sample_avatar(), (SIDE, SIDE)).render(sample_avatar().rest)


def test_a_picture_equals_itself() -> None:
    picture = photo()
    assert l1(picture, picture) == 0 and psnr(picture, picture) == 100
    assert ssim(picture, picture) == pytest.approx(1, abs=1e-5)


def test_known_differences() -> None:
    dark = np.full((64, 64, 3), 51, np.uint8)
    light = np.full((64, 64, 3), 102, np.uint8)
    assert l1(dark, light) == pytest.approx(0.2) and psnr(dark, light) == pytest.approx(13.979, abs=1e-3)
    mask = np.zeros((64, 64), np.bool_)
    mask[:8] = True
    light[8:] = 51
    assert l1(dark, light) == pytest.approx(0.025) and l1(dark, light, mask) == pytest.approx(0.2)
    noisy = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert ssim(noisy, np.ascontiguousarray(noisy[::-1])) < 0.1


def test_mouth_and_eyes_lie_where_the_landmarks_are() -> None:
    landmarks = sample_avatar().landmarks * np.float32(SIDE / PORTRAIT_SIDE)
    tight, wide = (mouth_and_eyes(landmarks, SIDE, margin) for margin in (TIGHT, WIDE))
    for point in (13, 14, 468, 473):  # lips and pupils
        x, y = landmarks[point, :2].astype(int)
        assert tight[y, x]
    nose_x, nose_y = landmarks[4, :2].astype(int)
    assert not tight[nose_y, nose_x]
    assert wide[tight].all() and 2 * tight.sum() < wide.sum() < 8 * tight.sum()


def test_light_is_taken_from_the_truth_and_detail_is_not() -> None:
    truth = photo()
    dimmed = (truth * 0.7).astype(np.uint8)
    assert l1(relight(dimmed, truth), truth) < 0.25 * l1(dimmed, truth)
    noise = np.random.default_rng(0).normal(0, 20, truth.shape)
    grainy = np.clip(truth + noise, 0, 255).astype(np.uint8)
    assert l1(relight(grainy, truth), truth) > 0.9 * l1(grainy, truth)


def test_jitter_is_what_deviates_from_even_movement() -> None:
    even = np.linspace(0, 1, 10)[:, None, None] * np.ones((1, 5, 2))
    assert jitter(even) == pytest.approx(0, abs=1e-12)
    shaking = even + np.tile([0.0, 0.01], 5)[:, None, None]
    assert jitter(shaking) == pytest.approx(0.02 * 2**0.5)
    assert np.isnan(jitter(even[:2]))


def test_motion_between_two_fits() -> None:
    fit = sample_avatar().fit
    moved = replace(fit, offset=fit.offset + np.array([fit.scale, 2 * fit.scale], np.float32), scale=fit.scale * 2)
    motion = motion_of(moved, fit, 1.5)
    np.testing.assert_allclose(motion.translation, [1, -2, np.log(2)], atol=1e-6)
    assert motion.pts == 1.5


def test_a_table_of_a_short_performance(monkeypatch: pytest.MonkeyPatch) -> None:
    avatar = sample_avatar()
    drawer = GeometricRenderer(avatar, (SIDE, SIDE))
    landmarks = avatar.landmarks * np.float32(SIDE / PORTRAIT_SIDE)
    motions = [replace(avatar.rest, pts=i / 25) for i in range(4)]
    truth = [TruthFrame(np.roll(photo(), i, 0), landmarks, motion) for i, motion in enumerate(motions)]

    class Judge:
        def own_similarity(self, _frame: TruthFrame) -> float:
            return 1.0

        def score(self, _tracker: object, picture: Image, frame: TruthFrame, *, same_person: bool) -> tuple[dict, None]:
            assert same_person
            return pixel_measures(picture, frame) | {"aed": 0.1}, None

    class Tracker:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr("live.bench.quality.OpenVinoFaceTracker", Tracker)
    renderers = {"geometry": drawer, "geometry, smoothed": Smoothed(drawer)}
    scores = reconstruct(truth, renderers, Judge())  # type: ignore[arg-type]
    assert list(scores) == ["geometry", "geometry, smoothed", "geometry, true light", "truth"]
    assert scores["geometry"].rows[0]["l1"] == 0 and scores["geometry"].rows[3]["l1"] > 0.005
    light = mean_of(scores["geometry, true light"].rows)
    assert 0 < light["l1"] < mean_of(scores["geometry"].rows)["l1"] and "aed" not in light
    assert not {"l1", "wide_l1"} & scores["truth"].rows[0].keys()
    lines = table({name: mean_of(kept.rows) for name, kept in scores.items()}).splitlines()
    assert len(lines) == 6 and all(line.count("|") == lines[0].count("|") for line in lines)
    assert mean_of([{"a": 1.0}, {"a": float("nan"), "b": 3.0}]) == {"a": 1.0, "b": 3.0}
