from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from live.frames import MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.face_driver import FADE_S, STARVED_S, FaceDriver
from live.motion.face_model import FaceModel
from live.motion.face_reader import FaceReader
from live.motion.idle import IdleMotion
from live.motion.retarget import RetargetGains, retarget
from live.protocols import Driver
from tests.puppet import Puppet, picture

JAW = ARKIT_INDEX["jawOpen"]
STEP_NS = round(1e9 / 30)


class Stage:
    """A driver, its puppet and a clock that tests move by hand."""

    def __init__(self, model: FaceModel, rest: MotionFrame | None = None, *, mode: str = "relative") -> None:
        self.ns = 5_000_000_000
        self.pts = 100.0
        self.puppet = Puppet(model)
        self.idle = IdleMotion(1)
        self.rest = MotionFrame.neutral() if rest is None else rest
        self.driver = FaceDriver(
            self.rest,
            reader=FaceReader(self.puppet, model),
            idle=self.idle,
            mode=mode,  # type: ignore[arg-type]
            gains=RetargetGains(translation=1.0),
            clock_ns=lambda: self.ns,
        )

    def show(self, frames: int) -> list[MotionFrame]:
        """Feed pictures at 30 fps."""
        output = []
        for _ in range(frames):
            self.driver.push_video(picture(self.pts, self.ns))
            motion = self.driver.next_motion(0.0)
            assert motion is not None and motion.pts == self.pts
            output.append(motion)
            self.pts += 1 / 30
            self.ns += STEP_NS
        return output

    def idle_at(self, pts: float) -> MotionFrame:
        return retarget(self.idle.at(pts), MotionFrame.neutral(), self.rest)


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return FaceModel.load()


@pytest.fixture
def rest() -> MotionFrame:
    frame = MotionFrame.neutral()
    frame.expression[ARKIT_INDEX["mouthSmileLeft"]] = 0.5
    return replace(frame, rotation=np.array([0.05, -0.1, 0.02], np.float32))


def test_is_a_driver(model: FaceModel) -> None:
    assert isinstance(Stage(model).driver, Driver)


def test_an_unmoving_driver_shows_the_photo_wherever_they_look(model: FaceModel, rest: MotionFrame) -> None:
    stage = Stage(model, rest)
    stage.puppet.pose(yaw=12.0, pitch=5.0, mouthFrownLeft=0.3)
    motion = stage.show(60)[-1]
    assert np.allclose(motion.expression, rest.expression, atol=0.05)
    assert np.degrees(np.abs(motion.rotation - rest.rotation)).max() < 0.7
    assert np.abs(motion.translation).max() < 0.1
    assert motion.confidence == pytest.approx(1.0)
    assert [s[0] for s in motion.trace.stages] == ["track", "fit", "smooth"]


def test_motion_is_relative_to_the_neutral(model: FaceModel, rest: MotionFrame) -> None:
    stage = Stage(model, rest)
    stage.puppet.pose(yaw=12.0)
    stage.show(60)
    stage.puppet.pose(yaw=22.0, jawOpen=0.5)
    motion = stage.show(15)[-1]
    assert np.degrees(motion.rotation[1] - rest.rotation[1]) == pytest.approx(10.0, abs=1.5)
    assert motion.expression[JAW] == pytest.approx(0.5, abs=0.1)


def test_absolute_mode(model: FaceModel, rest: MotionFrame) -> None:
    stage = Stage(model, rest, mode="absolute")
    stage.puppet.pose(yaw=12.0)
    assert np.degrees(stage.show(60)[-1].rotation[1]) == pytest.approx(12.0, abs=1.5)
    stage.driver.set_mode("relative")
    assert np.degrees(stage.show(30)[-1].rotation[1] - rest.rotation[1]) == pytest.approx(0.0, abs=1.0)
    with pytest.raises(ValueError, match="relative"):
        stage.driver.set_mode("sideways")  # type: ignore[arg-type]


def test_calibrate_makes_the_present_face_neutral(model: FaceModel, rest: MotionFrame) -> None:
    stage = Stage(model, rest)
    assert not stage.driver.calibrate()  # nobody there yet
    stage.puppet.visible = True
    stage.show(40)
    stage.puppet.pose(yaw=15.0)
    turned = stage.show(20)[-1]
    assert np.degrees(turned.rotation[1] - rest.rotation[1]) > 10.0
    assert stage.driver.face_visible and stage.driver.calibrate()
    motion = stage.show(30)[-1]
    assert stage.driver.calibrated
    assert np.degrees(motion.rotation[1] - rest.rotation[1]) == pytest.approx(0.0, abs=0.7)
    stage.driver.reset_calibration()
    assert not stage.driver.calibrated or stage.show(1)
    stage.show(2)
    assert not stage.driver.calibrated


