"""Sends a session's sound: one Opus encode, exact 20 ms frames on the monotonic clock, for all viewers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from live.frames import AUDIO_RATE
from live.transport.delay_line import FRAME, DelayLine
from live.transport.encoded import AUDIO_CLOCK, AUDIO_TIME_BASE, Encoded
from live.transport.lip_sync import LipSync

logger = logging.getLogger(__name__)

BITRATE: Final = 64_000
LONGEST_LEAD: Final = 0.12
"""Seconds by which sound may leave before its picture."""

LEAD_SLEW: Final = 0.005
"""Seconds per second by which the lead may change. Sound that leaves earlier fills the browser's buffer until that
has found a place to shorten it, and what is over in a few seconds is not worth following."""

LATE_FRAMES: Final = 10
"""Frames by which the sender may be late before it skips them: the machine slept or stalled."""


class OpusEncoder:
    """Mono Opus in the restricted low-delay mode: 2.5 ms of look-ahead instead of 6.5."""

    def __init__(self, bitrate: int = BITRATE) -> None:
        context = av.CodecContext.create("libopus", "w")
        assert isinstance(context, av.AudioCodecContext)
        context.format = "s16"
        context.layout = "mono"
        context.sample_rate = AUDIO_RATE
        context.bit_rate = bitrate
        context.time_base = AUDIO_TIME_BASE
        context.options = {"application": "lowdelay", "frame_duration": "20", "vbr": "on"}
        self._context = context

    def encode(self, samples: NDArray[np.int16], ticks: int) -> bytes:
        """Encode `int16 (960,)` that is presented at `ticks` (48 kHz)."""
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = AUDIO_RATE
        frame.pts = ticks
        frame.time_base = AUDIO_TIME_BASE
        return b"".join(bytes(p) for p in self._context.encode(frame))


class FrameClock:
    """Which frame is due when: multiples of 20 ms from the start; skips ahead after a stall instead of bursting.

    Time is passed in, seconds.
    """

    def __init__(self, now: float) -> None:
        self._next = round(now * AUDIO_CLOCK)
        self.skipped = 0

    @property
    def next_ticks(self) -> int:
        """48 kHz ticks of the next frame; its instant is `ticks / 48000`."""
        return self._next

    def wait(self, now: float, lead: float = 0.0) -> float:
        """Seconds until the next frame is due, `lead` seconds before its presentation; 0 if it is."""
        return max(0.0, self._next / AUDIO_CLOCK - lead - now)

    def advance(self, now: float) -> None:
        """The next frame has been sent."""
        self._next += FRAME
        behind = int((now * AUDIO_CLOCK - self._next) // FRAME)
        if behind >= LATE_FRAMES:
            self._next += behind * FRAME
            self.skipped += behind


class Lead:
    """By how much sound leaves before its picture, so that both come out of the browser together.

    Browsers buffer sound longer than pictures and hold the picture back to match. Sound that leaves earlier spares the
    picture that wait; sound is usually there first, because pictures have to be drawn. Moves at 0.5 % of real time
    and never in a jump, which a browser would take for an uneven network and buffer more: older sound makes up for
    sound that is not there yet (`DelayLine.read`).
    """

    def __init__(self) -> None:
        self._seconds: float | None = None

    def step(self, wanted: float, spare: float, elapsed: float) -> float:
        """The lead to use now, given what the browsers want, by how much sound may be early, and the seconds since the
        last step."""
        target = max(0.0, min(wanted, spare, LONGEST_LEAD))
        limit = LEAD_SLEW * elapsed
        if self._seconds is None:
            self._seconds = target
        self._seconds += min(limit, max(-limit, target - self._seconds))
        return self._seconds


class AudioOut:
    """The sending thread. It runs from creation until `close`.

    Args:
        line: where the sound waits.
        delay: seconds by which sound is to be held back (clock minus media time) to meet its picture as that leaves,
            asked for every frame.
        sync: what the browser does to it, asked for every frame.
        emit: takes each packet, on the thread; must return at once.
    """

    def __init__(
        self,
        line: DelayLine,
        delay: Callable[[], float],
        sync: LipSync,
        emit: Callable[[Encoded], None],
    ) -> None:
        self._line = line
        self._delay = delay
        self._sync = sync
        self._emit = emit
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-audio-out", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop. Safe to call twice."""
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        encoder = OpusEncoder()
        clock = FrameClock(time.monotonic())
        leading = Lead()
        sync = self._sync
        while not self._closed.wait(clock.wait(time.monotonic(), sync.used)):
            ticks = clock.next_ticks
            delay = self._delay()
            sync.used = leading.step(sync.lead, delay + sync.slack - self._line.floor, FRAME / AUDIO_CLOCK)
            samples = self._line.read(ticks / AUDIO_CLOCK, delay + sync.shift, sync.used)
            sync.placed = self._line.delay - delay
            try:
                data = encoder.encode(samples, ticks)
            except av.FFmpegError:
                logger.exception("Opus encoding failed")
                encoder = OpusEncoder()
                data = b""
            if data:
                self._emit(Encoded(data, ticks, True, None, time.monotonic_ns()))
            clock.advance(time.monotonic())
