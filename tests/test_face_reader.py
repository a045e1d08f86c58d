from __future__ import annotations

import numpy as np
import pytest

from live.frames import MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.face_model import FaceModel
from live.motion.face_reader import FaceReader
from tests.puppet import Puppet, picture

JAW = ARKIT_INDEX["jawOpen"]


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return FaceModel.load()


@pytest.fixture
def puppet(model: FaceModel) -> Puppet:
    return Puppet(model)


def settle(reader: FaceReader, start: float = 0.0, frames: int = 40) -> MotionFrame:
    """Read enough frames that the identity is known."""
    motion = None
    for i in range(frames):
        motion = reader.read(picture(start + i / 30))
        if reader._worker is not None:
            reader._worker.join()
    assert motion is not None
    return motion


def test_reads_the_pose(model: FaceModel, puppet: Puppet) -> None:
    reader = FaceReader(puppet, model)
    settle(reader)
    for yaw, pitch in [(-20.0, -10.0), (-20.0, 10.0), (0.0, -10.0), (15.0, 0.0), (15.0, 10.0)]:
        puppet.pose(yaw=yaw, pitch=pitch)
        for i in range(3):
            motion = reader.read(picture(2.0 + i / 30))
        assert motion is not None
        assert np.degrees(motion.rotation) == pytest.approx([pitch, yaw, 0.0], abs=1.0)


def test_reads_the_expression(model: FaceModel, puppet: Puppet) -> None:
    reader = FaceReader(puppet, model)
    closed = settle(reader)
    puppet.pose(jawOpen=0.6)
    opened = reader.read(picture(2.0))
    assert opened is not None
    assert opened.expression[JAW] - closed.expression[JAW] == pytest.approx(0.6, abs=0.12)


def test_position_is_in_centimetres_and_size_a_logarithm(model: FaceModel, puppet: Puppet) -> None:
    reader = FaceReader(puppet, model)
    before = settle(reader)
    puppet.centre = puppet.centre + np.array([18.0, -9.0], np.float32)  # two cm to the right, one up
    aside = reader.read(picture(2.0))
    puppet.centre = np.array([128.0, 128.0], np.float32)
    puppet.scale *= 1.2
    nearer = reader.read(picture(2.1))
    assert aside is not None and nearer is not None
    assert aside.translation - before.translation == pytest.approx([2.0, 1.0, 0.0], abs=0.15)
    assert nearer.translation[2] - before.translation[2] == pytest.approx(np.log(1.2), abs=0.02)


def test_the_identity_is_learned_and_the_change_is_told(model: FaceModel, puppet: Puppet) -> None:
    told: list[tuple[MotionFrame, MotionFrame]] = []
    reader = FaceReader(puppet, model, on_remeasured=lambda before, after: told.append((before, after)))
    first = reader.read(picture(0.0))
    assert first is not None
    assert not reader.identity.any()
    puppet.pose(yaw=10.0)
    settle(reader, 0.1)
    assert np.corrcoef(reader.identity, puppet.identity)[0, 1] > 0.5
    assert len(told) >= 2
    assert all(b.pts == a.pts for b, a in told)


def test_no_face_is_none_and_the_trace_says_what_was_done(model: FaceModel, puppet: Puppet) -> None:
    reader = FaceReader(puppet, model)
    seen, unseen = picture(0.0), picture(0.1)
    assert reader.read(seen) is not None
    puppet.visible = False
    assert reader.read(unseen) is None
    assert [s[0] for s in seen.trace.stages] == ["track", "fit"]
    assert [s[0] for s in unseen.trace.stages] == ["track"]


def test_landmarks_that_are_no_face_are_refused(model: FaceModel, puppet: Puppet) -> None:
    reader = FaceReader(puppet, model)
    puppet.scale = float("nan")
    assert reader.read(picture(0.0)) is None
    puppet.scale = 1e-4
    assert reader.read(picture(0.1)) is None
    puppet.scale = 9.0
    assert reader.read(picture(0.2)) is not None


def test_a_tracker_that_fails_is_no_face(model: FaceModel, puppet: Puppet, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("graph has errors")

    reader = FaceReader(puppet, model)
    monkeypatch.setattr(puppet, "track", fail)
    assert reader.read(picture(0.0)) is None


def test_forget_and_close(model: FaceModel, puppet: Puppet) -> None:
    reader = FaceReader(puppet, model)
    settle(reader, frames=10)
    reader.forget()
    assert not reader.identity.any()
    reader.close()
    reader.close()
    assert puppet.closed
