from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from live.errors import LiveError
from live.frames import MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.idle import IdleMotion
from live.motion.slider_driver import APPROACH_S, SLIDER_NAMES, SliderDriver
from live.protocols import Driver

JAW = ARKIT_INDEX["jawOpen"]
FRAME_NS = 10_000_000


class Time:
    def __init__(self) -> None:
        self.ns = 1_000_000_000

    def __call__(self) -> int:
        return self.ns


def play(driver: SliderDriver, time: Time, frames: int) -> list[MotionFrame]:
    output = []
    for _ in range(frames):
        motion = driver.next_motion(0.0)
        assert motion is not None
        output.append(motion)
        time.ns += FRAME_NS
    return output


def test_is_a_driver_with_58_sliders() -> None:
    assert isinstance(SliderDriver(), Driver)
    assert len(SLIDER_NAMES) == 58
    assert list(SliderDriver().get()) == list(SLIDER_NAMES)


def test_approaches_smoothly_and_arrives_without_overshoot() -> None:
    time = Time()
    driver = SliderDriver(fps=100.0, clock_ns=time)
    play(driver, time, 1)
    driver.set({"jawOpen": 0.8, "yaw": 10.0})
    frames = play(driver, time, 100)
    jaw = np.array([f.expression[JAW] for f in frames])
    assert (np.diff(jaw) >= -1e-6).all()
    assert jaw[int(APPROACH_S * 100) - 1] == pytest.approx(0.8 * 0.632, abs=0.01)
    assert jaw[0] < 0.05 * 0.8
    assert jaw[-1] == pytest.approx(0.8, abs=1e-4) and jaw.max() <= 0.8 + 1e-6
    assert np.degrees(frames[-1].rotation[1]) == pytest.approx(10.0, abs=1e-3)
    assert driver.get()["jawOpen"] == 0.8


def test_the_result_does_not_depend_on_the_frame_rate() -> None:
    values = []
    for step in (1, 4):
        time = Time()
        driver = SliderDriver(fps=100.0, clock_ns=time)
        driver.next_motion(0.0)
        driver.set({"jawOpen": 1.0})
        for _ in range(12 // step):
            time.ns += step * FRAME_NS
            motion = driver.next_motion(0.0)
        assert motion is not None
        values.append(float(motion.expression[JAW]))
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_begins_at_the_photo_and_returns_to_it() -> None:
    rest = replace(MotionFrame.neutral(), residual=np.full(16, 0.5, np.float32))
    rest.expression[ARKIT_INDEX["mouthSmileLeft"]] = 0.6
    rest.rotation[0] = 0.1
    time = Time()
    driver = SliderDriver(rest, fps=100.0, clock_ns=time)
    first = play(driver, time, 1)[0]
    assert np.allclose(first.expression, rest.expression) and np.allclose(first.rotation, rest.rotation)
    assert np.array_equal(first.residual, rest.residual)
    driver.set({"mouthSmileLeft": 0.0})
    assert play(driver, time, 100)[-1].expression[ARKIT_INDEX["mouthSmileLeft"]] == pytest.approx(0.0, abs=1e-4)
    driver.reset()
    assert np.allclose(play(driver, time, 100)[-1].expression, rest.expression, atol=1e-4)


def test_unknown_names_are_refused_with_what_was_meant() -> None:
    driver = SliderDriver()
    with pytest.raises(LiveError, match="jawOpen"):
        driver.set({"yaw": 5.0, "jawopen": 0.5})
    assert driver.get()["yaw"] == 0.0  # nothing was changed
    with pytest.raises(LiveError, match="pitch"):
        driver.set({"pich": 1.0})
    with pytest.raises(LiveError, match="52 ARKit"):
        driver.set({"qqqqqqqq": 1.0})
    with pytest.raises(LiveError):
        driver.limits("nose")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "wide", None, True])
def test_values_must_be_numbers(value: object) -> None:
    with pytest.raises(LiveError, match="finite"):
        SliderDriver().set({"jawOpen": value})  # type: ignore[dict-item]


def test_values_are_kept_in_range() -> None:
    driver = SliderDriver()
    driver.set({"jawOpen": 7.0, "yaw": -90.0})
    assert driver.get()["jawOpen"] == 1.0
    assert driver.get()["yaw"] == pytest.approx(-35.0, abs=1e-4)


def test_idle_motion_blinks_over_the_sliders() -> None:
    time = Time()
    driver = SliderDriver(fps=100.0, idle=IdleMotion(0), clock_ns=time)
    lids = [f.expression[ARKIT_INDEX["eyeBlinkLeft"]] for f in play(driver, time, 1000)]
    assert max(lids) > 0.8


def test_nothing_before_the_next_frame_is_due() -> None:
    time = Time()
    driver = SliderDriver(fps=100.0, clock_ns=time)
    assert driver.next_motion(0.0) is not None
    assert driver.next_motion(0.0) is None


def test_close_wakes_a_waiting_thread() -> None:
    driver = SliderDriver(fps=0.01)
    driver.next_motion(0.0)
    got: list[object] = ["nothing yet"]
    thread = threading.Thread(target=lambda: got.append(driver.next_motion(60.0)))
    thread.start()
    driver.close()
    driver.close()
    thread.join(timeout=20.0)
    assert not thread.is_alive() and got[-1] is None


def test_setting_from_many_threads() -> None:
    time = Time()
    driver = SliderDriver(fps=100.0, clock_ns=time)
    threads = [threading.Thread(target=driver.set, args=({n: 0.5},)) for n in SLIDER_NAMES[:52]]
    for t in threads:
        t.start()
    play(driver, time, 5)
    for t in threads:
        t.join()
    assert all(driver.get()[n] == 0.5 for n in SLIDER_NAMES[:52])
