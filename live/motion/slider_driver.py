"""Direct editing: expressions and head pose set by hand, name by name (the paper's intuitive portrait editing)."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.errors import LiveError
from live.frames import EXPRESSION_COUNT, AudioChunk, FloatArray, MotionFrame, VideoFrame
from live.motion.arkit import ARKIT_INDEX, ARKIT_NAMES
from live.motion.frame_clock import FrameClock
from live.motion.idle import IdleMotion
from live.motion.limits import ROTATION_LIMIT, TRANSLATION_LIMIT
from live.motion.mixing import overlay

APPROACH_S: Final = 0.08
"""Time after which a slider has covered 63 % of the way to its new value."""

POSE_NAMES: Final = ("pitch", "yaw", "roll", "x", "y", "size")
"""Names beside the 52 expressions: head rotation in degrees (down, to the image's right, image's right side up), shift
in cm (image right, up), and apparent size as a natural logarithm."""

SLIDER_NAMES: Final = ARKIT_NAMES + POSE_NAMES
"""All names that `SliderDriver.set` knows."""

_INDEX: Final[dict[str, int]] = {**ARKIT_INDEX, **{n: EXPRESSION_COUNT + i for i, n in enumerate(POSE_NAMES)}}
_OMEGA: Final = 2.146 / APPROACH_S  # a critically damped step response is 1 - (1 + wt) exp(-wt)


class SliderDriver:
    """A `Driver` whose motion is what was last set, approached smoothly.

    Values are the avatar's own: they begin at its `rest`, which is what the photo shows, and setting `jawOpen` to 0.5
    opens the jaw to 0.5 whatever the photo had. Thread-safe.

    Args:
        rest: the motion that reproduces the avatar's photo.
        fps: frames per second.
        idle: laid over the values so that the avatar blinks and breathes; `None` = nothing moves by itself.
        clock_ns: monotonic clock, for tests.
    """

    def __init__(
        self,
        rest: MotionFrame | None = None,
        *,
        fps: float = 30.0,
        idle: IdleMotion | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._lock = threading.Lock()
        self._clock_ns = clock_ns
        self._clock = FrameClock(fps, clock_ns)
        self._start_ns = clock_ns()
        self._last_ns: int | None = None
        self._woken = threading.Event()
        self._closed = False
        self.idle = idle
        self._residual: FloatArray
        self._rest: NDArray[np.float64]
        self._set_rest(MotionFrame.neutral(capture_ns=0) if rest is None else rest)
        self._target = self._rest.copy()
        self._value = self._rest.copy()
        self._speed = np.zeros_like(self._value)

    def set(self, values: Mapping[str, float]) -> None:
        """Move sliders. Names that are not mentioned stay; values beyond the range of `limits` are cut.

        Raises:
            LiveError: an unknown name or a value that is no finite number; nothing is changed then.
        """
        indices, numbers = [], []
        for name, value in values.items():
            if name not in _INDEX:
                raise LiveError(f"There is no slider named {name!r}.", _closest(name))
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
                raise LiveError(f"The slider {name!r} cannot be set to {value!r}.", "Use a finite number.")
            low, high = self.limits(name)
            indices.append(_INDEX[name])
            numbers.append(min(max(float(value), low), high))
        with self._lock:
            self._target[indices] = numbers

    def get(self) -> dict[str, float]:
        """What every slider is set to, in the order of `SLIDER_NAMES`."""
        with self._lock:
            return dict(zip(SLIDER_NAMES, self._target.tolist(), strict=True))

    def limits(self, name: str) -> tuple[float, float]:
        """Least and greatest value of a slider; the photo's own value is always within.

        Raises:
            LiveError: an unknown name.
        """
        if name not in _INDEX:
            raise LiveError(f"There is no slider named {name!r}.", _closest(name))
        index = _INDEX[name]
        low, high = float(_LOW[index]), float(_HIGH[index])
        rest = float(self._rest[index])
        return min(low, rest), max(high, rest)

    def reset(self) -> None:
        """Return to the photo."""
        with self._lock:
            self._target[:] = self._rest

    def set_rest(self, rest: MotionFrame) -> None:
        """Edit another avatar: all sliders return to what its photo shows."""
        with self._lock:
            self._set_rest(rest)
            self._target[:] = self._rest

    # -- Driver

    def push_audio(self, chunk: AudioChunk) -> None:
        """Sliders do not listen."""

    def push_video(self, frame: VideoFrame) -> None:
        """Sliders do not look."""

    def next_motion(self, timeout: float) -> MotionFrame | None:
        """Wait for the next tick of the frame rate and return the motion then; `None` if it is later than `timeout`."""
        wait = self._clock.remaining()
        if wait > 0.0:
            self._woken.wait(min(wait, max(timeout, 0.0)))
        if self._closed or not self._clock.tick():
            return None
        now_ns = self._clock_ns()
        step = 0.0 if self._last_ns is None else (now_ns - self._last_ns) / 1e9
        self._last_ns = now_ns
        pts = (now_ns - self._start_ns) / 1e9
        with self._lock:
            self._approach(step)
            value, residual = self._value.astype(np.float32), self._residual
        motion = MotionFrame.neutral(pts, now_ns)
        motion.expression[:] = value[:EXPRESSION_COUNT]
        motion.rotation[:] = np.radians(value[EXPRESSION_COUNT : EXPRESSION_COUNT + 3])
        motion.translation[:] = value[EXPRESSION_COUNT + 3 :]
        motion.residual[:] = residual
        idle = self.idle
        moved = motion if idle is None else overlay(motion, idle.at(pts, capture_ns=now_ns))
        return MotionFrame(pts, moved.expression, moved.rotation, moved.translation, moved.residual, 1.0, motion.trace)

    def close(self) -> None:
        """Wake `next_motion`. Safe to call twice."""
        self._closed = True
        self._woken.set()

    def _set_rest(self, rest: MotionFrame) -> None:
        parts = [rest.expression, np.degrees(rest.rotation), rest.translation]
        self._rest = np.concatenate(parts).astype(np.float64)
        self._residual = rest.residual.copy()

    def _approach(self, step: float) -> None:
        """Exact step of the critically damped spring `x'' = w² (target - x) - 2 w x'`."""
        decay = np.exp(-_OMEGA * step)
        away = self._value - self._target
        drift = self._speed + _OMEGA * away
        self._value = self._target + (away + drift * step) * decay
        self._speed = (self._speed - _OMEGA * drift * step) * decay


def _range(sign: float) -> NDArray[np.float64]:
    expression = np.full(EXPRESSION_COUNT, 1.0 if sign > 0 else 0.0)
    pose = sign * np.concatenate([np.degrees(ROTATION_LIMIT), TRANSLATION_LIMIT])
    return np.concatenate([expression, pose]).astype(np.float64)


_LOW: Final = _range(-1.0)
_HIGH: Final = _range(1.0)


def _closest(name: str) -> str:
    lower = {n.lower(): n for n in SLIDER_NAMES}
    near = [lower[n] for n in difflib.get_close_matches(str(name).lower(), list(lower), n=3, cutoff=0.5)]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return "Names are the 52 ARKit expressions (such as jawOpen) and pitch, yaw, roll, x, y, size."
