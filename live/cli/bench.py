"""`live bench`: measurements, each in a module of its own under `live/bench/`."""

from __future__ import annotations

import argparse
import importlib
from typing import Final

from live.errors import LiveError

BENCHES: Final[dict[str, str]] = {
    "latency": "what a viewer waits: capture to shown picture, stage by stage",
    "render": "how long a picture takes, by renderer and size",
    "fit": "how closely the face model follows tracked faces",
    "speech": "how well and how soon the mouth follows speech",
    "quality": "how close the pictures come to the truth",
    "sessions": "how many sessions one machine carries",
}
"""Names and what they measure."""

DESCRIPTION = (
    """\
Measure the engine on this machine. Every figure comes with its method; run it on a quiet machine.

measurements:
"""
    + "\n".join(f"  {name:<10}{summary}" for name, summary in BENCHES.items())
    + "\n"
)

EXAMPLES = """\
examples:
  live bench render
  live bench latency --help
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options: the rest of the line belongs to the measurement."""
    parser.add_argument("name", choices=BENCHES, metavar="NAME", help="which measurement")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="its options")


def run(args: argparse.Namespace) -> int:
    """Run one measurement.

    Raises:
        LiveError: a package that it needs is not installed.
    """
    hint = "Install what measurements need: pip install 'live-avatar[bench]'."
    try:
        module = importlib.import_module(f"live.bench.{args.name}")
        parser = argparse.ArgumentParser(
            prog=f"live bench {args.name}",
            description=BENCHES[args.name].capitalize() + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(parser)
        return int(module.run(parser.parse_args(args.rest)) or 0)
    except ModuleNotFoundError as error:
        if error.name == f"live.bench.{args.name}":
            raise LiveError(f"This version does not have the measurement {args.name!r}.") from error
        if error.name and error.name.startswith("live."):
            raise
        raise LiveError(f"The measurement {args.name!r} needs the package {error.name}.", hint) from error
