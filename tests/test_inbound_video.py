"""`live.transport.inbound_video`: received packets become pictures, and nothing that arrives ends the thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from live.frames import VideoFrame
from live.transport.inbound_video import InboundVideo
from live.transport.video_encoder import VideoEncoder
from live.transport.video_jitter import VideoPacket


class Receiver:
    """Keeps what is delivered; raises when told to."""

    def __init__(self) -> None:
        self.frames: list[VideoFrame] = []
        self.raise_next = False
        self._changed = threading.Condition()
        self.inbound = InboundVideo("VP8", self.take)
        self._encoder = VideoEncoder("VP8")
        self._sequence = 65_530

    def take(self, frame: VideoFrame) -> None:
        with self._changed:
            self._changed.notify_all()
            if self.raise_next:
                self.raise_next = False
                raise RuntimeError("consumer")
            self.frames.append(frame)

    def send(self, value: int, keyframe: bool = False, data: bytes | None = None) -> bool:
        """One picture in one packet. Returns whether a keyframe is asked for."""
        ticks = self._sequence * 3600
        if data is None:
            data, _ = self._encoder.encode(np.full((64, 96, 3), value, np.uint8), ticks, keyframe)
        packet = VideoPacket(self._sequence % 2**16, ticks % 2**32, True, b"\x10" + data, data)
        self._sequence += 1
        return self.inbound.push(packet)

    def until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            while not condition():
                assert self._changed.wait(10), "nothing came within 10 s"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.inbound.close()
    made.inbound.close()


def test_pictures_come_with_times_and_stages(receiver: Receiver) -> None:
    for number, value in enumerate((30, 120, 210), start=1):
        receiver.send(value, keyframe=number == 1)
        receiver.until(lambda number=number: len(receiver.frames) == number)  # type: ignore[misc]
    assert [frame.image.shape for frame in receiver.frames] == [(64, 96, 3)] * 3
    assert [float(frame.image.mean()) for frame in receiver.frames] == pytest.approx([30, 120, 210], abs=6)
    assert [stage[0] for stage in receiver.frames[0].trace.stages] == ["receive", "decode"]
    times = [frame.pts for frame in receiver.frames]
    assert times == sorted(times)


def test_a_broken_picture_asks_for_a_keyframe_and_goes_on_there(receiver: Receiver) -> None:
    receiver.send(50, keyframe=True)
    receiver.until(lambda: len(receiver.frames) == 1)
    # A keyframe by its header, and nothing that a decoder can use.
    asked = receiver.send(0, data=b"\x10\x02\x00\x9d\x01\x2a" + b"\xff" * 8)
    for _ in range(200):
        if asked := asked or receiver.send(60):
            break
        threading.Event().wait(0.01)
    assert asked
    assert receiver.inbound.dropped >= 1
    receiver.send(200, keyframe=True)
    receiver.until(lambda: receiver.frames[-1].image.mean() > 180)


def test_huge_pictures_are_dropped(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.transport.inbound_video.LARGEST", 64 * 64)
    receiver.send(50, keyframe=True)
    for _ in range(1000):
        if receiver.inbound.dropped:
            break
        threading.Event().wait(0.01)
    assert receiver.inbound.dropped == 1 and receiver.frames == []


def test_a_consumer_that_raises_harms_nobody(receiver: Receiver) -> None:
    receiver.raise_next = True
    receiver.send(50, keyframe=True)
    receiver.until(lambda: not receiver.raise_next)
    receiver.send(90)
    receiver.until(lambda: len(receiver.frames) == 1)
