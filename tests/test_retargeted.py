"""A driver that knows no avatar, given to one."""

from __future__ import annotations

import numpy as np
import pytest

from live.frames import AudioChunk, MotionFrame, VideoFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.retargeted import SMILE_KEPT, RetargetedDriver


class Speaker:
    dropped = 3

    def __init__(self) -> None:
        self.motion: MotionFrame | None = MotionFrame.neutral(1.5)
        self.closed = self.cleared = False
        self.heard = 0

    def push_audio(self, chunk: AudioChunk) -> None:
        self.heard += 1

    def push_video(self, frame: VideoFrame) -> None: ...

    def next_motion(self, timeout: float) -> MotionFrame | None:
        return self.motion

    def clear(self) -> None:
        self.cleared = True

    def close(self) -> None:
        self.closed = True


def test_a_neutral_face_shows_the_photo_with_a_relaxed_mouth() -> None:
    rest = MotionFrame.neutral()
    rest.expression[ARKIT_INDEX["mouthSmileLeft"]] = 0.3
    rest.expression[ARKIT_INDEX["jawOpen"]] = 0.2
    rest.expression[ARKIT_INDEX["browInnerUp"]] = 0.4
    rest.rotation[1] = 0.2
    inner = Speaker()
    driver = RetargetedDriver(inner, rest)
    motion = driver.next_motion(0.0)
    assert motion is not None and motion.pts == 1.5
    shown = {name: float(motion.expression[ARKIT_INDEX[name]]) for name in ("jawOpen", "mouthSmileLeft", "browInnerUp")}
    assert shown == pytest.approx({"jawOpen": 0.0, "mouthSmileLeft": 0.3 * SMILE_KEPT, "browInnerUp": 0.4}, abs=0.02)
    assert motion.rotation == pytest.approx(rest.rotation, abs=0.01)
    assert inner.motion is not None
    inner.motion.expression[ARKIT_INDEX["jawOpen"]] = 0.5
    motion = driver.next_motion(0.0)
    assert motion is not None
    assert motion.expression[ARKIT_INDEX["jawOpen"]] == pytest.approx(0.5, abs=0.05)
    driver.set_rest(MotionFrame.neutral())
    motion = driver.next_motion(0.0)
    assert motion is not None and motion.rotation[1] == pytest.approx(0.0, abs=1e-5)


def test_everything_else_is_passed_on() -> None:
    inner = Speaker()
    driver = RetargetedDriver(inner, MotionFrame.neutral())
    driver.push_audio(AudioChunk(np.zeros(480, np.int16), 0.0, 0))
    assert inner.heard == 1 and driver.dropped == 3
    driver.clear()
    inner.motion = None
    assert driver.next_motion(0.0) is None
    driver.close()
    assert inner.closed and inner.cleared
