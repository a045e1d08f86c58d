"""Push-pull: what is known stays, gaps are filled smoothly."""

from __future__ import annotations

import numpy as np

from live.render.extend import push_pull


def test_known_stays_and_gaps_are_between() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(37, 50, 2)).astype(np.float32)
    known = (random.random((37, 50)) < 0.2).astype(np.float32)
    filled = push_pull(values * known[..., None], known)
    assert np.array_equal(filled[known > 0], values[known > 0])
    low, high = values[known > 0].min(0), values[known > 0].max(0)
    assert (filled >= low - 1e-4).all() and (filled <= high + 1e-4).all()


def test_a_hole_in_a_ramp_is_bridged() -> None:
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], (64, 1, 1))
    known = np.ones((64, 64), np.float32)
    known[24:40, 24:40] = 0
    filled = push_pull(ramp * known[..., None], known)
    assert np.abs(filled - ramp).max() < 0.08
    assert np.abs(np.diff(filled[32, 22:42, 0])).max() < 0.08  # no step at the hole's edge


def test_partly_known_values_are_blended() -> None:
    values = np.zeros((8, 8, 1), np.float32)
    values[4, 4] = 10
    weight = np.ones((8, 8), np.float32)
    weight[4, 4] = 0.5
    assert 4 < push_pull(values, weight)[4, 4, 0] < 9


def test_nothing_known_is_zero() -> None:
    assert (push_pull(np.ones((5, 7, 1), np.float32), np.zeros((5, 7), np.float32)) == 0).all()
