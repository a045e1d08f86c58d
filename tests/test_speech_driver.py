"""The listening driver: frame grid, chunks, gaps, idleness, interruption and nonsense."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from live.frames import AUDIO_RATE, AudioChunk, MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.speech import SpeechDriver, motion_for
from live.motion.speech.driver import as_samples
from live.motion.speech.mouth import NetworkMouth
from live.motion.speech.network import LOOK_AHEAD, STEP
from live.protocols import Driver
from tests.speech_sample import samples

JAW = ARKIT_INDEX["jawOpen"]


class Clock:
    """Media time in place of the monotonic clock."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def play(
    driver: SpeechDriver, clock: Clock, sound: NDArray[np.int16], sizes: list[int], start: float = 0.0
) -> list[MotionFrame]:
    """Deliver sound in real time, in chunks of the given sizes in turn, and collect all frames."""
    frames, at, turn = [], 0, 0
    while at < len(sound):
        part = sound[at : at + sizes[turn % len(sizes)]]
        at, turn = at + len(part), turn + 1
        clock.now = round((start + at / AUDIO_RATE) * 1e9)
        driver.push_audio(AudioChunk(part, start + (at - len(part)) / AUDIO_RATE, clock.now))
        while (motion := driver.next_motion(0.0)) is not None:
            frames.append(motion)
    return frames


def speaking(fps: float = 25, *, even: bool = True) -> tuple[SpeechDriver, Clock]:
    clock = Clock()
    return SpeechDriver(fps=fps, seed=3, even=even, clock_ns=clock), clock


def test_it_is_a_driver() -> None:
    assert isinstance(SpeechDriver(fps=25, seed=0), Driver)


@pytest.mark.parametrize("fps", [25, 30, 50])
def test_frames_lie_on_the_grid_and_come_as_soon_as_promised(fps: int) -> None:
    driver, clock = speaking(fps)
    frames = play(driver, clock, samples()[: 2 * AUDIO_RATE], [480])
    assert [round(f.pts * fps) for f in frames] == list(range(len(frames)))
    assert len(frames) >= int((2.0 - LOOK_AHEAD - STEP) * fps)
    driver, clock = speaking(fps)
    sound = samples()
    for i in range(100):
        clock.now = (i + 1) * 10_000_000
        driver.push_audio(AudioChunk(sound[480 * i : 480 * (i + 1)], i / 100, clock.now))
        while (motion := driver.next_motion(0.0)) is not None:
            heard = (i + 1) / 100
            bound = LOOK_AHEAD if fps in (25, 50) else LOOK_AHEAD + STEP
            assert heard - motion.pts <= bound + 0.01 + 1e-9  # the last chunk may hold more than was needed
            assert motion.trace.capture_ns == pytest.approx(motion.pts * 1e9, abs=1000)


@pytest.mark.parametrize("start", [0.0, 0.007, 5.031, 12.3456])
def test_sound_in_pieces_waits_for_no_more_than_the_look_ahead(start: float) -> None:
    driver, clock = speaking()
    sound = samples()
    pts = []
    for i in range(60):
        heard = start + (i + 1) * 0.02
        clock.now = round(heard * 1e9)
        driver.push_audio(AudioChunk(sound[960 * i : 960 * (i + 1)], start + i * 0.02, clock.now))
        while (motion := driver.next_motion(0.0)) is not None:
            assert heard - motion.pts == pytest.approx(LOOK_AHEAD, abs=1e-6)
            pts.append(motion.pts)
    assert len(pts) > 25
    assert np.allclose(np.diff(pts), 0.04)


