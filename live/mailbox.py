"""A one-slot mailbox: the newest item wins. Used wherever pictures change threads, so that nothing ever queues."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds at most one item between a producer and a consumer thread.

    `put` never blocks: it replaces an item that was not taken and counts it in `dropped`.
    """

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Leave `item`, replacing an older one that nobody took. Ignored after `close`."""
        with self._ready:
            if self._closed:
                return
            if self._item is not None:
                self.dropped += 1
            self._item = item
            self._ready.notify()

    def take(self, timeout: float) -> T | None:
        """The item, or `None` after `timeout` seconds or as soon as the mailbox is closed."""
        with self._ready:
            if self._item is None and not self._closed:
                self._ready.wait(timeout)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Wake the consumer; later items are ignored."""
        with self._ready:
            self._closed = True
            self._item = None
            self._ready.notify_all()
