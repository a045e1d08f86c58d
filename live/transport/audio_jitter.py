"""Adaptive jitter buffer for received Opus packets: no prefetch, no stall, time passed in.

A packet is released when it is due: at once on a good network, after a target delay that follows the measured jitter on
a bad one. What does not come in time is announced as lost, so that the decoder conceals it and speech goes on.
Retransmission does not exist for audio, so pure loss never makes the buffer wait longer; late arrivals do.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from live.transport.transit import TransitClock, unwrap

CLOCK_RATE: Final = 48_000
GRACE: Final = 0.020
"""Seconds after its due time at which a missing packet is given up. Together with one packet's 20 ms and the largest
growth step of the target, the longest silence between two releases is 60 ms."""

QUIET: Final = 0.004
"""Jitter in seconds below which nothing is held back."""

MARGIN: Final = 0.002
"""Seconds added to the measured jitter."""

LONGEST_TARGET: Final = 0.120
GROWTH: Final = 0.020
"""Seconds by which the target may grow per packet."""

SHRINK: Final = 0.0002
"""Seconds by which the target may shrink per packet: 10 ms per second."""

WINDOW: Final = 250
"""Packets whose delays define the jitter: 5 s."""

QUANTILE: Final = 0.97
BURST: Final = 0.005
"""Seconds within which packets arrive together: the first was delayed, the others only stood behind it. A stall of a
second is one late arrival, not fifty."""

CONCEALED_IN_A_ROW: Final = 3
"""Packets concealed before the stream counts as paused: 60 ms, what Opus conceals without sounding odd."""

EARLY: Final = 0.0001
"""Seconds by which a release may be early: not worth waking up for."""

SILENT: Final = 0.1
"""Seconds without a packet after which the next one is looked at closely: did the network stall or the sender pause?"""

SHIFTED: Final = 0.05
"""Seconds, beyond what packets are held back for, of the silence that the time stamps then know nothing of."""

DOUBT: Final = 0.06
"""Seconds after which it counts as a pause if the packets that follow come at their own pace."""

CAUGHT_UP: Final = 0.04
"""Seconds by which they come faster behind a stall. A browser that begins to capture may be ahead by 10 to 30 ms."""

CAPACITY: Final = 64
"""Packets that may wait."""


@dataclass(frozen=True, slots=True)
class _Packet:
    sequence: int
    timestamp: int
    payload: bytes
    arrived: float


@dataclass(frozen=True, slots=True)
class Release:
    """One packet's worth of sound, in order.

    Attributes:
        payload: Opus data, or `None` when it was lost and must be concealed.
        end: local instant (s) at which its last sample was captured, as far as arrivals can tell.
        resumed: what came before was skipped, not concealed: the decoder's past does not join up.
    """

    payload: bytes | None
    end: float
    resumed: bool = False


class AudioJitterBuffer:
    """Orders, delays and completes packets. Times are seconds on the local monotonic clock.

    Attributes:
        lost: packets announced as lost.
        late: packets that came after they had been given up.
        duplicated: packets that came twice.
    """

    def __init__(self, packet_samples: int = 960) -> None:
        self._samples = packet_samples
        self._waiting: dict[int, tuple[int, bytes]] = {}
        self._clock = TransitClock()
        self._delays: deque[float] = deque(maxlen=WINDOW)
        self._arrived = float("-inf")
        self._heard = float("inf")
        self._silent = 0.0
        self._doubted: list[_Packet] = []
        self._target = 0.0
        self._sequence: int | None = None
        self._timestamp: int | None = None
        self._next: int | None = None
        self._next_timestamp = 0
        self._concealed = 0
        self._paused = False
        self._given_up: deque[int] = deque(maxlen=CAPACITY)
        self.lost = 0
        self.late = 0
        self.duplicated = 0

    @property
    def target(self) -> float:
        """Seconds by which packets are held back now."""
        return self._target

    def push(self, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        """Accept an RTP packet: 16-bit `sequence`, 32-bit 48 kHz `timestamp`."""
        packet = _Packet(sequence, timestamp, payload, now)
        silent, self._heard = now - self._heard, now
        if self._doubted:
            self._doubted.append(packet)
            self._decide(now)
        elif silent > SILENT and silent - self._step(packet) > SHIFTED + self._target:
            self._silent = silent
            self._doubted.append(packet)
        else:
            self._accept(packet)

    def _accept(self, packet: _Packet) -> None:
        sequence, timestamp, payload, now = packet.sequence, packet.timestamp, packet.payload, packet.arrived
        if self._sequence is not None and abs(unwrap(sequence, self._sequence, 16) - self._sequence) > 1000:
            self._restart()
        number = unwrap(sequence, self._sequence, 16)
        media = unwrap(timestamp, self._timestamp, 32)
        if self._sequence is not None and self._timestamp is not None and number == self._sequence + 1:
            step = media - self._timestamp
            self._samples = step if 120 <= step <= 2880 else self._samples  # 2.5 to 60 ms; more is a pause
        self._sequence, self._timestamp = number, media
        if number in self._waiting:
            self.duplicated += 1
            return
        delay = self._clock.observe(media / CLOCK_RATE, now)
        if self._next is None:
            self._next, self._next_timestamp = number, media
        if number < self._next:
            if number in self._given_up:
                self._given_up.remove(number)
                self.late += 1
            else:
                self.duplicated += 1
            self._adapt(delay, now)
            return
        self._adapt(delay, now)
        self._waiting[number] = (media, payload)
        if len(self._waiting) > CAPACITY:
            self.lost += 1
            del self._waiting[min(self._waiting)]
            self._skip_to(min(self._waiting))

    def pop(self, now: float) -> list[Release]:
        """Everything that is due at `now`, in order."""
        released: list[Release] = []
        if self._doubted:
            self._decide(now)
        while self._next is not None:
            if self._next in self._waiting:
                media, payload = self._waiting[self._next]
                if now < self._due(media) - EARLY:
                    break
                del self._waiting[self._next]
                released.append(Release(payload, self._clock.local(media / CLOCK_RATE), self._paused))
                self._paused = False
                self._concealed = 0
                self._next, self._next_timestamp = self._next + 1, media + self._samples
            elif self._concealed >= CONCEALED_IN_A_ROW:
                self._paused = True
                if not self._waiting:
                    break
                self._skip_to(min(self._waiting))
            elif now >= self._due(self._next_timestamp) + GRACE:
                released.append(Release(None, self._clock.local(self._next_timestamp / CLOCK_RATE)))
                self.lost += 1
                self._given_up.append(self._next)
                self._concealed += 1
                self._next, self._next_timestamp = self._next + 1, self._next_timestamp + self._samples
            else:
                break
        return released

    def next_event(self) -> float | None:
        """The instant at which `pop` will have something to do even if nothing arrives; `None` = only an arrival."""
        events = [event for event in (self._next_release(), self._deadline()) if event is not None]
        return min(events) if events else None

    def _next_release(self) -> float | None:
        if self._next is None:
            return None
        if self._next in self._waiting:
            return self._due(self._waiting[self._next][0])
        if self._concealed >= CONCEALED_IN_A_ROW:
            return 0.0 if self._waiting else None
        return self._due(self._next_timestamp) + GRACE

    def _deadline(self) -> float | None:
        """When doubt ends. One packet alone says little."""
        if not self._doubted:
            return None
        return self._doubted[0].arrived + (DOUBT if len(self._doubted) > 1 else 2 * DOUBT)

    def _step(self, packet: _Packet) -> float:
        """Seconds by which its time stamp is ahead of the last accepted one's."""
        if self._timestamp is None:
            return 0.0
        return (unwrap(packet.timestamp, self._timestamp, 32) - self._timestamp) / CLOCK_RATE

    def _decide(self, now: float) -> None:
        """Accept the packets after a silence as soon as it is clear why they come so late.

        A browser whose microphone is changed sends nothing for half a second or more, and goes on with the time stamp
        at which it stopped, at its usual pace. Taken for a delay, that would put all that is said in the following
        seconds into the past. Behind a network that stalled packets catch up.
        """
        first, newest, deadline = self._doubted[0], self._doubted[-1], self._deadline()
        gained = self._step(newest) - self._step(first) - (newest.arrived - first.arrived)
        late = self._silent - self._step(first) - gained
        if gained <= CAUGHT_UP and late > SHIFTED:
            if deadline is None or now < deadline:
                return
            self._clock.reset()
            self.lost += len(self._waiting) - self._concealed  # nothing was lost that was never sent
            self._waiting.clear()
            self._given_up.clear()
            self._next = None
            self._concealed = 0
            self._paused = True
        packets, self._doubted = self._doubted, []
        for packet in packets:
            self._accept(packet)

    def _due(self, media: int) -> float:
        return self._clock.earliest(media / CLOCK_RATE) + self._target

    def _skip_to(self, number: int) -> None:
        self._next, self._next_timestamp = number, self._waiting[number][0]
        self._concealed = 0
        self._paused = True

    def _adapt(self, delay: float, now: float) -> None:
        if self._delays and now - self._arrived < BURST:
            self._delays[-1] = max(delay, self._delays[-1])
        else:
            self._delays.append(delay)
        self._arrived = now
        ordered = sorted(self._delays)
        jitter = ordered[min(len(ordered) - 1, int(QUANTILE * len(ordered)))]
        wanted = 0.0 if jitter < QUIET else min(LONGEST_TARGET, jitter + MARGIN)
        self._target += min(GROWTH, max(-SHRINK, wanted - self._target))

    def _restart(self) -> None:
        self._waiting.clear()
        self._clock.reset()
        self._sequence = self._timestamp = self._next = None
        self._concealed = 0
        self._paused = True
