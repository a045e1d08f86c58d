"""`live.garbage`: what is loaded is exempt, what comes later is not."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from live import garbage


class Node:
    def __init__(self) -> None:
        self.itself = self


def test_once_and_later_cycles_are_still_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "_once", threading.Lock())
    try:
        garbage.exempt_what_is_loaded()
        exempt = gc.get_freeze_count()
        assert exempt > 10_000
        later = weakref.ref(Node())
        garbage.exempt_what_is_loaded()
        assert gc.get_freeze_count() <= exempt
        gc.collect()
        assert later() is None
    finally:
        gc.unfreeze()
