"""A bounded line in which sound waits for its picture."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from live.frames import AudioChunk

CAPACITY: Final = 3.0
"""Seconds of sound that may wait; more means that nobody takes it, and the oldest is dropped."""


class AudioRing:
    """Holds chunks until they are due: the instant at which their first sample was captured, plus a delay.

    One producer (a source's thread) and one consumer (the session's sound thread). `put` never blocks; an overflow
    drops the oldest chunk and counts it in `dropped`. Times are arguments, so tests need no clock.
    """

    def __init__(self, capacity: float = CAPACITY) -> None:
        self._capacity = capacity
        self._changed = threading.Condition()
        self._waiting: deque[AudioChunk] = deque()
        self._seconds = 0.0
        self._closed = False
        self.dropped = 0

    @property
    def seconds(self) -> float:
        """Sound that waits, seconds."""
        return self._seconds

    def put(self, chunk: AudioChunk) -> None:
        """Append `chunk`, dropping the oldest ones when there is too much. Ignored after `close`."""
        with self._changed:
            if self._closed or not len(chunk.samples):
                return
            self._waiting.append(chunk)
            self._seconds += chunk.duration
            while self._seconds > self._capacity and len(self._waiting) > 1:
                self._seconds -= self._waiting.popleft().duration
                self.dropped += 1
            self._changed.notify()

    def due(self, now_ns: int, delay: float) -> list[AudioChunk]:
        """Take every chunk that is due at `now_ns` when sound is delayed by `delay` seconds, in order."""
        taken = []
        with self._changed:
            while self._waiting and _due_ns(self._waiting[0], delay) <= now_ns:
                chunk = self._waiting.popleft()
                self._seconds -= chunk.duration
                taken.append(chunk)
        return taken

    def wait(self, now_ns: int, delay: float, longest: float) -> None:
        """Sleep until the next chunk is due, something changes, or `longest` seconds have passed."""
        with self._changed:
            if self._closed:
                return
            timeout = longest
            if self._waiting:
                timeout = min(longest, (_due_ns(self._waiting[0], delay) - now_ns) / 1e9)
            if timeout > 0:
                self._changed.wait(timeout)

    def clear(self) -> None:
        """Forget what waits, for example when the source is exchanged."""
        with self._changed:
            self._waiting.clear()
            self._seconds = 0.0

    def close(self) -> None:
        """Wake the consumer; later chunks are ignored."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._seconds = 0.0
            self._changed.notify_all()


def _due_ns(chunk: AudioChunk, delay: float) -> int:
    return chunk.capture_ns + round((delay - chunk.duration) * 1e9)
