"""Asks again for lost video packets whose retransmission was lost too.

aiortc asks once, when it sees the gap, and again only when it happens to see another. A picture would wait for that,
and every picture behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from aiortc import RTCRtpReceiver

from live.transport.missing import tell_once

SHORTEST: Final = 0.04
LONGEST: Final = 0.12
"""Seconds between two requests for the same packet; in between, twice the time that answers take."""

MOST: Final = 4
"""Requests for one packet. After that the picture is given up (`video_jitter.PATIENCE`)."""

_GENERATOR: Final = "_RTCRtpReceiver__nack_generator"


class Requests:
    """Which missing packets are to be asked for again. Times are arguments, seconds."""

    def __init__(self) -> None:
        self._asked: dict[int, tuple[float, int]] = {}
        self._answer = SHORTEST / 2

    @property
    def interval(self) -> float:
        """Seconds to wait for an answer."""
        return min(LONGEST, max(SHORTEST, 2 * self._answer))

    def due(self, missing: Iterable[int], now: float) -> list[int]:
        """The packets of `missing` (sequence numbers) to ask for at `now`. The first request is aiortc's own."""
        absent = set(missing)
        for number in [n for n in self._asked if n not in absent]:
            since, times = self._asked.pop(number)
            if times == 1:  # of a later one it could not be told which request was answered
                self._answer += 0.1 * (now - since - self._answer)
        again = []
        for number in absent:
            since, times = self._asked.setdefault(number, (now, 1))
            if times < MOST and now - since >= self.interval:
                self._asked[number] = (now, times + 1)
                again.append(number)
        return sorted(again)


class RepeatedNack:
    """Repeats a receiver's requests. To be told of every packet, on the event loop."""

    def __init__(self, receiver: RTCRtpReceiver) -> None:
        self._receiver: Any = receiver
        self._requests = Requests()
        self._sending: set[asyncio.Task[None]] = set()
        self._works = hasattr(receiver, "_send_rtcp_nack") and hasattr(getattr(receiver, _GENERATOR, None), "missing")
        if not self._works:
            tell_once("it keeps its list of lost packets elsewhere; they are asked for once.")

    def arrived(self, ssrc: int, now: float) -> None:
        """A packet of the stream `ssrc` has arrived."""
        if not self._works:
            return
        numbers = self._requests.due(getattr(self._receiver, _GENERATOR).missing, now)
        if numbers:
            task = asyncio.ensure_future(self._receiver._send_rtcp_nack(ssrc, numbers))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
