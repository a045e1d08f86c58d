"""Sound that waits for its picture and leaves in exact 20 ms frames, without clicks.

Chunks are written with their media time; frames are read at the pace of the local clock at `now - delay`. A changed
delay, a sound card that is 200 ppm off and late deliveries all show up as the same thing, an error of the reading
position, and are absorbed the same way: by reading up to 1 % faster or slower (cubic interpolation), and by a
cross-fade when the error is too large to slew. Running dry fades out; coming back fades in.
"""

from __future__ import annotations

import threading
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.frames import AUDIO_RATE
from live.transport.lateness import Lateness

FRAME: Final = 960
"""Samples per frame: what Opus and WebRTC want."""

CAPACITY: Final = 3 * AUDIO_RATE
"""Samples kept."""

JUMP: Final = 0.1 * AUDIO_RATE
"""Position error in samples that is corrected by a cross-fade instead of slewing."""

DEAD_BAND: Final = 0.001 * AUDIO_RATE
"""Position error in samples that starts a slew. Inside, samples are passed through unchanged."""

FASTEST: Final = 0.01
"""Largest deviation of the reading speed."""

FADE: Final = 240
"""Samples of a fade: 5 ms."""

CONTINUOUS: Final = 0.02
"""Seconds by which a chunk's media time may differ from the end of the last one and still count as its continuation."""

LONGEST_GAP: Final = 1.0
"""Seconds of missing sound that are filled with silence; more is a new beginning."""

CUSHION: Final = 0.022
"""Seconds by which frames must trail the newest sound: one frame and a thread's wake-up."""

_RAMP = np.linspace(0.0, 1.0, FADE, endpoint=False, dtype=np.float32)


