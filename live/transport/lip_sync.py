"""How the sound is sent so that it meets its picture in the listener's browser.

A browser buffers sound longer than pictures and holds the picture back to match (lip-sync, from the sender reports). It
leaves it at that when the two are less than 30 ms apart by its own clocks (libwebrtc, `stream_synchronization.cc`); but
it tells those clocks (`estimatedPlayoutTimestamp`, W3C webrtc-stats), so what it leaves can be put right here.
"""

from __future__ import annotations

from typing import Final

LEAST_PICTURE: Final = 0.01
"""Seconds that browsers buffer of pictures that need not wait for sound."""

MOST: Final = 0.05
"""Seconds by which sound is shifted at most. More than what a browser leaves is one that is still at it."""

SMOOTHING: Final = 0.2
"""Share of a new report, one per second, in the shift."""


class LipSync:
    """What the owner's browser told. Read from the sending thread, written from the event loop.

    Attributes:
        lead: seconds by which sound leaves before its picture, so that the picture need not wait in the browser.
        shift: seconds by which sound is played later than its picture's time says, because the browser plays it that
            much too early; negative, if too late.
    """

    def __init__(self) -> None:
        self.lead = 0.0
        self.shift = 0.0

    def reported(self, sound: float, picture: float, ahead: float | None) -> None:
        """The browser buffers sound and pictures for so many seconds, and by its clocks sound plays `ahead` of its
        picture (`None`: it does not say)."""
        # what lip-sync makes the picture wait is no reason to send sound later, so only the unavoidable part counts
        self.lead = max(0.0, sound - min(picture, LEAST_PICTURE))
        if ahead is not None:
            self.shift += SMOOTHING * (max(-MOST, min(MOST, ahead)) - self.shift)

    def unheard(self) -> None:
        """Nobody listens: the browser syncs nothing."""
        self.lead = self.shift = 0.0
