"""What travels through the pipeline. Every frame carries its media time and its trace.

Conventions, used everywhere:

* Media time `pts` is in seconds (float) on the session clock; audio is the master. Wall instants are
  `time.monotonic_ns()` integers and end in `_ns`.
* Images are `uint8 (H, W, 3)` RGB, C-contiguous. Continuous image coordinates have x to the right, y down, and the
  centre of pixel `i` at `i + 0.5`.
* Head coordinates are centimetres, right-handed: x to the image's right (the subject's left), y up, z towards the
  viewer. `rotation = (pitch, yaw, roll)` in radians by the right-hand rule about x, y, z and
  `R = Rz(roll) @ Ry(yaw) @ Rx(pitch)`: positive pitch looks down, positive yaw turns the nose to the image's right,
  positive roll lifts the image's right side.
* Audio is mono `int16` at 48 kHz (`AUDIO_RATE`), what Opus and WebRTC speak.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

AUDIO_RATE = 48_000
"""Sample rate of every `AudioChunk`, Hz."""

EXPRESSION_COUNT = 52
"""Length of `MotionFrame.expression`; names and order in `live.motion.arkit`."""

RESIDUAL_COUNT = 16
"""Length of `MotionFrame.residual`, the learned shapes that the 52 ARKit ones cannot express."""

FloatArray = NDArray[np.float32]
Image = NDArray[np.uint8]


@dataclass(slots=True)
class Trace:
    """Where a frame has been and when: the only source of latency figures.

    Attributes:
        capture_ns: monotonic instant at which the light or sound was captured (or received).
        stages: `(name, start_ns, end_ns)` in the order in which stages handled the frame.
    """

    capture_ns: int
    stages: list[tuple[str, int, int]] = field(default_factory=list)

    def stamp(self, stage: str, start_ns: int, end_ns: int | None = None) -> None:
        """Record that `stage` worked on this frame from `start_ns` until `end_ns` (default: now)."""
        self.stages.append((stage, start_ns, time.monotonic_ns() if end_ns is None else end_ns))


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A stretch of captured sound.

    Attributes:
        samples: `int16 (n,)`, mono, 48 kHz.
        pts: media time of the first sample, seconds.
        capture_ns: monotonic instant at which the last sample was captured.
    """

    samples: NDArray[np.int16]
    pts: float
    capture_ns: int

    @property
    def duration(self) -> float:
        """Seconds of sound."""
        return len(self.samples) / AUDIO_RATE


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A captured picture: `image` uint8 (H, W, 3) RGB at media time `pts` (s)."""

    image: Image
    pts: float
    trace: Trace


@dataclass(frozen=True, slots=True)
class MotionFrame:
    """Motion at one instant, free of identity: whoever moves, the coefficients mean the same.

    Attributes:
        pts: media time depicted, seconds.
        expression: float32 (52,) ARKit weights, nominally 0..1.
        rotation: float32 (3,) pitch, yaw, roll in radians.
        translation: float32 (3,): x (cm, image right), y (cm, up), and the natural logarithm of the apparent size
            relative to the reference (0 = unchanged, > 0 = closer).
        residual: float32 (16,) learned shapes, standard deviations.
        confidence: 0..1; 0 means that nothing was seen or heard and the motion is idle.
        trace: capture time and stage times.
    """

    pts: float
    expression: FloatArray
    rotation: FloatArray
    translation: FloatArray
    residual: FloatArray
    confidence: float
    trace: Trace

    @staticmethod
    def neutral(pts: float = 0.0, capture_ns: int | None = None) -> MotionFrame:
        """A face at rest, looking straight ahead."""
        return MotionFrame(
            pts=pts,
            expression=np.zeros(EXPRESSION_COUNT, np.float32),
            rotation=np.zeros(3, np.float32),
            translation=np.zeros(3, np.float32),
            residual=np.zeros(RESIDUAL_COUNT, np.float32),
            confidence=0.0,
            trace=Trace(time.monotonic_ns() if capture_ns is None else capture_ns),
        )


@dataclass(frozen=True, slots=True)
class RenderedFrame:
    """A finished picture: `image` uint8 (H, W, 3) RGB that depicts media time `pts` (s).

    The image is owned by the receiver; the renderer does not write to it again.
    """

    image: Image
    pts: float
    motion: MotionFrame

    @property
    def trace(self) -> Trace:
        """The trace that began at capture."""
        return self.motion.trace
