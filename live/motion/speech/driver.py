"""The driver that listens: sound in from any thread, a speaking face out at the frame rate."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.frames import AUDIO_RATE, AudioChunk, MotionFrame, VideoFrame
from live.motion.speech.composer import MotionComposer
from live.motion.speech.mouth import MouthModel, NetworkMouth
from live.motion.speech.network import LOOK_AHEAD, STEP

LONGEST_BACKLOG_S: Final = 2.0
"""Sound that may wait for the render thread; older sound is dropped and counted in `dropped_samples`."""
TOLERANCE_S: Final = 0.04
"""Difference between a chunk's `pts` and the count of samples that is ignored; beyond it time is corrected."""
LONGEST_GAP_S: Final = 1.0
"""Missing sound up to this long is replaced by silence; a longer gap starts afresh."""
PATIENCE: Final = 2
"""Frames that may be due at once and are all made; more means that the renderer is too slow, and the newest wins."""
IDLE_AFTER_S: Final = 0.25
"""After this long without sound, silence is heard in its place, this much behind the clock, so that returning sound is
not late."""


class SpeechDriver:
    """A `Driver` that speaks with what it hears and is alive while nobody speaks.

    Frames lie `1 / fps` apart in the sound's media time, counted from where the sound begins: sound comes in pieces,
    20 ms long from a browser, and on this grid the piece that completes a frame's look-ahead holds nothing beyond it.
    A frame is made as soon as that is there: 40 ms after the depicted instant at 25 and 50 frames per second, at most
    60 ms at other rates.
    When somebody begins to speak, frames are made at the instants that first show it, half an interval early perhaps,
    and the grid goes on from there: a word's first movement never waits for the grid.
    A driver that falls behind by more than `PATIENCE` frames goes on with the newest; the others are counted in
    `dropped`. Motion is relative to a neutral face.

    Args:
        fps: frames per second.
        seed: of blinks, gaze and head motion: the same sound with the same seed moves the same.
        mouth: another mouth model; `None` = the network of the package.
        even: keep the frames evenly spaced through onsets, too: for films, which nobody waits for.
        clock_ns: monotonic clock, for tests.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """

    def __init__(
        self,
        fps: float = 25,
        seed: int = 0,
        *,
        mouth: MouthModel | None = None,
        even: bool = False,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if not (np.isfinite(fps) and fps > 0):
            raise ValueError("the frame rate must be positive")
        self.fps = float(fps)
        self.dropped_samples = 0
        self.dropped = 0
        self._clock_ns = clock_ns
        self._even = even
        self._arrived = threading.Condition()
        self._waiting: deque[AudioChunk] = deque()
        self._waiting_samples = 0
        self._closed = False
        self._clear = False
        self._composer = MotionComposer(mouth or NetworkMouth(), seed)
        self._origin: float | None = None  # media time of the composer's first sample
        self._samples = 0  # given to the composer
        self._heard_ns = clock_ns()
        # An instant and the media time that was captured then: maps media time to capture instants.
        self._reference = (clock_ns(), 0.0)
        self._phase = 0.0  # media time of frame 0, below 1 / fps
        self._last_frame = -1  # index of the last frame made: (pts - phase) * fps

    def push_audio(self, chunk: AudioChunk) -> None:
        """Accept sound, from any thread, without blocking. Chunks that are no sound are ignored."""
        samples = as_samples(chunk.samples)
        if len(samples) == 0 or not np.isfinite(chunk.pts):
            return
        if samples is not chunk.samples:
            chunk = AudioChunk(samples, chunk.pts, chunk.capture_ns)
        with self._arrived:
            if self._closed:
                return
            self._waiting.append(chunk)
            self._waiting_samples += len(samples)
            while self._waiting_samples > LONGEST_BACKLOG_S * AUDIO_RATE and len(self._waiting) > 1:
                dropped = len(self._waiting.popleft().samples)
                self._waiting_samples -= dropped
                self.dropped_samples += dropped
            self._arrived.notify()

    def push_video(self, frame: VideoFrame) -> None:
        """Pictures are ignored."""

    def clear(self) -> None:
        """Forget sound that was pushed and not yet spoken (barge-in). The mouth closes."""
        with self._arrived:
            self._waiting.clear()
            self._waiting_samples = 0
            self._clear = True
            self._arrived.notify()

    def next_motion(self, timeout: float) -> MotionFrame | None:
        """The newest frame that is due, or `None` after `timeout` seconds."""
        deadline = self._clock_ns() + round(max(timeout, 0.0) * 1e9)
        while True:
            with self._arrived:
                if self._closed:
                    return None
                chunks = list(self._waiting)
                self._waiting.clear()
                self._waiting_samples = 0
                if self._clear:
                    self._clear = False
                    self._origin = None
            began = time.monotonic_ns()
            for chunk in chunks:
                self._listen(chunk)
            motion = self._spoken() or self._idle()
            if motion is not None:
                motion.trace.stamp("speech", began)
                return motion
            now = self._clock_ns()
            if now >= deadline:
                return None
            with self._arrived:
                if not self._waiting and not self._closed and not self._clear:
                    self._arrived.wait(min(deadline - now, self._until_idle(now)) / 1e9 + 1e-4)

    def close(self) -> None:
        """Wake a blocked `next_motion`; later sound is ignored. Safe to call twice."""
        with self._arrived:
            self._closed = True
            self._waiting.clear()
            self._arrived.notify_all()

    # -- on the render thread

    def _listen(self, chunk: AudioChunk) -> None:
        self._heard_ns = self._clock_ns()
        self._reference = (chunk.capture_ns, chunk.pts + chunk.duration)
        if self._origin is not None:
            gap = chunk.pts - (self._origin + self._samples / AUDIO_RATE)
            if TOLERANCE_S < gap <= LONGEST_GAP_S:
                self._feed(np.zeros(round(gap * AUDIO_RATE), np.int16))
            elif abs(gap) > TOLERANCE_S:
                self._origin = None
        if self._origin is None:
            self._begin(chunk.pts)
        self._feed(chunk.samples)

    def _feed(self, samples: NDArray[np.int16]) -> None:
        self._composer.push(samples)
        self._samples += len(samples)

    def _spoken(self) -> MotionFrame | None:
        if self._origin is None:
            return None
        ready = self._origin + self._composer.ready_until
        if not np.isfinite(ready):
            return None
        if not self._even:
            self._answer_onset()
        newest = int(np.floor((ready - self._phase) * self.fps + 1e-4))
        if newest <= self._last_frame or ready < self._origin - 1e-6:
            return None
        if self._last_frame >= 0 and newest - self._last_frame <= PATIENCE:
            return self._make(self._last_frame + 1)
        if self._last_frame >= 0:
            self.dropped += newest - self._last_frame - 1
        return self._make(newest)

    def _answer_onset(self) -> None:
        """Move the grid so that the next frame lies on an onset at least half an interval after the last one."""
        assert self._origin is not None
        if self._last_frame < 0:
            return
        following = self._last_frame + 1
        due = self._phase + following / self.fps - self._origin
        onset = self._composer.onset(due - 0.5 / self.fps - 1e-6, due - 1e-6)
        if onset is None:
            return
        self._phase += onset - due
        if self._phase < 0.0:
            self._phase += 1.0 / self.fps
            self._last_frame -= 1

    def _idle(self) -> MotionFrame | None:
        """Without sound, silence is heard, a little behind the clock."""
        now = self._clock_ns()
        if now - self._heard_ns < IDLE_AFTER_S * 1e9:
            return None
        wanted = self._media_time(now) - IDLE_AFTER_S + LOOK_AHEAD + STEP
        if self._origin is None or wanted - self._origin - self._samples / AUDIO_RATE > LONGEST_GAP_S:
            self._begin(wanted - 1.0 / self.fps)
        assert self._origin is not None
        missing = round((wanted - self._origin) * AUDIO_RATE) - self._samples
        if missing > 0:
            self._feed(np.zeros(missing, np.int16))
        return self._spoken()

    def _begin(self, pts: float) -> None:
        """Sound that does not continue what was heard begins at `pts`."""
        self._composer.reset()
        self._origin, self._samples = pts, 0
        self._phase = pts % (1.0 / self.fps)  # less than one frame away from the phase before: `pts` still increases
        if (pts - self._phase) * self.fps < self._last_frame - self.fps:  # time was set back: follow it
            self._last_frame = round((pts - self._phase) * self.fps) - 1

    def _make(self, index: int) -> MotionFrame:
        assert self._origin is not None
        self._last_frame = index
        pts = self._phase + index / self.fps
        instant, media = self._reference
        return self._composer.frame(pts - self._origin, pts, instant + round((pts - media) * 1e9))

    def _media_time(self, now_ns: int) -> float:
        instant, media = self._reference
        return media + (now_ns - instant) / 1e9

    def _until_idle(self, now_ns: int) -> int:
        """Nanoseconds until an idle frame may be due."""
        silent = round(self._heard_ns + IDLE_AFTER_S * 1e9) - now_ns
        following = self._phase + (self._last_frame + 1) / self.fps
        due = round((following + IDLE_AFTER_S - self._media_time(now_ns)) * 1e9)
        return max(silent, due, 0)


def as_samples(samples: object) -> NDArray[np.int16]:
    """Samples as int16 (n,): int16 as they are; floating point is taken as -1..1, not a number as silence.

    Anything else becomes no samples at all.
    """
    if not isinstance(samples, np.ndarray):
        return np.zeros(0, np.int16)
    flat = samples.reshape(-1)
    if flat.dtype == np.int16:
        return flat if samples.ndim != 1 else samples
    if np.issubdtype(flat.dtype, np.floating):
        finite = np.nan_to_num(flat.astype(np.float64), nan=0.0, posinf=1.0, neginf=-1.0)
        return np.rint(np.clip(finite, -1.0, 1.0) * 32767.0).astype(np.int16)
    return np.zeros(0, np.int16)
