"""What a face does when nobody drives it: it blinks, its eyes wander a little, it breathes.

All of it is a pure function of time and seed: the same instant always gives the same motion, in any order of asking
and with no memory that grows. The statistics follow the literature on people looking at a screen: a blink every 4 s on
average with a long-tailed distribution, lids that fall in about 120 ms and rise in about 200 ms (Doane 1980), gaze
shifts of a degree or two about once a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from live.frames import EXPRESSION_COUNT, FloatArray, MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.mixing import smoothstep

BLINK_INTERVAL_S: Final = 4.0
"""Mean time from one blink to the next."""

BLINK_REST_S: Final = 0.05
"""How long the lids stay shut."""

BLOCK_S: Final = 64.0
"""Blinks and gaze shifts are drawn per block of time, each from a generator of its own; no event spans two blocks."""

GAZE_FULL_DEGREES: Final = 30.0
"""Turn of the eye at an `eyeLook*` weight of 1."""

_INTERVAL_SPREAD: Final = 0.55  # sigma of the logarithm of the blink interval
_SHORTEST_INTERVAL_S: Final = 0.7
_DOUBLE_SHARE: Final = 0.12
_SACCADE_S: Final = 0.04
_SACCADE_INTERVAL_S: Final = 1.1


@dataclass(frozen=True, slots=True)
class Blink:
    """One blink: it begins at `start` (s), closes over `close` s, stays for `BLINK_REST_S`, opens over `open` s."""

    start: float
    close: float
    open: float
    depth: float

    @property
    def end(self) -> float:
        """When the eye is open again, s."""
        return self.start + self.close + BLINK_REST_S + self.open

    def at(self, time_s: float) -> float:
        """How far the lids are closed, 0..`depth`."""
        elapsed = time_s - self.start
        if elapsed <= 0.0 or time_s >= self.end:
            return 0.0
        if elapsed < self.close:
            return self.depth * smoothstep(elapsed / self.close)
        return self.depth * smoothstep((self.end - time_s) / self.open)


@dataclass(frozen=True, slots=True)
class _Gaze:
    """Piecewise constant gaze: from `times[i]` on the eyes look at `targets[i]` (degrees right, up)."""

    times: NDArray[np.float64]
    targets: NDArray[np.float64]


class IdleMotion:
    """Seeded idle motion around a neutral face.

    Args:
        seed: another number, another person's habits.
        sway: strength of the head's slow motion; 1 is about ±1.2° and ±1.5 mm.
        gaze: strength of the eyes' wandering; 1 is one or two degrees.
        blinks: whether the eyes blink.
    """

    def __init__(self, seed: int = 0, *, sway: float = 1.0, gaze: float = 1.0, blinks: bool = True) -> None:
        self.seed = seed
        self.sway = sway
        self.gaze = gaze
        self.blinks = blinks
        generator = np.random.default_rng([seed, 0])
        # Band-limited noise per channel: sums of sines whose frequencies share no period.
        self._frequency = generator.uniform(0.05, 0.35, (6, 5))
        self._phase = generator.uniform(0.0, 2.0 * np.pi, (6, 5))
        self._weight = 1.0 / np.sqrt(self._frequency / 0.05)
        self._weight /= np.linalg.norm(self._weight, axis=1, keepdims=True) / np.sqrt(2.0)
        self._breath = float(generator.uniform(0.21, 0.27))
        self._block_blinks = lru_cache(maxsize=4)(self._draw_blinks)
        self._block_gaze = lru_cache(maxsize=4)(self._draw_gaze)

    def at(self, time_s: float, *, capture_ns: int | None = None) -> MotionFrame:
        """Idle motion at an instant, relative to a neutral face.

        Give it to `retarget` with `MotionFrame.neutral()` as the neutral, or lay it over other motion with
        `mixing.overlay`.

        Args:
            time_s: seconds, becomes the frame's `pts`; negative and not finite times count as 0.
            capture_ns: for the frame's trace; `None` = now.
        """
        time_s = max(time_s, 0.0) if np.isfinite(time_s) else 0.0
        frame = MotionFrame.neutral(time_s, capture_ns)
        noise = (np.sin(2.0 * np.pi * self._frequency * time_s + self._phase) * self._weight).sum(1)
        # The chest's slow rise and fall, slightly irregular like real breath.
        breath = float(np.sin(2.0 * np.pi * self._breath * time_s + 0.5 * noise[5]))
        degrees = np.array([0.45 * noise[0] + 0.25 * breath, 0.6 * noise[1], 0.35 * noise[2]])
        frame.rotation[:] = self.sway * np.radians(degrees)
        frame.translation[:] = self.sway * np.array(
            [0.06 * noise[3], 0.04 * noise[4] + 0.06 * breath, 0.002 * noise[5] + 0.0015 * breath]
        )
        lids = self.lids(time_s)
        frame.expression[:] = self._eyes(time_s, degrees * self.sway, lids)
        # Faces at rest are not rigid either: breath and noise barely move brows and lips.
        for name, value in (
            ("browInnerUp", 0.03 + 0.03 * noise[3]),
            ("mouthPressLeft", 0.02 + 0.02 * noise[4]),
            ("mouthPressRight", 0.02 + 0.02 * noise[4]),
            ("mouthSmileLeft", 0.02 + 0.02 * noise[5]),
            ("mouthSmileRight", 0.02 + 0.02 * noise[5]),
        ):
            frame.expression[ARKIT_INDEX[name]] = max(self.sway * value, 0.0)
        return frame

    def lids(self, time_s: float) -> float:
        """How far a blink has closed the eyes, 0..1."""
        if not self.blinks:
            return 0.0
        return max((b.at(time_s) for b in self._block_blinks(int(time_s // BLOCK_S))), default=0.0)

    def blinks_between(self, start_s: float, end_s: float) -> list[Blink]:
        """The blinks that begin in `start_s` <= t < `end_s`, in order."""
        blocks = range(int(max(start_s, 0.0) // BLOCK_S), int(max(end_s, 0.0) // BLOCK_S) + 1)
        return [b for k in blocks for b in self._block_blinks(k) if start_s <= b.start < end_s]

    def _eyes(self, time_s: float, head_degrees: NDArray[np.float64], lids: float) -> FloatArray:
        weights = np.zeros(EXPRESSION_COUNT, np.float32)
        right, up = self.gaze * self._look(time_s)
        # Eyes hold their target while the head sways: about half of the head's turn is taken back.
        right -= 0.5 * head_degrees[1]
        up += 0.5 * head_degrees[0]
        up -= 3.0 * lids  # eyes dip and turn in under a closing lid
        # Positive `right` is the image's right, which is the subject's left.
        side, height = right / GAZE_FULL_DEGREES, up / GAZE_FULL_DEGREES
        for name, value in (
            ("eyeLookOutLeft", side),
            ("eyeLookInRight", side),
            ("eyeLookInLeft", -side),
            ("eyeLookOutRight", -side),
            ("eyeLookUpLeft", height),
            ("eyeLookUpRight", height),
            ("eyeLookDownLeft", -height),
            ("eyeLookDownRight", -height),
            ("eyeBlinkLeft", lids),
            ("eyeBlinkRight", lids),
            ("eyeSquintLeft", 0.1 * lids),
            ("eyeSquintRight", 0.1 * lids),
        ):
            weights[ARKIT_INDEX[name]] = max(value, 0.0)
        return weights

    def _look(self, time_s: float) -> NDArray[np.float64]:
        """Where the eyes look, degrees (image right, up)."""
        gaze = self._block_gaze(int(time_s // BLOCK_S))
        i = int(np.searchsorted(gaze.times, time_s, side="right")) - 1
        before = gaze.targets[max(i - 1, 0)]
        share = smoothstep((time_s - gaze.times[i]) / _SACCADE_S)
        looked: NDArray[np.float64] = before + share * (gaze.targets[i] - before)
        return looked

    def _draw_blinks(self, block: int) -> tuple[Blink, ...]:
        generator = np.random.default_rng([self.seed, 1, block])
        start, end = block * BLOCK_S, (block + 1) * BLOCK_S
        # Doubles add events of their own; the mean that counts includes them.
        mean = BLINK_INTERVAL_S * (1.0 + _DOUBLE_SHARE) - _SHORTEST_INTERVAL_S
        location = np.log(mean) - 0.5 * _INTERVAL_SPREAD**2
        blinks: list[Blink] = []
        time = start + float(generator.uniform(0.3, 0.8 * BLINK_INTERVAL_S))
        while True:
            blink = Blink(time, *generator.uniform((0.10, 0.18, 0.94), (0.15, 0.24, 1.0)).tolist())
            if blink.end >= end:
                return tuple(blinks)
            blinks.append(blink)
            if generator.random() < _DOUBLE_SHARE:
                again = blink.end + float(generator.uniform(0.05, 0.2))
                double = Blink(again, *generator.uniform((0.10, 0.18, 0.85), (0.13, 0.22, 1.0)).tolist())
                if double.end < end:
                    blinks.append(double)
            time += _SHORTEST_INTERVAL_S + float(generator.lognormal(location, _INTERVAL_SPREAD))
            time = max(time, blinks[-1].end + 0.1)

    def _draw_gaze(self, block: int) -> _Gaze:
        generator = np.random.default_rng([self.seed, 2, block])
        start, end = block * BLOCK_S, (block + 1) * BLOCK_S
        times, targets = [start], [(0.0, 0.0)]  # each block begins and ends at the viewer's eyes
        time = start
        while True:
            time += 0.25 + float(generator.lognormal(np.log(_SACCADE_INTERVAL_S - 0.25) - 0.18, 0.6))
            if time >= end - 1.0:
                break
            # Mostly small shifts about the viewer's eyes, sometimes a wider look.
            spread = (3.0, 1.5) if generator.random() < 0.12 else (0.9, 0.6)
            times.append(time)
            targets.append((float(generator.normal(0.0, spread[0])), float(generator.normal(0.0, spread[1]))))
        times.append(end - 0.5)
        targets.append((0.0, 0.0))
        return _Gaze(np.array(times), np.array(targets))
