"""Draws the moving picture of the README: the default portrait speaks the sample, then is posed by sliders.

Example:
    live render --drive live/assets/samples/speech.opus --backend openvino -o /tmp/speech.mp4
    python scripts/demo_picture.py --speech /tmp/speech.mp4 docs/media/avatar.webp
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from PIL import Image as PillowImage

from live.frames import MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.retargeted import speaking_rest
from live.render import create_renderer
from live.studio import LocalStudio

FPS = 20
Pose = tuple[float, dict[str, float], tuple[float, float, float]]
POSES: tuple[Pose, ...] = (
    (0.0, {}, (0, 0, 0)),
    (0.7, {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7, "cheekSquintLeft": 0.4, "cheekSquintRight": 0.4}, (0, 15, 4)),
    (1.4, {"jawOpen": 0.5, "browInnerUp": 0.8, "eyeWideLeft": 0.6, "eyeWideRight": 0.6}, (-6, -12, 0)),
    (2.1, {"mouthPucker": 0.8, "eyeBlinkLeft": 1.0}, (4, -16, -6)),
    (2.8, {}, (0, 0, 0)),
)
"""Second, expressions, and pitch, yaw, roll in degrees."""


def posed(rest: MotionFrame, second: float) -> MotionFrame:
    """The slider pose at a time, eased between the key poses."""
    times = [pose[0] for pose in POSES]
    after = min(int(np.searchsorted(times, second, side="right")), len(POSES) - 1)
    before = max(after - 1, 0)
    share = np.clip((second - times[before]) / max(times[after] - times[before], 1e-6), 0, 1)
    share = float(share * share * (3 - 2 * share))
    expression, rotation = rest.expression.copy(), rest.rotation.copy()
    for weight, (_, names, angles) in ((1 - share, POSES[before]), (share, POSES[after])):
        for name, value in names.items():
            expression[ARKIT_INDEX[name]] += np.float32(weight * value)
        rotation += np.radians(np.array(angles, np.float32)) * np.float32(weight)
    return replace(rest, expression=expression, rotation=rotation)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--speech", type=Path, required=True, help="a film of `live render` to begin with")
    parser.add_argument("--seconds", type=float, default=3.4, help="how much of it")
    parser.add_argument("--side", type=int, default=320)
    arguments = parser.parse_args()
    pictures = []
    with av.open(arguments.speech) as film:
        due = 0.0
        for frame in film.decode(film.streams.video[0]):
            if frame.time is not None and frame.time >= due and due < arguments.seconds:
                pictures.append(frame.to_image())
                due += 1 / FPS
    avatar = LocalStudio().load(None)
    renderer = create_renderer(avatar)
    rest = speaking_rest(avatar.rest)
    pictures += [PillowImage.fromarray(renderer.render(posed(rest, i / FPS))) for i in range(int(POSES[-1][0] * FPS))]
    side = (arguments.side, arguments.side)
    small = [p.resize(side, PillowImage.Resampling.LANCZOS) for p in pictures]
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    small[0].save(
        arguments.output, save_all=True, append_images=small[1:], duration=1000 // FPS, loop=0, quality=62, method=6
    )
    print(f"{arguments.output}: {len(small)} pictures, {arguments.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
