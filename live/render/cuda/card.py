"""One program on one card, shared by the sessions of a process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from live.errors import ModelError
from live.render.cuda.batcher import Batcher
from live.render.cuda.engine import IN_FLIGHT, Engine, FrameInputs, Ticket

MAX_SESSIONS: Final = 128
"""Portraits that a card holds at once; about 2 MB each."""

MAX_BATCH: Final = 32
"""Frames rendered together; beyond this the card is busy anyway and frames would only wait longer."""

FrameJob = tuple[int, FrameInputs]
"""Portrait slot and inputs of one frame."""


class EngineDevice:
    """An `Engine` as the batcher sees it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def max_batch(self) -> int:
        """Most frames per call."""
        return self._engine.max_batch

    @property
    def in_flight(self) -> int:
        """How many batches may be started and not finished."""
        return IN_FLIGHT

    def start(self, jobs: Sequence[FrameJob]) -> Ticket:
        """Compute a batch."""
        ticket = self._engine.submit(jobs)
        self._engine.wait_computed(ticket)
        return ticket

    def finish(self, started: Ticket) -> list[NDArray[np.uint8]]:
        """Fetch its pictures."""
        return self._engine.collect(started)


class SharedCard:
    """One program on one card, shared by the sessions of this process.

    Args:
        engine: runs the program.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.batcher: Batcher[FrameJob, NDArray[np.uint8]] = Batcher(EngineDevice(engine))
        self._lock = threading.Lock()
        self._free = list(range(engine.program.portraits - 1, -1, -1))

    def enroll(self, *arrays: NDArray[Any]) -> int:
        """Give a portrait to the card; returns its slot. Raises `ModelError` when all are taken."""
        with self._lock:
            if not self._free:
                raise ModelError(
                    f"The GPU already draws {self.engine.program.portraits} sessions.", "Close one, or add a GPU."
                )
            slot = self._free.pop()
        try:
            self.engine.enroll(slot, *arrays)
        except BaseException:
            self.release(slot)
            raise
        return slot

    def release(self, slot: int) -> None:
        """A session's portrait is no longer needed."""
        with self._lock:
            self._free.append(slot)

    def close(self) -> None:
        """Stop rendering; sessions get a `LiveError`."""
        self.batcher.close()