@pytest.mark.parametrize("hush", [960 * 25, 960 * 26])
def test_an_onset_is_shown_at_once_and_the_grid_goes_on_from_it(hush: int) -> None:
    """The same word after half a second and 20 ms more: evenly, one of the two would wait for the grid."""
    sound = np.concatenate([np.zeros(hush, np.int16), samples()[: AUDIO_RATE * 3 // 2]])
    driver, clock = speaking(even=False)
    frames = play(driver, clock, sound, [960])
    began, seen = [], 0
    for step in NetworkMouth().push(sound):
        now = int(step.mouth[0] >= 0.08) + int(step.mouth[0] >= 0.14)
        began += [step.time] * (now > seen)
        seen = 0 if step.speaking == 0.0 else max(now, seen)
    pts = np.array([f.pts for f in frames])
    assert began
    assert all(np.abs(pts - time).min() < 1e-6 for time in began)
    gaps = np.diff(pts)
    assert np.isclose(gaps[:, None], (0.02, 0.04)).any(1).all()
    assert np.isclose(gaps, 0.02).sum() <= len(began)
    assert driver.dropped == 0


@pytest.mark.parametrize("even", [True, False])
def test_any_chunking_gives_the_same_motion(even: bool) -> None:
    sound = samples()[: 2 * AUDIO_RATE]
    results = []
    for sizes in ([480], [960], [7, 1999, 1, 640], [4800]):
        driver, clock = speaking(even=even)
        results.append({round(f.pts * 1000): f for f in play(driver, clock, sound, sizes)})
    for other in results[1:]:
        common = results[0].keys() & other.keys()
        assert len(common) > 20
        for index in common:
            assert np.array_equal(results[0][index].expression, other[index].expression)
            assert np.array_equal(results[0][index].rotation, other[index].rotation)


def test_offline_motion_is_what_the_driver_makes() -> None:
    sound = samples()[: 2 * AUDIO_RATE]
    driver, clock = speaking()
    live = play(driver, clock, sound, [960])
    offline = motion_for(sound, fps=25, seed=3)
    assert len(offline) == 50
    for a, b in zip(live, offline, strict=False):
        assert a.pts == pytest.approx(b.pts)
        assert np.array_equal(a.expression, b.expression)
    again = motion_for(sound, fps=25, seed=3)
    assert all(np.array_equal(a.expression, b.expression) for a, b in zip(offline, again, strict=True))


def test_without_sound_the_face_lives_with_its_mouth_closed() -> None:
    driver, clock = speaking()
    frames = []
    for i in range(1, 1500):
        clock.now = i * 20_000_000
        while (motion := driver.next_motion(0.0)) is not None:
            frames.append(motion)
    pts = np.array([f.pts for f in frames])
    assert np.allclose(np.diff(pts), 0.04)
    assert len(frames) > 29.0 * 25
    expressions = np.stack([f.expression for f in frames])
    rotations = np.stack([f.rotation for f in frames])
    assert expressions[:, JAW].max() < 0.02
    assert all(f.confidence == 0.0 for f in frames)
    blinks = np.diff((expressions[:, ARKIT_INDEX["eyeBlinkLeft"]] > 0.5).astype(int)).clip(0).sum()
    assert 3 <= blinks <= 25
    assert np.abs(np.diff(rotations, axis=0)).sum(1).min() > 0.0  # never frozen
    assert np.abs(rotations).max() < 0.2


def test_sound_after_idleness_speaks_at_once() -> None:
    driver, clock = speaking()
    for i in range(1, 100):
        clock.now = i * 20_000_000
        while driver.next_motion(0.0) is not None:
            pass
    frames = play(driver, clock, samples()[AUDIO_RATE // 2 : 2 * AUDIO_RATE], [960], start=clock.now / 1e9)
    pts = [f.pts for f in frames]
    assert pts == sorted(set(pts))
    assert pts[-1] > 3.3
    assert max(f.expression[JAW] for f in frames) > 0.05


@pytest.mark.parametrize("gap", [0.1, 0.7, 5.0])
def test_missing_sound_is_silence(gap: float) -> None:
    driver, clock = speaking()
    sound = samples()[AUDIO_RATE // 2 :]
    first = play(driver, clock, sound[:AUDIO_RATE], [960])
    second = play(driver, clock, sound[AUDIO_RATE : 2 * AUDIO_RATE], [960], start=1.0 + gap)
    pts = [f.pts for f in (*first, *second)]
    assert pts == sorted(set(pts))
    assert pts[-1] == pytest.approx(2.0 + gap, abs=0.08)


def test_time_that_is_set_back_is_followed() -> None:
    driver, clock = speaking()
    play(driver, clock, samples()[:AUDIO_RATE], [960], start=100.0)
    frames = play(driver, clock, samples()[:AUDIO_RATE], [960], start=3.0)
    assert frames and 3.0 <= frames[0].pts < 3.2


def test_clear_forgets_what_waits() -> None:
    driver, clock = speaking()
    sound = samples()[AUDIO_RATE // 2 :]
    play(driver, clock, sound[:AUDIO_RATE], [960])
    driver.push_audio(AudioChunk(sound[AUDIO_RATE : 2 * AUDIO_RATE], 1.0, clock.now))
    driver.clear()
    assert driver.next_motion(0.0) is None
    clock.now += 1_000_000_000
    frame = driver.next_motion(0.0)
    assert frame is not None and frame.expression[JAW] < 0.02


def test_a_renderer_that_is_too_slow_gets_the_newest_frame() -> None:
    driver, clock = speaking()
    sound = samples()[:AUDIO_RATE]
    play(driver, clock, sound[:4800], [960])
    clock.now = 1_000_000_000
    driver.push_audio(AudioChunk(sound[4800:], 0.1, clock.now))
    frame = driver.next_motion(0.0)
    assert frame is not None and frame.pts == pytest.approx(0.96, abs=0.041)
    assert driver.dropped > 10


def test_a_backlog_is_bounded_and_counted() -> None:
    driver, _ = speaking()
    for i in range(500):
        driver.push_audio(AudioChunk(np.zeros(960, np.int16), i * 0.02, i * 20_000_000))
    assert driver.dropped_samples == 500 * 960 - 2 * AUDIO_RATE


def test_nonsense_does_no_harm() -> None:
    driver, clock = speaking()
    for bad in (
        np.full(960, np.nan, np.float32),
        np.full(960, np.inf),
        np.zeros(0, np.int16),
        np.zeros((2, 480), np.int16),
        np.array(["a"]),
        None,
    ):
        driver.push_audio(AudioChunk(bad, 0.0, 0))  # type: ignore[arg-type]
    driver.push_audio(AudioChunk(np.zeros(960, np.int16), float("nan"), 0))
    driver.push_audio(AudioChunk(np.full(AUDIO_RATE * 10, 32767, np.int16), 0.0, 0))
    clock.now = 2_000_000_000
    for _ in range(20):
        motion = driver.next_motion(0.0)
        if motion is not None:
            assert np.isfinite(motion.expression).all() and np.isfinite(motion.rotation).all()


def test_samples_of_any_kind() -> None:
    assert as_samples(np.array([0.5, -2.0, np.nan], np.float32)).tolist() == [16384, -32767, 0]
    assert as_samples(np.array([1, 2], np.int16)).tolist() == [1, 2]
    assert len(as_samples([1, 2])) == 0
    assert len(as_samples(np.array([1, 2], np.int64))) == 0


def test_close_wakes_the_waiting_thread() -> None:
    driver = SpeechDriver()
    results: list[MotionFrame | None] = []
    thread = threading.Thread(target=lambda: results.append(driver.next_motion(30.0)))
    thread.start()
    driver.close()
    thread.join(timeout=20.0)
    assert not thread.is_alive()
    assert driver.next_motion(0.0) is None
    driver.push_audio(AudioChunk(np.zeros(960, np.int16), 0.0, 0))
    driver.close()


def test_a_frame_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        SpeechDriver(fps=0)
