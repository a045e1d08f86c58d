"""Gives the motion of a driver that knows no avatar (speech) to a particular one."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from live.frames import AudioChunk, MotionFrame, VideoFrame
from live.motion.arkit import ARKIT_NAMES
from live.motion.retarget import DEFAULT_GAINS, RetargetGains, retarget
from live.protocols import Driver

_NEUTRAL: Final = MotionFrame.neutral(capture_ns=0)

SMILE_KEPT: Final = 0.3
"""Share of the portrait's own mouth shape that stays while it speaks: a hint of its smile, lips that can meet."""

_KEPT: Final = np.array(
    [0.0 if n.startswith("jaw") else SMILE_KEPT if n.startswith(("mouth", "cheek")) else 1.0 for n in ARKIT_NAMES],
    np.float32,
)


def speaking_rest(rest: MotionFrame) -> MotionFrame:
    """A portrait's rest with the mouth relaxed.

    A photographed smile would bare the teeth through every p, b and m, and through silence. The learned residual is
    mostly mouth and fades with it.
    """
    return replace(rest, expression=rest.expression * _KEPT, residual=rest.residual * np.float32(SMILE_KEPT))


class RetargetedDriver:
    """A `Driver` around another one whose motion is relative to a neutral face: that shows `speaking_rest`.

    Args:
        driver: closed by `close`.
        rest: the motion that reproduces the avatar's photo (`Avatar.rest`).
        gains: how strongly the avatar follows.
    """

    def __init__(self, driver: Driver, rest: MotionFrame, gains: RetargetGains = DEFAULT_GAINS) -> None:
        self.inner = driver
        self._rest = speaking_rest(rest)
        self._gains = gains

    @property
    def dropped(self) -> int:
        """What the inner driver dropped."""
        return int(getattr(self.inner, "dropped", 0))

    def set_rest(self, rest: MotionFrame) -> None:
        """Drive another avatar. From any thread."""
        self._rest = speaking_rest(rest)

    def set_gains(self, gains: RetargetGains) -> None:
        """Change how strongly the avatar follows. From any thread."""
        self._gains = gains

    def push_audio(self, chunk: AudioChunk) -> None:
        """Pass on."""
        self.inner.push_audio(chunk)

    def push_video(self, frame: VideoFrame) -> None:
        """Pass on."""
        self.inner.push_video(frame)

    def next_motion(self, timeout: float) -> MotionFrame | None:
        """The inner driver's motion, in the avatar's frame."""
        motion = self.inner.next_motion(timeout)
        return None if motion is None else retarget(motion, _NEUTRAL, self._rest, gains=self._gains)

    def clear(self) -> None:
        """Forget what the inner driver has heard and not yet spoken, if it can."""
        clear = getattr(self.inner, "clear", None)
        if callable(clear):
            clear()

    def close(self) -> None:
        """Close the inner driver."""
        self.inner.close()
