"""`live render`: a film from a portrait and a recording, offline."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from live.cli.options import add_avatar_options, add_motion_options, open_renderer

if TYPE_CHECKING:
    from live.studio import MotionKind

DESCRIPTION = """\
Make a film: the portrait moves with a recording. A sound file makes it speak; a video file makes it follow the face in
it. The sound goes into the film, in sync. The result depends on the input alone: the same command makes the same film
on a slow and on a fast machine, and faster than real time where the machine can.
"""

EXAMPLES = """\
examples:
  live render --portrait me.jpg --drive speech.wav -o talk.mp4
  live render --drive webcam-recording.mp4 -o me.mp4             the default portrait follows the face
  live render --drive talk.mp4 --driver speech -o talk2.mp4      only the sound of a video
  live render --drive speech.mp3 --size 256 -o small.mp4
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--drive", type=Path, required=True, metavar="FILE", help="the sound or video that drives")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.mp4", help="the film to write")
    parser.add_argument("--quality", type=_quality, default=18, help="0 (lossless) to 51 (worst); default: 18")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_avatar_options(parser)
    add_motion_options(parser)


def run(args: argparse.Namespace) -> int:
    """Render.

    Raises:
        LiveError: the recording, the portrait or the film's place cannot be used.
    """
    from tqdm import tqdm

    from live.capture.media import probe, read_media
    from live.errors import MediaError

    info = probe(args.drive)
    kind: MotionKind = args.driver
    if args.driver == "auto":
        kind = "face" if info.has_video else "speech"
    if kind == "face" and not info.has_video:
        raise MediaError(f"{args.drive} has no pictures to follow.", "Use --driver speech.")
    if kind == "speech" and not info.has_audio:
        raise MediaError(f"{args.drive} has no sound to speak.", "Use --driver face.")
    if args.output.resolve() == args.drive.resolve():
        raise MediaError("The film would replace the recording that drives it.", "Choose another name with -o.")
    from live.offline import MediaClock, render_offline
    from live.studio import LocalStudio, make_driver
    from live.transport.recorder import Recorder

    avatar = LocalStudio().load(args.portrait)
    renderer = open_renderer(args, avatar)
    clock = MediaClock()
    driver = make_driver(kind, avatar.rest, fps=args.fps, mode=args.mode, even=True, clock_ns=clock)
    fps = info.fps if kind == "face" else args.fps
    recorder = Recorder(args.output, sound=info.has_audio, fps=fps, quality=args.quality, blocking=True)
    began = time.monotonic()
    try:
        bar = tqdm(
            total=round(info.duration, 2) or None,
            unit="s",
            desc=args.output.name,
            disable=args.quiet,
            bar_format="{l_bar}{bar}| {n:.1f}/{total:.1f} s [{elapsed}<{remaining}]" if info.duration else None,
        )
        with bar:
            items = read_media(args.drive, video=kind == "face", on_damage=_say)
            result = render_offline(items, driver, renderer, recorder, clock, lambda reached: _advance(bar, reached))
    finally:
        driver.close()
        renderer.close()
        recorder.close()
    if not result.frames:
        raise MediaError(f"{args.drive} gave no pictures.", "Is it long enough to hold speech or a face?")
    if not args.quiet:
        took = max(time.monotonic() - began, 1e-3)
        made = f"{result.frames} pictures, {result.duration:.1f} s, made in {took:.1f} s"
        _say(f"{args.output}: {made} ({result.duration / took:.2f} times real time)")
    return 0


def _advance(bar: object, reached: float) -> None:
    from tqdm import tqdm

    assert isinstance(bar, tqdm)
    if bar.total:
        reached = min(reached, bar.total)
    bar.update(reached - bar.n)


def _quality(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 51:
        raise argparse.ArgumentTypeError("the quality must be from 0 to 51")
    return value


def _say(text: str) -> None:
    print(f"live: {text}", file=sys.stderr, flush=True)
