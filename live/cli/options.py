"""Options that several subcommands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from live.protocols import Renderer
    from live.render.avatar import Avatar


def add_avatar_options(parser: argparse.ArgumentParser) -> None:
    """Which avatar, how large, drawn by what."""
    group = parser.add_argument_group("avatar")
    group.add_argument("--portrait", metavar="P", help="photo, or name of an avatar (default: the one that ships)")
    group.add_argument(
        "--size", type=picture_side, default=512, help="side of the square picture, pixels (default: 512)"
    )
    group.add_argument(
        "--whole-photo", action="store_true", help="show the whole photo, not only the square of the face"
    )
    add_backend_option(group)


def add_backend_option(group: argparse._ActionsContainer) -> None:
    """What draws."""
    group.add_argument(
        "--backend",
        default="auto",
        metavar="NAME",
        help="what draws: geometric (no network), details (networks for mouth and eyes), openvino or onnxruntime (the "
        "whole network), cuda (the same on a GPU), or auto, the best that keeps up here (default: auto)",
    )


def add_motion_options(parser: argparse.ArgumentParser) -> None:
    """What moves it, and how."""
    group = parser.add_argument_group("motion")
    group.add_argument(
        "--driver",
        choices=("auto", "face", "speech"),
        default="auto",
        help="follow a face or the sound (default: the face where there are pictures, else the sound)",
    )
    group.add_argument(
        "--mode",
        choices=("relative", "absolute"),
        default="relative",
        help="with a face: move by how it differs from its own neutral (default), or copy it as it is",
    )
    group.add_argument(
        "--fps", type=frame_rate, default=25.0, help="pictures per second where sound drives (default: 25)"
    )


def open_renderer(args: argparse.Namespace, avatar: Avatar) -> Renderer:
    """The renderer that the options ask for.

    Raises:
        ModelError: an unknown backend, or one that cannot run here.
    """
    from live.render import create_renderer

    renderer = create_renderer(avatar, args.backend, size=(args.size, args.size))
    if not args.whole_photo:
        return renderer
    from live.render.paste_back import PasteBackRenderer

    return PasteBackRenderer(renderer, avatar)


def picture_side(text: str) -> int:
    """The side of the square picture, pixels."""
    value = int(text)
    if value % 2 or not 64 <= value <= 2048:
        raise argparse.ArgumentTypeError("the size must be an even number from 64 to 2048")
    return value


def frame_rate(text: str) -> float:
    """Pictures per second."""
    value = float(text)
    if not 1.0 <= value <= 120.0:
        raise argparse.ArgumentTypeError("the frame rate must be from 1 to 120")
    return value


def whole_number(least: int, greatest: int) -> Callable[[str], int]:
    """A type for options that count: whole numbers from `least` to `greatest`."""

    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= greatest:
            raise argparse.ArgumentTypeError(f"must be from {least} to {greatest}")
        return value

    parse.__name__ = "whole number"
    return parse
