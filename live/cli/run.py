"""`live run`: the engine without a browser."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from live.cli.options import add_avatar_options, add_motion_options, open_renderer

if TYPE_CHECKING:
    from live.protocols import Driver, Renderer, Sink, Source
    from live.session import Session
    from live.studio import MotionKind

DESCRIPTION = """\
Drive the avatar on this machine, without a browser: from the microphone, the webcam or a file, into a window, a virtual
camera (for video calls) or a film. --sink may be given several times. Ctrl+C ends it; films are finished properly.

Window keys: c takes your face as the neutral one (calibration), q or Escape closes.
"""

EXAMPLES = """\
examples:
  live run --source webcam --sink virtualcam --portrait me.jpg
  live run --source mic                                        a window that speaks with you
  live run --source webcam --sound mic --sink window --sink take1.mp4
  live run --source talk.mp4 --loop                            a recording in place of a webcam
  live run --source mic --device 3 --sink virtualcam --camera-name /dev/video9

A device that is missing or unplugged is reported; the avatar idles and goes on when the device is back.
"""

STATUS_EVERY: Final = 1.0
"""Seconds between status lines."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--source", default="mic", metavar="{mic,webcam,FILE}", help="what drives (default: mic)")
    parser.add_argument("--device", metavar="ID", help="number or name of the microphone or camera (`live doctor`)")
    parser.add_argument("--sound", choices=("mic",), help="with --source webcam: also record the microphone")
    parser.add_argument("--loop", action="store_true", help="with a FILE: start again at its end")
    parser.add_argument(
        "--sink",
        action="append",
        metavar="{window,virtualcam,FILE.mp4}",
        help="where the pictures go (default: window); may be given several times",
    )
    parser.add_argument("--camera-name", metavar="NAME", help="which virtual camera (default: the first)")
    parser.add_argument("--seconds", type=float, metavar="S", help="end after this time")
    parser.add_argument("--quiet", action="store_true", help="no status line")
    add_avatar_options(parser)
    add_motion_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run until the window is closed, a file has ended, the time is up or the user interrupts.

    Raises:
        LiveError: avatar, source or sink cannot be had.
    """
    from live.capture.file import FileSource
    from live.session import Session
    from live.studio import LocalStudio, make_driver
    from live.transport.window import Window

    source = _source(args)
    avatar = LocalStudio().load(args.portrait)
    renderer = open_renderer(args, avatar)
    renderer.render(avatar.rest)  # the first picture compiles and caches; the source must not wait for it
    kind = _driver_kind(args, source)
    driver = make_driver(kind, avatar.rest, fps=args.fps, mode=args.mode)
    sinks = _sinks(args, renderer, driver)
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, frame: _stop(stop, number, frame))
    session = Session(driver, renderer, source, on_state=_say)
    for sink in sinks:
        session.add_sink(sink)
    with session:
        ended = source.finished if isinstance(source, FileSource) else None
        threading.Thread(target=_watch, args=(args, session, stop, ended), name="live-status", daemon=True).start()
        window = next((sink for sink in sinks if isinstance(sink, Window)), None)
        if window is not None:
            window.run(stop)
        else:
            stop.wait()
        stop.set()
    if not args.quiet:
        _say(_summary(session))
    return 0


def _source(args: argparse.Namespace) -> Source:
    from live.capture.combined import CombinedSource
    from live.capture.file import FileSource
    from live.capture.microphone import Microphone
    from live.capture.webcam import Webcam

    epoch_ns = time.monotonic_ns()
    device = int(args.device) if args.device and args.device.isdigit() else args.device
    if args.source == "mic":
        return Microphone(device, epoch_ns)
    if args.source == "webcam":
        camera = Webcam(0 if device is None else device, epoch_ns=epoch_ns)
        return CombinedSource(camera, Microphone(None, epoch_ns)) if args.sound else camera
    return FileSource(Path(args.source).expanduser(), loop=args.loop)


def _driver_kind(args: argparse.Namespace, source: Source) -> MotionKind:
    from live.capture.file import FileSource

    if args.driver != "auto":
        chosen: MotionKind = args.driver
        return chosen
    if isinstance(source, FileSource):
        return "face" if source.info.has_video else "speech"
    return "speech" if args.source == "mic" else "face"


def _sinks(args: argparse.Namespace, renderer: Renderer, driver: Driver) -> list[Sink]:
    from live.transport.recorder import Recorder
    from live.transport.virtual_camera import VirtualCamera
    from live.transport.window import Window

    sinks: list[Sink] = []
    try:
        for name in args.sink or ["window"]:
            if name == "window":
                keys = {"c": driver.calibrate} if hasattr(driver, "calibrate") else {}
                sinks.append(Window(f"live - {args.portrait or 'default portrait'}", keys))
            elif name == "virtualcam":
                camera = VirtualCamera(renderer.size, args.fps, args.camera_name)
                _say(f"The virtual camera is {camera.device}: choose it in the other program.")
                sinks.append(camera)
            else:
                sound = args.source != "webcam" or bool(args.sound)
                sinks.append(Recorder(Path(name).expanduser(), sound=sound, fps=args.fps))
    except Exception:
        for sink in sinks:
            sink.close()
        raise
    return sinks


def _watch(args: argparse.Namespace, session: Session, stop: threading.Event, ended: threading.Event | None) -> None:
    """Show the status and end the run when its time has come."""
    began = time.monotonic()
    show = not args.quiet and sys.stderr.isatty()
    while not stop.wait(STATUS_EVERY if ended is None else 0.1):
        if show:
            print(f"\r{_summary(session)}  ", end="", file=sys.stderr, flush=True)
        if ended is not None and ended.is_set():
            # The last pictures and the sound that waits for them are still under way.
            stop.wait(session.audio_delay + 0.3)
            stop.set()
        if args.seconds is not None and time.monotonic() - began >= args.seconds:
            stop.set()
    if show:
        print(file=sys.stderr)


def _summary(session: Session) -> str:
    statistics = session.statistics()
    total = statistics.stages.get("total")
    wait = f", capture to picture {total.p50:.0f} ms (95 %: {total.p95:.0f} ms)" if total else ""
    dropped = sum(statistics.drops.values())
    return f"{statistics.frames} pictures, {statistics.fps:.1f} per second{wait}, {dropped} dropped"


def _stop(stop: threading.Event, number: int, frame: FrameType | None) -> None:
    stop.set()
    # A second Ctrl+C ends it at once, should something hang.
    signal.signal(number, signal.SIG_DFL)


def _say(text: str) -> None:
    print(f"live: {text}", file=sys.stderr, flush=True)
