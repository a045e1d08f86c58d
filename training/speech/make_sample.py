"""Makes the speech sample that ships: `python -m training.speech.make_sample` (needs flite).

Writes `live/assets/samples/speech.opus` and its phone times `tests/data/speech_phones.json`.
"""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np

from training.speech.media import RATE
from training.speech.synthesise import flite

TEXT = "Hello! My name is Live. Maybe we can paint a big blue boat. Now I stop, and my mouth is closed."


def main() -> None:
    """Speak, pad with half a second of silence, encode."""
    samples, phones, starts = flite(TEXT, "slt")
    pad = np.zeros(RATE // 2, np.int16)
    samples = np.concatenate((pad, samples, np.zeros(RATE, np.int16)))
    ends = [*starts[1:], (len(samples) - len(pad)) / RATE]
    rows = [[round(a + 0.5, 3), round(b + 0.5, 3), p] for a, b, p in zip(starts, ends, phones, strict=True)]
    Path("tests/data").mkdir(exist_ok=True)
    Path("tests/data/speech_phones.json").write_text(json.dumps(rows))
    output = Path("live/assets/samples/speech.opus")
    output.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(output), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE)
        stream.bit_rate = 40_000
        stream.layout = "mono"
        for start in range(0, len(samples) - 959, 960):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 960], format="s16", layout="mono")
            frame.rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
