"""Puts received video packets together and releases a picture the moment its last packet (RTP marker) is here.

The usual way is to wait for the first packet of the next picture, which costs one frame interval. A hole is left open
for a retransmission; when that does not come, everything up to the next keyframe is dropped and a keyframe requested:
pictures predicted from a missing one are garbage that a face tracker should not see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from live.transport.transit import unwrap

PATIENCE: Final = 0.2
"""Seconds a hole is kept open for a retransmission: about what a keyframe would cost."""

KEYFRAME_INTERVAL: Final = 0.3
"""Seconds between two keyframe requests."""

CAPACITY: Final = 512
"""Packets that may wait."""

Codec = Literal["VP8", "H264"]


@dataclass(frozen=True, slots=True)
class VideoPacket:
    """One RTP packet: 16-bit `sequence`, 32-bit 90 kHz `timestamp`, and its payload with and without the RTP payload
    header (`raw`, `data`)."""

    sequence: int
    timestamp: int
    marker: bool
    raw: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture.

    Attributes:
        data: the bitstream.
        timestamp: 90 kHz, unwrapped.
        arrival: local instant of the last packet that it needed, seconds.
        keyframe: decodable on its own.
    """

    data: bytes
    timestamp: int
    arrival: float
    keyframe: bool


def starts_keyframe(packet: VideoPacket, codec: Codec) -> bool:
    """Whether a decoder can begin with this packet: VP8 RFC 7741 §4.2-4.3 (S=1, PID=0, P=0); H264 SPS or IDR slice."""
    if codec == "VP8":
        starts = bool(packet.raw) and packet.raw[0] & 0x17 == 0x10
        return starts and bool(packet.data) and packet.data[0] & 1 == 0
    head = packet.data[:5]
    return len(head) == 5 and head[:4] == b"\x00\x00\x00\x01" and head[4] & 0x1F in (5, 7)


class VideoJitterBuffer:
    """Times are seconds on the local monotonic clock and arguments, so tests are deterministic.

    Attributes:
        dropped: packets that could not be used.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._waiting: dict[int, VideoPacket] = {}
        self._sequence: int | None = None
        self._timestamp: int | None = None
        self._next: int | None = None
        self._blocked_since: float | None = None
        self._requested = -KEYFRAME_INTERVAL
        self.dropped = 0

    def push(self, packet: VideoPacket, now: float) -> tuple[list[Picture], bool]:
        """Accept a packet. Returns the pictures that are complete now, in order, and whether to request a keyframe."""
        if self._sequence is not None and abs(unwrap(packet.sequence, self._sequence, 16) - self._sequence) > 2000:
            self.reset()
        number = unwrap(packet.sequence, self._sequence, 16)
        self._sequence = number if self._sequence is None else max(number, self._sequence)
        if (self._next is not None and number < self._next) or number in self._waiting:
            self.dropped += 1
            return [], False
        self._waiting[number] = packet
        while len(self._waiting) > CAPACITY:
            del self._waiting[min(self._waiting)]
            self.dropped += 1
            self._next = None
        pictures = self._release(now)
        if self._next is not None and self._waiting and not pictures:
            since = now if self._blocked_since is None else self._blocked_since
            self._blocked_since = since if self._has_hole() else None
            if self._blocked_since is not None and now - since > PATIENCE:
                self._next = None
                pictures = self._release(now)
        elif pictures:
            self._blocked_since = now if self._has_hole() else None
        return pictures, self._wants_keyframe(now)

    def reset(self) -> None:
        """Start again at the next keyframe."""
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._sequence = self._timestamp = self._next = self._blocked_since = None

    def skip_to_keyframe(self) -> None:
        """Give up the picture that is being put together: the decoder lost its state."""
        self._next = None

    def _release(self, now: float) -> list[Picture]:
        if self._next is None and not self._find_keyframe():
            return []
        pictures: list[Picture] = []
        while self._next is not None:
            picture = self._complete(self._next, now)
            if picture is None:
                break
            if picture.data:  # else: padding, sent to probe the network
                pictures.append(picture)
        return pictures

    def _find_keyframe(self) -> bool:
        """Begin at the oldest waiting keyframe and forget what came before it."""
        for number in sorted(self._waiting):
            if starts_keyframe(self._waiting[number], self._codec):
                for old in [n for n in self._waiting if n < number]:
                    del self._waiting[old]
                    self.dropped += 1
                self._next = number
                self._blocked_since = None
                return True
        return False

    def _complete(self, first: int, now: float) -> Picture | None:
        packets: list[VideoPacket] = []
        number = first
        while (packet := self._waiting.get(number)) is not None and packet.timestamp == (
            packets[0].timestamp if packets else packet.timestamp
        ):
            packets.append(packet)
            number += 1
            if packet.marker:
                break
        # a sender that sets no marker ends its picture with the first packet of the next
        if not packets or not (packets[-1].marker or number in self._waiting):
            return None
        for old in range(first, number):
            del self._waiting[old]
        self._next = number
        self._timestamp = unwrap(packets[0].timestamp, self._timestamp, 32)
        keyframe = starts_keyframe(packets[0], self._codec)
        return Picture(b"".join(p.data for p in packets), self._timestamp, now, keyframe)

    def _has_hole(self) -> bool:
        """Whether a packet is missing between what is released and what waits."""
        if self._next is None or not self._waiting:
            return False
        return max(self._waiting) - self._next + 1 > len(self._waiting)

    def _wants_keyframe(self, now: float) -> bool:
        if self._next is not None or now - self._requested < KEYFRAME_INTERVAL:
            return False
        self._requested = now
        return True
