"""Where pictures wait until they may leave: more than one if need be, none that a newer one has replaced."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SEATS: Final = 8
"""Items that may wait at once: 120 ms, the longest hold, at 60 pictures a second."""


class WaitingRoom(Generic[T]):
    """Holds items between a producer and a consumer thread until each is due.

    A mailbox with patience: of the items that are due, only the newest is taken; the others are counted in `dropped`.
    The oldest item of a full room is taken before its time. Nothing blocks the producer.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: deque[tuple[float, T]] = deque()
        self._closed = False
        self.dropped = 0

    def put(self, item: T, due: float) -> None:
        """Let `item` wait until `due`, seconds of `time.monotonic`. Ignored after `close`."""
        with self._changed:
            if self._closed:
                return
            if len(self._items) == SEATS:
                self._items.popleft()
                self.dropped += 1
            self._items.append((due, item))
            self._changed.notify()

    def take(self, timeout: float) -> T | None:
        """The newest item that is due, or `None` after `timeout` seconds or as soon as the room is closed."""
        end = time.monotonic() + timeout
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                due = [at for at, (instant, _) in enumerate(self._items) if instant <= now]
                if len(self._items) == SEATS and not due:
                    due = [0]  # a room so full that its oldest item would be lost to the next one
                if due:
                    for _ in range(due[-1]):
                        self._items.popleft()
                        self.dropped += 1
                    return self._items.popleft()[1]
                if now >= end:
                    return None
                self._changed.wait(min([end, *(instant for instant, _ in self._items)]) - now)
            return None

    def close(self) -> None:
        """Wake the consumer; later items are ignored."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
