"""A talking avatar for programs: push sound of any speech synthesiser, iterate over pictures with their sound.

stream = AvatarStream(create_renderer(avatar), avatar.rest)
stream.push_audio(pcm, 24_000)
async for frame in stream:
    show(frame.image), play(frame.audio)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.capture.resampling import StreamResampler
from live.errors import LiveError
from live.frames import AUDIO_RATE, Image, MotionFrame, RenderedFrame
from live.motion.retarget import DEFAULT_GAINS, RetargetGains, retarget
from live.motion.speech.composer import MotionComposer
from live.motion.speech.driver import as_samples
from live.motion.speech.mouth import MouthModel, NetworkMouth
from live.motion.speech.network import LOOK_AHEAD, STEP
from live.protocols import Renderer
from live.transport.push_socket import RATES, SpeechQueue

_NEUTRAL: Final = MotionFrame.neutral(capture_ns=0)


@dataclass(frozen=True, slots=True)
class SpokenFrame:
    """A picture and the sound to play while it is shown.

    Attributes:
        frame: the picture with its motion and trace.
        audio: int16 (48000 / fps,) mono 48 kHz, silence where nothing was pushed.
    """

    frame: RenderedFrame
    audio: NDArray[np.int16]

    @property
    def image(self) -> Image:
        """uint8 (H, W, 3) RGB."""
        return self.frame.image

    @property
    def pts(self) -> float:
        """Media time of picture and sound, seconds."""
        return self.frame.pts


class AvatarStream:
    """Speaks what is pushed and lives in between. Belongs to one event loop; drawing happens off the loop.

    Iteration never ends by itself: it yields a silent, living face while nothing waits. Leave the loop, or `close`.

    Args:
        renderer: draws; closed by `close`.
        rest: the motion that reproduces the avatar's photo (`Avatar.rest`).
        fps: pictures per second; must divide 48000.
        seed: of blinks, gaze and head motion.
        realtime: hand pictures out at their time; otherwise as fast as they are drawn.
        gains: how strongly the avatar follows.
        mouth: another mouth model; `None` = the network of the package.

    Raises:
        ModelError: the package's weights are missing or damaged.
        LiveError: a frame rate that does not divide 48000.
    """

    def __init__(
        self,
        renderer: Renderer,
        rest: MotionFrame = _NEUTRAL,
        *,
        fps: int = 25,
        seed: int = 0,
        realtime: bool = True,
        gains: RetargetGains = DEFAULT_GAINS,
        mouth: MouthModel | None = None,
    ) -> None:
        if fps <= 0 or AUDIO_RATE % fps:
            raise LiveError(f"{fps} frames per second do not divide {AUDIO_RATE} Hz.", "Use 24, 25, 30, 50 or 60.")
        self._renderer = renderer
        self._rest = rest
        self._fps = fps
        self._realtime = realtime
        self._gains = gains
        self._composer = MotionComposer(mouth or NetworkMouth(), seed)
        self._queue = SpeechQueue()
        self._resampler = StreamResampler()
        self._ahead: NDArray[np.int16] = np.zeros(0, np.int16)  # heard by the composer, not yet handed out
        self._index = 0
        self._closed = False

    @property
    def waiting(self) -> float:
        """Seconds of sound that wait to be spoken."""
        return self._queue.seconds + len(self._ahead) / AUDIO_RATE

    def push_audio(self, pcm: NDArray[np.int16] | NDArray[np.float32] | bytes, rate: int = AUDIO_RATE) -> None:
        """Append speech; returns at once.

        Args:
            pcm: mono samples: int16, floating point -1..1, or bytes of signed 16-bit little-endian PCM.
            rate: samples per second, 8000..96000. A change of rate begins a new utterance.

        Raises:
            LiveError: a rate out of range, or more than two minutes of speech are waiting.
        """
        if rate not in RATES:
            raise LiveError(f"Speech cannot be sampled at {rate} Hz.", "Use a rate from 8000 to 96000.")
        if isinstance(pcm, bytes | bytearray | memoryview):
            data = bytes(pcm)
            samples = np.frombuffer(data[: len(data) // 2 * 2], np.dtype("<i2")).astype(np.int16)
        else:
            samples = as_samples(pcm)
        if len(samples):
            self._queue.push(samples if rate == AUDIO_RATE else self._resampler.feed_samples(samples, rate))

    def clear(self) -> None:
        """Stop speaking (barge-in): drops what waits. At most 60 ms that the mouth already answers to are played."""
        self._queue.clear()
        self._resampler = StreamResampler()

    def close(self) -> None:
        """End the iteration and release the renderer. Safe to call twice."""
        if not self._closed:
            self._closed = True
            self._renderer.close()

    async def __aiter__(self) -> AsyncIterator[SpokenFrame]:
        start = time.monotonic() - self._index / self._fps
        while not self._closed:
            if self._realtime:
                late = time.monotonic() - start - self._index / self._fps
                if late > 0.5:
                    start += late  # the machine slept, or the caller did: go on from here
                await asyncio.sleep(max(0.0, -late))
            frame = await asyncio.to_thread(self._next, self._take())
            if self._closed:
                return
            yield frame

    def _take(self) -> NDArray[np.int16]:
        """New sound up to the look-ahead of the next frame; on the event loop, where the queue lives."""
        wanted = round((LOOK_AHEAD + STEP) * AUDIO_RATE) + AUDIO_RATE // self._fps
        return self._queue.take(max(0, wanted - len(self._ahead)))

    def _next(self, heard: NDArray[np.int16]) -> SpokenFrame:
        self._composer.push(heard)
        ahead = np.concatenate((self._ahead, heard))
        count = AUDIO_RATE // self._fps
        audio, self._ahead = ahead[:count], ahead[count:]
        pts = self._index / self._fps
        self._index += 1
        motion = retarget(self._composer.frame(pts, pts, time.monotonic_ns()), _NEUTRAL, self._rest, gains=self._gains)
        return SpokenFrame(RenderedFrame(self._renderer.render(motion), pts, motion), audio)
