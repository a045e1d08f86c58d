"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        topic: what was looked at.
        state: `ok`; `note` = something optional is missing; `problem` = the default use will not work.
        detail: what was found.
        remedy: what to do about it.
    """

    topic: str
    state: State
    detail: str
    remedy: str = ""
