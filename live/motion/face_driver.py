"""Drives an avatar with somebody's face: camera or video file in, avatar motion out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from live.frames import AudioChunk, MotionFrame, Trace, VideoFrame
from live.mailbox import Mailbox
from live.motion.calibration import NeutralEstimator
from live.motion.face_reader import FaceReader
from live.motion.frame_clock import FrameClock
from live.motion.idle import IdleMotion
from live.motion.lid_range import LidRange
from live.motion.mixing import blend, smoothstep
from live.motion.retarget import DEFAULT_GAINS, RetargetGains, RetargetMode, retarget
from live.motion.smoothing import MotionSmoother

FADE_S: Final = 0.5
"""How long the way from the driver's face to idle motion takes, and back."""

STARVED_S: Final = 0.15
"""Without a picture for this long the driver makes frames by itself."""

NEW_PERSON_S: Final = 5.0
"""A face that returns after a longer absence is measured anew (unless it was calibrated by hand)."""

_NEUTRAL: Final = MotionFrame.neutral(capture_ns=0)


class FaceDriver:
    """A `Driver` that follows the face in the pictures it is given.

    The motion is retargeted to the avatar: `MotionFrame`s are absolute in its frame, ready for a renderer. While no
    face is seen, the avatar moves idly.

    Args:
        rest: the motion that reproduces the avatar's photo (`Avatar.rest`).
        reader: finds and reads the face; `None` makes one with the engine's own models. Closed by `close`.
        fps: frame rate while no pictures arrive.
        idle: motion while nobody is seen.
        mode: "relative" to the driver's neutral, or "absolute".
        gains: how strongly the avatar follows.
        clock_ns: monotonic clock, for tests.

    Raises:
        ModelError: a model file is missing or damaged (only without `reader`).
    """

    def __init__(
        self,
        rest: MotionFrame | None = None,
        *,
        reader: FaceReader | None = None,
        fps: float = 30.0,
        idle: IdleMotion | None = None,
        mode: RetargetMode = "relative",
        gains: RetargetGains = DEFAULT_GAINS,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._estimator = NeutralEstimator()
        self._reader = FaceReader() if reader is None else reader
        self._reader.on_remeasured = self._estimator.shift
        self._mailbox: Mailbox[VideoFrame] = Mailbox()
        self._clock_ns = clock_ns
        self._clock = FrameClock(fps, clock_ns)
        self._idle = IdleMotion() if idle is None else idle
        self._lids = LidRange()
        self._smoother = MotionSmoother()
        self._rest = _NEUTRAL if rest is None else rest
        self._mode: RetargetMode = mode
        self._gains = gains
        self._live: MotionFrame | None = None
        self._presence = 0.0
        self._last_pts: float | None = None
        self._last_seen: float | None = None
        self._epoch: tuple[float, int] = (0.0, clock_ns())
        self._wanted_calibration = False
        self._wanted_forgetting = False
        self._closed = False
        self._reading = threading.Lock()

    # -- control, from any thread

    @property
    def face_visible(self) -> bool:
        """Whether the newest picture showed a face."""
        return self._presence > 0.0 and self._last_seen is not None and self._last_seen == self._last_pts

    @property
    def calibrated(self) -> bool:
        """Whether the neutral was set by `calibrate` (or is about to be)."""
        return self._wanted_calibration or self._estimator.calibrated

    @property
    def dropped(self) -> int:
        """Pictures that were replaced by newer ones before they were looked at."""
        return self._mailbox.dropped

    def calibrate(self) -> bool:
        """Take the face as it is now as the neutral one: it will show the portrait unchanged.

        Returns:
            False if no face is visible; the next one that appears is then calibrated.
        """
        self._wanted_calibration = True
        return self.face_visible

    def reset_calibration(self) -> None:
        """Return to the automatic neutral."""
        self._wanted_calibration = False
        self._wanted_forgetting = True

    def set_mode(self, mode: RetargetMode) -> None:
        """Retarget "relative" to the neutral or "absolute".

        Raises:
            ValueError: another word.
        """
        if mode not in ("relative", "absolute"):
            raise ValueError(f"the retargeting mode is 'relative' or 'absolute', not {mode!r}")
        self._mode = mode

    def set_gains(self, gains: RetargetGains) -> None:
        """Change how strongly the avatar follows."""
        self._gains = gains

    def set_rest(self, rest: MotionFrame) -> None:
        """Drive another avatar."""
        self._rest = rest

    # -- Driver

    def push_audio(self, chunk: AudioChunk) -> None:
        """A face driver does not listen."""

    def push_video(self, frame: VideoFrame) -> None:
        """Look at this picture next. From any thread; never blocks."""
        self._mailbox.put(frame)

    def next_motion(self, timeout: float) -> MotionFrame | None:
        """Motion for the newest picture, or idle motion at the frame rate while none arrive.

        The frame's trace has `track`, `fit` and `smooth`. Never raises for bad input.
        """
        if self._closed:
            return None
        frame = self._mailbox.take(min(max(timeout, 0.0), self._clock.remaining()))
        if frame is not None and np.isfinite(frame.pts):
            self._clock.postpone(max(STARVED_S, self._clock.period_ns / 1e9))
            self._epoch = (frame.pts, self._clock_ns())
            with self._reading:
                drive = None if self._closed else self._reader.read(frame)
            return self._output(drive, frame.pts, frame.trace)
        if self._closed or not self._clock.tick():
            return None
        pts, then_ns = self._epoch
        now_ns = self._clock_ns()
        return self._output(None, pts + (now_ns - then_ns) / 1e9, Trace(now_ns))

    def close(self) -> None:
        """Wake `next_motion` and release the models. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._mailbox.close()
        with self._reading:  # the render thread may be in the middle of a picture
            self._reader.close()

    def _output(self, drive: MotionFrame | None, pts: float, trace: Trace) -> MotionFrame:
        step = 0.0 if self._last_pts is None else min(max(pts - self._last_pts, 0.0), 0.2)
        self._last_pts = pts
        if self._wanted_forgetting:
            self._wanted_forgetting = False
            self._estimator.forget()
        if drive is not None:
            self._follow(drive, pts)
        self._presence += step / FADE_S if drive is not None else -step / FADE_S
        self._presence = min(max(self._presence, 0.0), 1.0)
        idle = retarget(self._idle.at(pts, capture_ns=trace.capture_ns), _NEUTRAL, self._rest)
        if self._live is None:
            return MotionFrame(
                pts, idle.expression, idle.rotation, idle.translation, idle.residual, idle.confidence, trace
            )
        live = self._live
        live = MotionFrame(pts, live.expression, live.rotation, live.translation, live.residual, live.confidence, trace)
        return blend(idle, live, smoothstep(self._presence))

    def _follow(self, drive: MotionFrame, pts: float) -> None:
        absent = 0.0 if self._last_seen is None else pts - self._last_seen
        self._last_seen = pts
        if absent > NEW_PERSON_S and not self._estimator.calibrated:
            self._estimator.forget()
            self._reader.forget()
            self._lids.forget()
        neutral = self._estimator.update(drive)
        if self._wanted_calibration and self._estimator.calibrate():
            self._wanted_calibration = False
        # Filtered after retargeting: what limits and neutral do to the motion is then smooth too.
        closed = self._lids.update(drive, neutral)
        wanted = retarget(drive, neutral, self._rest, mode=self._mode, gains=self._gains, closed_lids=closed)
        self._live = self._smoother(wanted)
