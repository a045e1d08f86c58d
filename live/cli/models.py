"""`live models`: fetch the model files ahead of time."""

from __future__ import annotations

import argparse

DESCRIPTION = """\
Fetch the model files that the package does not carry (4 MB). They are fetched on first use anyway; do it ahead of time
for a machine that will be offline. Every file is checked against its published SHA-256.
"""

EXAMPLES = """\
examples:
  live models fetch           fetch what is missing
  live models list            show what is there

Without a network: `live models list` shows where each file comes from and where it belongs.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    fetch = actions.add_parser("fetch", help="fetch what is missing")
    fetch.add_argument("--quiet", action="store_true", help="say nothing when all is well")
    actions.add_parser("list", help="show the files, where they come from and where they belong")


def run(args: argparse.Namespace) -> int:
    """Fetch or list.

    Raises:
        ModelError: a file cannot be fetched.
    """
    from live.models import ALL_MODELS, ensure, is_intact

    for model in ALL_MODELS:
        if args.action == "fetch":
            path = ensure(model, progress=not args.quiet)
            if not args.quiet:
                print(f"{model.name}: {path}")
        else:
            print(f"{model.name}  {'present' if is_intact(model) else 'missing'}")
            print(f"  from    {model.url}\n  belongs {model.path}\n  sha256  {model.sha256}")
    return 0
