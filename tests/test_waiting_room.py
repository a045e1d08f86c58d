"""`live.transport.waiting_room`: pictures leave when they are due, in order, and only the newest counts."""

from __future__ import annotations

import threading
import time

from live.transport.waiting_room import SEATS, WaitingRoom


def test_items_that_are_not_due_stay_and_none_of_them_is_lost() -> None:
    room: WaitingRoom[int] = WaitingRoom()
    begin = time.monotonic()
    for k in range(3):
        room.put(k, begin + 0.4 * (k + 1))
    taken = [room.take(30.0) for _ in range(3)]
    assert taken == [0, 1, 2]
    assert time.monotonic() - begin >= 1.2, "none before its time"
    assert room.dropped == 0


def test_of_those_that_are_due_only_the_newest_is_taken() -> None:
    room: WaitingRoom[str] = WaitingRoom()
    now = time.monotonic()
    for name in ("old", "older than the next", "newest"):
        room.put(name, now - 1.0)
    room.put("later", now + 60.0)
    assert room.take(0.0) == "newest"
    assert room.dropped == 2
    assert room.take(0.0) is None


def test_a_full_room_lets_its_oldest_go_before_its_time() -> None:
    room: WaitingRoom[int] = WaitingRoom()
    for k in range(SEATS + 3):
        room.put(k, time.monotonic() + 600.0)
    assert room.dropped == 3
    assert room.take(0.0) == 3
    assert room.take(0.0) is None, "there is a seat now"


def test_a_newcomer_that_is_due_at_once_wakes_the_consumer() -> None:
    room: WaitingRoom[str] = WaitingRoom()
    room.put("later", time.monotonic() + 60.0)
    found: list[str | None] = []
    consumer = threading.Thread(target=lambda: found.append(room.take(10.0)))
    consumer.start()
    room.put("now", 0.0)
    consumer.join(5.0)
    assert found == ["now"]


def test_closing_wakes_the_consumer_and_empties_the_room() -> None:
    room: WaitingRoom[str] = WaitingRoom()
    room.put("later", time.monotonic() + 60.0)
    found: list[str | None] = ["nothing yet"]
    consumer = threading.Thread(target=lambda: found.append(room.take(30.0)))
    consumer.start()
    room.close()
    consumer.join(5.0)
    assert found == ["nothing yet", None]
    room.put("too late", 0.0)
    assert room.take(0.0) is None
