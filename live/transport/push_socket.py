"""`/speech`: any program pushes PCM over a WebSocket, and the avatar speaks it.

Binary messages are signed 16-bit little-endian mono PCM at the rate given in the URL (`?rate=24000`, default 48000).
Text messages are JSON: `{"type": "clear"}` drops what has not been spoken yet (somebody interrupts). The server answers
`{"type": "queued", "seconds": s}` once per binary message, and `{"type": "error", ...}` before it closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections import deque
from typing import Final

import numpy as np
from aiohttp import WSMsgType, web
from numpy.typing import NDArray

from live.capture.resampling import StreamResampler
from live.errors import LiveError
from live.frames import AUDIO_RATE, AudioChunk
from live.transport.remote_source import RemoteSource

CHUNK: Final = 960
"""Samples delivered at a time: 20 ms."""

LONGEST: Final = 120.0
"""Seconds of speech that may wait."""

MAX_MESSAGE: Final = 4 * 2**20
RATES: Final = range(8_000, 96_001)


SILENCE: Final = 1.0
"""Seconds of silence after the last word; then nothing is delivered, and a microphone is heard again."""


class SpeechQueue:
    """Pushed sound that waits to be spoken, filled up with silence. Not thread-safe.

    Speech synthesisers are faster than speech, so sound is handed out at the pace of real time.
    """

    def __init__(self) -> None:
        self._waiting: deque[NDArray[np.int16]] = deque()
        self._samples = 0

    @property
    def seconds(self) -> float:
        """Sound that waits."""
        return self._samples / AUDIO_RATE

    def push(self, samples: NDArray[np.int16]) -> None:
        """Append 48 kHz sound. Raises `LiveError` if too much waits already."""
        self.check(len(samples) / AUDIO_RATE)
        if len(samples):
            self._waiting.append(samples)
            self._samples += len(samples)

    def check(self, seconds: float) -> None:
        """Raises `LiveError` if there is no room for so much more."""
        if self.seconds + seconds > LONGEST:
            raise LiveError(
                f"More than {LONGEST:.0f} s of speech are waiting.", "Push speech as it is needed, or clear the rest."
            )

    def clear(self) -> None:
        """Forget what has not been handed out."""
        self._waiting.clear()
        self._samples = 0

    def take(self, count: int = CHUNK) -> NDArray[np.int16]:
        """The next `count` samples, filled up with silence."""
        taken = np.zeros(count, np.int16)
        filled = 0
        while filled < count and self._waiting:
            first = self._waiting.popleft()
            part = first[: count - filled]
            taken[filled : filled + len(part)] = part
            filled += len(part)
            if len(part) < len(first):
                self._waiting.appendleft(first[len(part) :])
        self._samples -= filled
        return taken


async def speak(queue: SpeechQueue, source: RemoteSource) -> None:
    """Hand out sound in real time until cancelled or the session has ended."""
    next_chunk = time.monotonic()
    spoken = -math.inf
    while source.running:
        now = time.monotonic()
        if now - next_chunk > 0.5:
            next_chunk = now  # the machine slept
        await asyncio.sleep(max(0.0, next_chunk - now))
        end = next_chunk + CHUNK / AUDIO_RATE
        if queue.seconds:
            spoken = end
        if next_chunk - spoken < SILENCE:
            source.deliver_pushed(AudioChunk(queue.take(), next_chunk, round(end * 1e9)))
        next_chunk = end


async def serve_speech(request: web.Request, source: RemoteSource) -> web.WebSocketResponse:
    """Handle one socket whose caller may speak through `source`."""
    try:
        rate = int(request.query.get("rate", str(AUDIO_RATE)))
    except ValueError:
        rate = 0
    if rate not in RATES:
        raise LiveError("The sample rate must be a number from 8000 to 96000.", "Use ?rate=24000, for example.")
    socket = web.WebSocketResponse(max_msg_size=MAX_MESSAGE, heartbeat=15.0)
    await socket.prepare(request)
    queue = SpeechQueue()
    resampler = StreamResampler()
    speaking = asyncio.create_task(_speak_and_close(queue, source, socket))
    try:
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                samples = np.frombuffer(message.data[: len(message.data) // 2 * 2], np.dtype("<i2"))
                queue.check(len(samples) / rate)
                if len(samples):
                    queue.push(await asyncio.to_thread(resampler.feed_samples, samples, rate))
                await socket.send_json({"type": "queued", "seconds": round(queue.seconds, 3)})
            elif message.type is WSMsgType.TEXT:
                if _kind(message.data) != "clear":
                    raise LiveError("Unknown message.", 'Send PCM, or {"type": "clear"}.')
                queue.clear()
                resampler = StreamResampler()
                await socket.send_json({"type": "queued", "seconds": 0.0})
    except LiveError as error:
        await _refuse(socket, error)
    finally:
        speaking.cancel()
        await socket.close()
    return socket


async def _speak_and_close(queue: SpeechQueue, source: RemoteSource, socket: web.WebSocketResponse) -> None:
    """Nobody may hold a socket to a session that is gone, nor a server that stops."""
    await speak(queue, source)
    await _refuse(socket, LiveError("The session has ended.", "Start a new one."))
    await socket.close()


async def _refuse(socket: web.WebSocketResponse, error: LiveError) -> None:
    with contextlib.suppress(ConnectionError):  # whoever it is for has gone
        await socket.send_json({"type": "error", "error": error.message, "hint": error.hint})


def _kind(text: str) -> object:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message.get("type") if isinstance(message, dict) else None