def test_a_lost_face_fades_to_idle_and_back_without_a_jump(model: FaceModel) -> None:
    stage = Stage(model)
    stage.show(50)
    stage.puppet.pose(yaw=25.0, jawOpen=0.6)
    stage.show(30)
    stage.puppet.visible = False
    leaving = stage.show(round(FADE_S * 30) + 2)
    stage.puppet.visible = True
    returning = stage.show(round(FADE_S * 30) + 2)
    yaw = np.degrees([m.rotation[1] for m in leaving + returning])
    assert np.abs(np.diff(yaw)).max() < 3.5
    idle = stage.idle_at(leaving[-1].pts)
    assert np.allclose(leaving[-1].expression, idle.expression, atol=1e-5)
    assert np.allclose(leaving[-1].rotation, idle.rotation, atol=1e-5)
    assert leaving[0].confidence > leaving[5].confidence > leaving[-1].confidence == 0.0
    assert yaw[-1] > 20.0 and returning[-1].confidence == pytest.approx(1.0)


def test_one_missed_frame_is_hardly_seen(model: FaceModel) -> None:
    stage = Stage(model)
    stage.show(50)
    stage.puppet.pose(yaw=25.0)
    before = stage.show(20)[-1]
    stage.puppet.visible = False
    missed = stage.show(1)[0]
    assert np.degrees(abs(missed.rotation[1] - before.rotation[1])) < 1.0


def test_nobody_ever_is_idle_motion(model: FaceModel, rest: MotionFrame) -> None:
    stage = Stage(model, rest)
    stage.puppet.visible = False
    for motion in stage.show(5):
        expected = stage.idle_at(motion.pts)
        assert motion.confidence == 0.0
        assert np.array_equal(motion.expression, expected.expression)


def test_without_pictures_it_ticks_at_the_frame_rate(model: FaceModel) -> None:
    stage = Stage(model)
    last = stage.show(1)[0]
    assert stage.driver.next_motion(0.0) is None
    stage.ns += round(STARVED_S * 1e9)
    first = stage.driver.next_motion(0.0)
    assert first is not None and stage.driver.next_motion(0.0) is None
    stage.ns += STEP_NS
    second = stage.driver.next_motion(0.0)
    assert second is not None
    assert last.pts < first.pts < second.pts
    assert second.pts - first.pts == pytest.approx(1 / 30, abs=1e-6)
    assert second.trace.capture_ns == stage.ns


def test_pictures_are_never_queued(model: FaceModel) -> None:
    stage = Stage(model)
    for i in range(5):
        stage.driver.push_video(picture(float(i)))
    motion = stage.driver.next_motion(0.0)
    assert motion is not None and motion.pts == 4.0
    assert stage.puppet.asked == 1 and stage.driver.dropped == 4


def test_another_avatar(model: FaceModel, rest: MotionFrame) -> None:
    stage = Stage(model)
    stage.show(60)
    stage.driver.set_rest(rest)
    assert np.allclose(stage.show(30)[-1].rotation, rest.rotation, atol=0.01)


def test_a_new_person_after_a_long_absence_gets_a_neutral_of_their_own(model: FaceModel) -> None:
    stage = Stage(model)
    stage.show(50)
    stage.pts += 20.0
    stage.puppet.pose(yaw=20.0)
    assert np.degrees(abs(stage.show(30)[-1].rotation[1])) < 1.5


@pytest.mark.parametrize("pts", [float("nan"), float("inf")])
def test_pictures_without_a_time_are_ignored(model: FaceModel, pts: float) -> None:
    stage = Stage(model)
    stage.show(2)
    stage.driver.push_video(picture(pts))
    assert stage.driver.next_motion(0.0) is None
    assert stage.show(1)


def test_close_wakes_a_waiting_thread(model: FaceModel) -> None:
    stage = Stage(model)
    stage.show(1)
    got: list[object] = ["nothing yet"]
    thread = threading.Thread(target=lambda: got.append(stage.driver.next_motion(60.0)))
    thread.start()
    stage.driver.close()
    stage.driver.close()
    thread.join(timeout=20.0)
    assert not thread.is_alive() and got[-1] is None
    assert stage.puppet.closed and stage.driver.next_motion(0.0) is None
