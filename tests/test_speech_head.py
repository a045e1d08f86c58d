"""The head flow: seeded, bounded, alive, calmer in silence; and the blinks that it asks for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from live.motion.arkit import ARKIT_INDEX
from live.motion.speech.blinks import LONGEST_PAUSE_S, SHORTEST_PAUSE_S, Blinks
from live.motion.speech.head_flow import BLINK, CHANNELS, FRAME_S, HeadFlow, to_expression


def run(flow: HeadFlow, frames: int, speaking: bool) -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    loud = random.normal(0.3, 0.4, frames) if speaking else np.full(frames, -2.0)
    return np.stack([flow.step(float(x), float(speaking)) for x in loud])


def test_seeds_are_reproducible_and_differ() -> None:
    flow = HeadFlow(seed=1)
    first = run(flow, 100, True)
    flow.reset()
    assert np.array_equal(first, run(flow, 100, True))
    assert not np.allclose(first, run(HeadFlow(seed=2), 100, True))


def test_a_speaker_moves_as_the_tracked_people_did() -> None:
    # Of 37 tracked talkers: standard deviations within a clip 3.2°, 4.6° and 3.3°, speeds 17, 18 and 14 °/s.
    motion = np.concatenate([run(HeadFlow(seed=s), 500, True) for s in range(4)])
    spread = np.degrees(motion[:, :3].std(0))
    speed = np.degrees(np.sqrt((np.diff(motion[:, :3], axis=0) ** 2).mean(0))) / FRAME_S
    assert (spread > 0.7).all() and (spread < 7.0).all()
    assert (speed > 2.0).all() and (speed < 30.0).all()


def test_silence_is_calm_but_never_frozen() -> None:
    flow = HeadFlow(seed=0)
    quiet = run(flow, 3000, False)
    spread = np.degrees(quiet[:, :3].std(0))
    assert (spread > 0.1).all() and (spread < 3.5).all()
    assert np.abs(np.diff(quiet[:, :3], axis=0)).sum(1).min() > 0.0


@pytest.mark.parametrize("sound", [(1e6, 1.0), (-1e6, 0.0), (0.0, 1.0)])
def test_limits_hold_for_any_sound(sound: tuple[float, float]) -> None:
    flow = HeadFlow(seed=5, temperature=1.0)
    motion = np.stack([flow.step(*sound) for _ in range(1000)])
    assert np.isfinite(motion).all()
    assert np.degrees(np.abs(motion[:, :3])).max() < 12.0


def test_expression_has_only_brows_and_gaze() -> None:
    frame = np.linspace(-0.3, 0.3, len(CHANNELS), dtype=np.float32)
    weights = to_expression(frame)
    allowed = {i for name, i in ARKIT_INDEX.items() if name.startswith(("brow", "eyeLook"))}
    assert set(np.flatnonzero(weights).tolist()) <= allowed
    right = to_expression(np.array([0, 0, 0, 0, 0, 0, 0, 0.3, 0.0], np.float32))
    assert right[ARKIT_INDEX["eyeLookOutLeft"]] == pytest.approx(0.3)
    assert right[ARKIT_INDEX["eyeLookInLeft"]] == 0.0


def test_a_wish_to_blink_is_one_full_blink() -> None:
    blinks, lids = Blinks(seed=0), []
    for i in range(50):
        time = i * FRAME_S
        blinks.update(time, 0.6 if 1.0 <= time < 1.1 else 0.0)
        lids.append(max(blinks.at(time - FRAME_S), blinks.at(time - FRAME_S / 2)))
    assert max(lids) > 0.9
    assert lids[0] == 0.0 and lids[-1] == 0.0


def test_eyes_never_stay_open_for_too_long_nor_flutter() -> None:
    calm, wild = Blinks(seed=0), Blinks(seed=0)
    for blinks, wish in ((calm, 0.0), (wild, 1.0)):
        shut, last, pauses = False, 0.0, []
        for i in range(3000):
            time = i * FRAME_S
            blinks.update(time, wish * (i % 2))
            now = blinks.at(time - FRAME_S) > 0.4
            if now and not shut:
                pauses.append(time - last)
                last = time
            shut = now
        assert max(pauses) <= LONGEST_PAUSE_S + 1.0
        assert min(pauses[1:]) >= SHORTEST_PAUSE_S
    assert CHANNELS[BLINK] == "blink"
