"""What a closed eye reads as: trackers see a person's full blink as 0.5 to 0.9, rarely as 1."""

from __future__ import annotations

from typing import Final

import numpy as np

from live.frames import MotionFrame
from live.motion.arkit import ARKIT_INDEX

TYPICAL_CLOSED: Final = 0.65
"""`eyeBlink` of a closed eye as the face reader sees most people, before they have blinked."""

_LEAST, _MOST = 0.45, 1.0
_LEAST_RISE: Final = 0.2
_SHARE: Final = 0.3
_LIDS: Final = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]


class LidRange:
    """Learns the `eyeBlink` weight at which a driver's eyes are shut, from the peaks of their blinks."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew with the typical value."""
        self.closed = TYPICAL_CLOSED
        self._peak = 0.0
        self._rising = False

    def update(self, drive: MotionFrame, neutral: MotionFrame) -> float:
        """Take a frame into account and return the weight of a closed eye, 0.45..1.

        Args:
            drive: the driver's motion, unfiltered; lids that are not finite are ignored.
            neutral: the driver's neutral, which tells how open the eyes are at rest.
        """
        lids = float(drive.expression[_LIDS].mean())
        if not np.isfinite(lids):
            return self.closed
        open_level = float(neutral.expression[_LIDS].mean())
        if lids > self._peak:
            self._peak, self._rising = lids, True
        elif self._rising and lids < open_level + 0.6 * (self._peak - open_level):
            # Over the top. Only what rose clearly was a blink; a single odd peak must not decide.
            if self._peak > open_level + _LEAST_RISE:
                self.closed += _SHARE * (min(max(self._peak, _LEAST), _MOST) - self.closed)
            self._peak, self._rising = lids, False
        elif not self._rising:
            self._peak = lids
        return self.closed
