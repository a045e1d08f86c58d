"""How the sound is sent so that it meets its picture in the listener's browser, and neither waits longer than it must.

A browser buffers sound longer than pictures and holds the picture back to match (lip-sync, from the sender reports).
It acts when the two are more than 30 ms apart by its own clocks (libwebrtc, `stream_synchronization.cc`), and it tells
those clocks (`estimatedPlayoutTimestamp`, W3C webrtc-stats). What it once holds back, it lets go late or never. So
three things are chosen here: when sound leaves (`lead`), which the browser sees, and which keeps it in the middle of
what it tolerates, or makes it let go; which sound leaves under a time stamp (`shift`), which it does not see, and
which puts right what that leaves; and, where sound cannot be there in time, how long pictures wait for it before they
leave (`hold`).
"""

from __future__ import annotations

from typing import Final

HELD: Final = 0.005
"""Seconds for which a browser holds picture or sound back that are worth undoing."""

BEYOND: Final = 0.04
"""Seconds by which picture and sound are to be apart by its clocks so that a browser lets go of what it holds back."""

LATE: Final = 0.015
"""Seconds by which sound is meant to come after its picture by the browser's clocks. A picture stands for an interval:
at 25 pictures a second what is seen is 20 ms old on average. The sound card's own buffer, which those clocks do not
know, comes on top."""

TOLERATED: Final = 0.035
"""Seconds by which sound that is not there earlier may come after its picture before pictures are held back for it.
Sound that is late is noticed less than sound that is early: 125 against 45 ms (ITU-R BT.1359)."""

LONGEST_HOLD: Final = 0.06
"""Seconds for which pictures wait here at most; beyond, the browser holds them back, or sound is late."""

LATEST: Final = 0.06
"""Seconds by which sound may come later than its time stamp says so that the browser finds it in time."""

MOST: Final = 0.08
"""Seconds of a report that are believed. More is a browser that is still at it."""

SMOOTHING: Final = 0.2
"""Share of a new report, one per second, in what is chosen; of the first ones more, so that all count alike."""

FIRST_LEAD: Final = 0.06
"""Seconds that browsers usually buffer of sound, until one tells."""


class LipSync:
    """What the owner's browser told. Read from the sending threads; the one of the sound writes `used` and `placed`,
    the event loop the rest.

    Attributes:
        lead: seconds by which sound ought to leave before its presentation.
        used: the lead that the sending thread has come to.
        shift: seconds by which sound ought to be later than its time stamp says; negative: earlier.
        placed: the shift that the sending thread has come to: sound may not be there earlier.
        hold: seconds for which pictures wait for their sound before they leave.
    """

    def __init__(self) -> None:
        self.lead = FIRST_LEAD
        self.used = 0.0
        self.shift = 0.0
        self.placed = 0.0
        self.hold = 0.0
        self._reports = 0

    @property
    def slack(self) -> float:
        """Seconds by which sound may be later than its picture's time says, where it is not there earlier."""
        return LATEST + max(0.0, self.shift - LATE)

    def reported(self, picture: float, sound: float, ahead: float) -> None:
        """The browser holds picture and sound back for so many seconds to make them meet, and by its clocks sound plays
        `ahead` of its picture."""
        if abs(ahead) > 1.0:  # right after the start the clocks are nonsense
            return
        ahead = max(-MOST, min(MOST, ahead))
        self._reports += 1
        share = max(SMOOTHING, 1 / self._reports)
        wanted = 0.0
        if picture > HELD:  # it lets go of the picture when sound is early, of the sound when that is late
            wanted = BEYOND
        elif sound > HELD:
            wanted = -BEYOND
        self.lead = max(0.0, self.lead + share * (self.used + wanted - ahead - self.lead))
        self.shift += share * (LATE + ahead - self.shift)
        self._wait(self.placed - ahead, share)

    def unreported(self) -> None:
        """Somebody listens whose browser cannot tell yet: pictures wait for as long as the usual browser will need."""
        if self._reports == 0:
            self._wait(self.placed - self.used + FIRST_LEAD, 1.0)

    def unheard(self) -> None:
        """Nobody listens: the browser syncs nothing."""
        self.shift = 0.0
        self.hold = 0.0
        self._reports = 0

    def _wait(self, late: float, share: float) -> None:
        """Sound comes `late` seconds after its picture: correct `share` of what is not tolerated."""
        self.hold = max(0.0, min(LONGEST_HOLD, self.hold + share * (late - TOLERATED)))
