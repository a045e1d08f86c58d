"""How the sound is sent so that it meets its picture in the listener's browser, and neither waits longer than it must.

A browser buffers sound longer than pictures and holds the picture back to match (lip-sync, from the sender reports). It
acts when the two are more than 30 ms apart by its own clocks (libwebrtc, `stream_synchronization.cc`), and it tells
those clocks (`estimatedPlayoutTimestamp`, W3C webrtc-stats). Two things can be chosen here: when sound leaves (`lead`),
which the browser sees, and which sound leaves under a time stamp (`shift`), which it does not. The first keeps the
browser in the middle of what it tolerates, so that it holds no picture back; the second puts right what that leaves.
"""

from __future__ import annotations

from typing import Final

HELD: Final = 0.02
"""Seconds of pictures in a browser's buffer that only lip-sync explains."""

EARLY: Final = 0.015
"""Seconds by which sound is to be early by the browser's clocks, on the side where it lets go of pictures: a picture
that is held back for a moment's sake is let go when the moment is over."""

LATE: Final = 0.05
"""Seconds by which sound is meant to come after its picture's stamp. A picture stands for an interval: at 25 pictures a
second what is seen is 20 ms old on average. The other 30 keep the middle of what goes unnoticed, 45 ms early to 125 ms
late (ITU-R BT.1359)."""

LATEST: Final = 0.06
"""Seconds by which it may come later than its picture's stamp so that the picture need not wait; what a browser buffers
beyond it, the browser makes the picture wait."""

MOST: Final = 0.08
"""Seconds of a report that are believed. More is a browser that is still at it."""

SMOOTHING: Final = 0.2
"""Share of a new report, one per second, in lead and shift."""

FIRST_LEAD: Final = 0.06
"""Seconds that browsers usually buffer of sound, until one tells."""


class LipSync:
    """What the owner's browser told. Read from the sending thread, which writes `used`, the rest from the event loop.

    Attributes:
        lead: seconds by which sound ought to leave before its presentation.
        used: the lead that the sending thread has come to.
        shift: seconds by which sound is played later than its picture's time says; negative: earlier, as far as it is
            there.
    """

    def __init__(self) -> None:
        self.lead = FIRST_LEAD
        self.used = 0.0
        self.shift = 0.0

    @property
    def slack(self) -> float:
        """Seconds by which sound may be later than its picture's time says, where it is not there earlier."""
        return LATEST + max(0.0, self.shift - LATE)

    def reported(self, picture: float, ahead: float) -> None:
        """The browser buffers pictures for so many seconds, and by its clocks sound plays `ahead` of its picture."""
        if abs(ahead) > 1.0:  # right after the start the clocks are nonsense
            return
        ahead = max(-MOST, min(MOST, ahead))
        missing = EARLY - ahead
        if picture > HELD:  # sound that left later would only meet the picture where it is held
            missing = max(missing, 0.0)
        self.lead = max(0.0, self.lead + SMOOTHING * (self.used + missing - self.lead))
        self.shift += SMOOTHING * (LATE + ahead - self.shift)

    def unheard(self) -> None:
        """Nobody listens: the browser syncs nothing."""
        self.shift = 0.0
