"""Keeps Python's garbage collector from stopping the pictures.

A full collection walks every object of the process: 190,000 after the libraries are loaded, which takes 60 to 230 ms
with every thread stopped. They live until the process ends, so there is nothing to find among them.
"""

from __future__ import annotations

import gc
import threading

_once = threading.Lock()


def exempt_what_is_loaded() -> None:
    """Take all objects that exist now out of future collections.

    Only the first call does anything: objects of sessions, which come and go, have to stay collectable.
    """
    if _once.acquire(blocking=False):
        gc.freeze()
