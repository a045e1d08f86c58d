"""What the transport uses of aiortc's inside may move; the transport then does without, and says so once."""

from __future__ import annotations

import logging
from typing import Final

logger = logging.getLogger(__name__)

_told: Final[set[str]] = set()


def tell_once(consequence: str) -> None:
    """Warn that this aiortc lacks something and what follows from it, once in a process: every connection would."""
    if consequence not in _told:
        _told.add(consequence)
        logger.warning("This aiortc is not built as expected: %s", consequence)
