"""`live weights`: bring in networks that were trained elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Turn a published PIRenderer checkpoint into the engine's own format (safetensors), once. The checkpoint is checked
tensor by tensor; pickled code in it is never run.
"""

EXAMPLES = """\
examples:
  live weights import epoch_00190_iteration_000400000_checkpoint.pt
  live weights import checkpoint.pt -o pirenderer.safetensors

Needs torch: pip install 'live-avatar[gpu]'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    importing = actions.add_parser("import", help="import a checkpoint")
    importing.add_argument("checkpoint", type=Path, help="the file that was published")
    importing.add_argument("-o", "--output", type=Path, help="where to write (default: the models folder)")


def run(args: argparse.Namespace) -> int:
    """Import a checkpoint.

    Raises:
        LiveError: torch is missing, or the file is not such a checkpoint.
    """
    from live.cli.extras import need_torch
    from live.paths import models_dir

    need_torch("importing a checkpoint")
    from live.render.pirenderer.weights import import_checkpoint

    output: Path = args.output or models_dir() / "pirenderer.safetensors"
    output.parent.mkdir(parents=True, exist_ok=True)
    print(f"Imported to {import_checkpoint(args.checkpoint, output)}")
    return 0