class DelayLine:
    """One writer, one reader, any threads. Times are arguments, in seconds on one clock.

    Attributes:
        underruns: times the line ran dry while sound was playing.
        jumps: cross-fades made because the position was far off.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples = np.zeros(CAPACITY, np.float32)
        self._head = 0
        self._anchor: float | None = None  # media time of the sample at `_head`
        self._lateness = Lateness()
        self._age: float | None = None
        self._position: float | None = None
        self._slewing = False
        self._delay = 0.0
        self.underruns = 0
        self.jumps = 0

    @property
    def delay(self) -> float:
        """Clock minus media time at the reading position, as of the last `read`; what was wanted where it ran dry."""
        return self._delay

    def write(self, samples: NDArray[np.int16], pts: float, now: float) -> None:
        """Append sound whose first sample has media time `pts`, delivered at `now`."""
        sound = samples.astype(np.float32)
        with self._lock:
            difference = 0.0 if self._anchor is None else pts - self._anchor
            age, self._age = self._age, None
            if self._anchor is None or abs(difference) > LONGEST_GAP:
                self._anchor = pts
                self._lateness.reset()
                self._soften(sound)
            elif difference > CONTINUOUS:
                self._soften(sound)
                self._append(np.zeros(round(difference * AUDIO_RATE), np.float32))
                self._anchor = pts
            elif difference < -CONTINUOUS:
                self._soften(sound)
                self._anchor = pts
            else:
                self._anchor += 0.05 * difference
            self._append(sound)
            self._anchor += len(sound) / AUDIO_RATE
            if self._lateness.expected is None:
                self._lateness.observe(now - self._anchor, now)
            elif age is not None and abs(difference) <= CONTINUOUS:  # else sound was missing, not late
                self._lateness.observe(age, now)

    @property
    def floor(self) -> float:
        """The shortest delay at which sound is there in time, as deliveries have been lately; 0 before the first."""
        lateness = self._lateness.expected
        return 0.0 if lateness is None else lateness + CUSHION

    def read(self, now: float, delay: float, lead: float = 0.0) -> NDArray[np.int16]:
        """The frame of presentation time `now`: `int16 (960,)`, media time `now - delay` (or older, if sound comes
        later). It is read `lead` seconds before `now`."""
        with self._lock:
            lateness = self._lateness.expected
            if self._anchor is None or lateness is None:
                self._delay = delay
                return np.zeros(FRAME, np.int16)
            age = now - lead - self._anchor  # of the newest sound, just when it is needed
            self._age = age if self._age is None else max(age, self._age)
            self._delay = max(delay, lateness + CUSHION + lead)
            target = self._head + (now - self._delay - self._anchor) * AUDIO_RATE
            frame = self._play(target)
            if self._position is not None:
                self._delay = now - (self._anchor + (self._position - FRAME - self._head) / AUDIO_RATE)
        return np.clip(np.rint(frame), -32768, 32767).astype(np.int16)

    def _append(self, sound: NDArray[np.float32]) -> None:
        sound = sound[-CAPACITY:]
        index = np.arange(self._head, self._head + len(sound)) % CAPACITY
        self._samples[index] = sound
        self._head += len(sound)

    def _soften(self, sound: NDArray[np.float32]) -> None:
        """Fade out what is there and fade in what follows, where they do not join up."""
        index = np.arange(self._head - FADE, self._head) % CAPACITY
        self._samples[index] *= 1.0 - _RAMP
        count = min(FADE, len(sound))
        sound[:count] *= _RAMP[:count]

    def _play(self, target: float) -> NDArray[np.float32]:
        if self._position is None:
            if not self._has(target):
                return np.zeros(FRAME, np.float32)
            frame = self._take(float(round(target)), 1.0)
            frame[:FADE] *= _RAMP
            return frame
        error = target - self._position
        if abs(error) > JUMP and self._has(target):
            return self._jump(target)
        speed = self._speed(error)
        if self._has(self._position, speed):
            return self._take(self._position, speed)
        return self._run_dry()

    def _speed(self, error: float) -> float:
        """Reading speed that removes `error` (samples) in about half a second; hysteresis keeps it at 1 otherwise."""
        self._slewing = abs(error) > (8.0 if self._slewing else DEAD_BAND)
        if not self._slewing:
            position = self._position or 0.0
            return 1.0 + (round(position) - position) / FRAME  # onto a whole sample: from there on sound is copied
        return 1.0 + min(FASTEST, max(-FASTEST, error / (0.5 * AUDIO_RATE)))

    def _jump(self, target: float) -> NDArray[np.float32]:
        self.jumps += 1
        old = self._position
        self._slewing = False
        fading = self._take(old, 1.0)[:FADE] if old is not None and self._has(old) else np.zeros(FADE, np.float32)
        frame = self._take(float(round(target)), 1.0)
        frame[:FADE] = frame[:FADE] * _RAMP + fading * (1.0 - _RAMP)
        return frame

    def _run_dry(self) -> NDArray[np.float32]:
        self.underruns += 1
        frame = np.zeros(FRAME, np.float32)
        position = int(self._position or 0.0)
        left = max(0, min(FADE, self._head - position))
        index = np.arange(position, position + left) % CAPACITY
        frame[:left] = self._samples[index] * np.linspace(1.0, 0.0, left, dtype=np.float32)
        self._position = None
        return frame

    def _has(self, position: float, speed: float = 1.0) -> bool:
        oldest = self._head - CAPACITY + 2
        return oldest <= position - 1 and position + FRAME * speed + 2 <= self._head

    def _take(self, position: float, speed: float) -> NDArray[np.float32]:
        """960 samples from `position` on; advances the position."""
        if speed == 1.0:
            start = round(position)
            self._position = float(start + FRAME)
            return self._samples[np.arange(start, start + FRAME) % CAPACITY]
        at = position + speed * np.arange(FRAME)
        self._position = position + speed * FRAME
        whole = np.floor(at).astype(np.int64)
        t = (at - whole).astype(np.float32)
        p0, p1, p2, p3 = (self._samples[(whole + k) % CAPACITY] for k in (-1, 0, 1, 2))
        # Catmull-Rom spline
        cubic = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
        return np.asarray(cubic, np.float32)
