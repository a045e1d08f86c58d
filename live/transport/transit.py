"""Maps a sender's RTP clock onto the local monotonic clock, without knowing the one-way delay."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW: Final = 4.0
"""Seconds over which the fastest packet defines the transit time. A clock that is 200 ppm off moves 0.8 ms in it."""

SLEW: Final = 0.02
"""Seconds per second by which the published mapping follows the measured one."""

SETTLING: Final = 1.0
"""Seconds at the beginning of a stream in which the mapping follows at once: first packets are slow ones."""

JUMP: Final = 0.05
"""Seconds beyond which the mapping jumps instead of slewing: another route, a machine that slept, a new stream."""


def unwrap(value: int, previous: int | None, bits: int) -> int:
    """Extend a wrapping counter: the integer nearest to `previous` that equals `value` modulo `2**bits`."""
    if previous is None:
        return value
    size = 1 << bits
    delta = (value - previous) % size
    return previous + (delta - size if delta >= size // 2 else delta)


class TransitClock:
    """Estimates `local = media + offset` from arrivals: the fastest recent packet was not delayed, the others were.

    All times are seconds. The caller passes the time in, so behaviour is a function of its arguments alone.
    """

    def __init__(self) -> None:
        self._fastest: deque[tuple[float, float]] = deque()
        self._offset: float | None = None
        self._began = 0.0
        self._moved = 0.0

    def observe(self, media: float, now: float) -> float:
        """Learn that what carries media time `media` arrived at `now`. Returns by how much it was delayed, >= 0."""
        transit = now - media
        if self._offset is not None and abs(transit - self._fastest[0][1]) > 10.0:
            self.reset()  # the sender restarted its clock
        while self._fastest and self._fastest[-1][1] >= transit:
            self._fastest.pop()
        self._fastest.append((now, transit))
        while now - self._fastest[0][0] > WINDOW:
            self._fastest.popleft()
        fastest = self._fastest[0][1]
        if self._offset is None:
            self._began = now
        if self._offset is None or now - self._began < SETTLING or abs(fastest - self._offset) > JUMP:
            self._offset = fastest
        else:
            step = SLEW * max(0.0, now - self._moved)
            self._offset += min(step, max(-step, fastest - self._offset))
        self._moved = now
        return transit - fastest

    def local(self, media: float) -> float:
        """The local instant at which an undelayed packet with media time `media` arrives, changing smoothly."""
        if self._offset is None:
            raise ValueError("nothing observed yet")
        return media + self._offset

    def earliest(self, media: float) -> float:
        """The same without smoothing: a packet that is here was never expected later than this."""
        if not self._fastest:
            raise ValueError("nothing observed yet")
        return media + self._fastest[0][1]

    def reset(self) -> None:
        """Forget the stream."""
        self._fastest.clear()
        self._offset = None
