"""What encoders hand to viewers: one encoded picture or 20 ms of sound, shared by all viewers of a codec."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from live.frames import Trace

VideoCodec = Literal["VP8", "H264"]
VIDEO_CODECS: Final[tuple[VideoCodec, ...]] = ("VP8", "H264")

VIDEO_CLOCK: Final = 90_000
AUDIO_CLOCK: Final = 48_000
VIDEO_TIME_BASE: Final = Fraction(1, VIDEO_CLOCK)
AUDIO_TIME_BASE: Final = Fraction(1, AUDIO_CLOCK)


@dataclass(frozen=True, slots=True)
class Encoded:
    """An access unit.

    Attributes:
        data: the bitstream.
        ticks: presentation time on the send clock (local monotonic), in units of the RTP clock; not wrapped.
        keyframe: decodable on its own. Sound always is.
        trace: of the picture; `None` for sound.
        ready_ns: monotonic instant at which encoding ended.
        codec: of a picture; `None` for sound.
    """

    data: bytes
    ticks: int
    keyframe: bool
    trace: Trace | None
    ready_ns: int
    codec: VideoCodec | None = None
