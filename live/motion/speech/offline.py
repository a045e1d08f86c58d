"""The whole motion of a recording at once, for rendering files: no clocks, no threads, always the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from live.frames import AUDIO_RATE, MotionFrame
from live.motion.speech.composer import MotionComposer
from live.motion.speech.driver import as_samples
from live.motion.speech.mouth import MouthModel, NetworkMouth
from live.motion.speech.network import LOOK_AHEAD, STEP


def motion_for(
    samples: NDArray[np.int16], fps: float = 25, seed: int = 0, *, mouth: MouthModel | None = None
) -> list[MotionFrame]:
    """Motion frames at `n / fps` for the length of a recording: what `SpeechDriver` with `even` makes of it.

    Args:
        samples: int16 mono 48 kHz (floating point -1..1 is converted).
        fps: frames per second.
        seed: of blinks, gaze and head motion.
        mouth: another mouth model, not used before; `None` = the network of the package.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """
    sound = as_samples(samples)
    composer = MotionComposer(mouth or NetworkMouth(), seed)
    count = int(np.floor(len(sound) / AUDIO_RATE * fps))
    frames: list[MotionFrame] = []
    padded = np.concatenate((sound, np.zeros(round((LOOK_AHEAD + 2 * STEP) * AUDIO_RATE), np.int16)))
    block = round(STEP * AUDIO_RATE)
    for start in range(0, len(padded), block):
        composer.push(padded[start : start + block])
        while len(frames) < count and composer.ready_until >= len(frames) / fps - 1e-6:
            frames.append(composer.frame(len(frames) / fps, len(frames) / fps, 0))
    return frames
