"""The command `live`: finds the subcommand, shows errors as one sentence."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from typing import Final

import live
from live.errors import LiveError

COMMANDS: Final[dict[str, str]] = {
    "serve": "start the engine and its web page",
    "run": "drive the avatar here: microphone, webcam or file to window, virtual camera or film",
    "render": "make a film from a portrait and a sound or video file",
    "avatar": "keep portraits as avatars",
    "doctor": "check devices, libraries and ports",
    "models": "fetch the model files",
    "weights": "import trained networks",
    "bench": "measure latency, speed and quality",
}
"""Subcommands and what they do; each lives in `live/cli/<name>.py`, which is imported only when it is needed."""

EXAMPLES: Final = """\
examples:
  live serve                                          open the page it names and allow the microphone
  live run --source webcam --sink virtualcam          be the portrait in a video call
  live render --portrait me.jpg --drive speech.wav -o talk.mp4
  live doctor                                         something does not work? start here

`live COMMAND --help` explains each command.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0 fine, 1 a check failed, 2 an error, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(next((word for word in words if word in COMMANDS), None))
    args = parser.parse_args(words)
    if args.command is None:
        parser.print_help()
        return 0
    try:
        return int(args.run(args) or 0)
    except LiveError as error:
        if args.verbose:
            traceback.print_exc()
        print(f"live: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output (`| head`) has gone.
        sys.stderr.close()
        return 0


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="live",
        description="Real-time streaming avatar engine: one portrait, a microphone or a webcam, a face that moves.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"live {live.__version__}")
    parser.add_argument("--verbose", action="store_true", help="show where errors come from")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        if name != chosen:
            commands.add_parser(name, help=summary)
            continue
        module = importlib.import_module(f"live.cli.{name}")
        command = commands.add_parser(
            name,
            help=summary,
            description=module.DESCRIPTION,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # Also accepted after the subcommand, where people type it; absent there, the one before counts.
        command.add_argument("--verbose", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
