"""`live avatar`: portraits as reusable avatars."""

from __future__ import annotations

import argparse
from pathlib import Path

from live.errors import MediaError

DESCRIPTION = """\
Keep portraits as avatars: the face is found, cropped and fitted once; afterwards the avatar is there at once, by name.

A good photo shows one person from the front, the whole head, both eyes open, evenly lit, at least 256 pixels of face.
"""

EXAMPLES = """\
examples:
  live avatar add me.jpg                 make an avatar named "me"
  live avatar add me.jpg --name boss
  live avatar list
  live avatar show boss -o boss.png      what is animated, with the fitted face drawn on it
  live avatar rm boss
  live serve --portrait boss             use it
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make an avatar from a photo")
    add.add_argument("photo", type=Path, help="the photo (jpg, png, webp, …)")
    add.add_argument("--name", help="what to call it (default: the file's name)")
    actions.add_parser("list", help="list the avatars")
    show = actions.add_parser("show", help="describe an avatar, and draw its fit with -o")
    show.add_argument("name", help="name of the avatar, or a photo")
    show.add_argument("-o", "--output", type=Path, help="picture to write")
    remove = actions.add_parser("rm", help="remove an avatar")
    remove.add_argument("name", help="name of the avatar")


def run(args: argparse.Namespace) -> int:
    """Do it.

    Raises:
        PortraitError: the photo cannot become an avatar, or there is no such avatar.
        ModelError: the face tracker's model cannot be fetched.
    """
    if args.action == "add":
        return _add(args.photo, args.name)
    if args.action == "list":
        return _list()
    if args.action == "show":
        return _show(args.name, args.output)
    return _remove(args.name)


def _add(photo: Path, name: str | None) -> int:
    from live.studio import LocalStudio

    entry = LocalStudio().add(photo.expanduser(), name)
    print(f"Added {entry.name!r}. Use it: live serve --portrait {entry.id}")
    return 0


def _list() -> int:
    from live.studio import LocalStudio

    for entry in LocalStudio().avatars():
        print(f"{entry.id:<24} {entry.name}{'  (comes with the engine)' if entry.sample else ''}")
    return 0


def _show(name: str, output: Path | None) -> int:
    import numpy as np
    from PIL import Image as PillowImage

    from live.motion.arkit import ARKIT_NAMES
    from live.studio import LocalStudio

    avatar = LocalStudio().load(name)
    fit = avatar.fit
    pitch, yaw, roll = np.degrees(fit.rotation)
    height, width = avatar.original.shape[:2]
    print(f"name      {avatar.name}")
    print(f"photo     {width} by {height} pixels; the animated square has a side of {avatar.box.side:.0f}")
    print(f"head      {pitch:+.0f}° down, {yaw:+.0f}° to the right, {roll:+.0f}° tilted")
    strongest = np.argsort(-fit.expression)[:3]
    shown = ", ".join(f"{ARKIT_NAMES[i]} {fit.expression[i]:.2f}" for i in strongest if fit.expression[i] > 0.05)
    print(f"shows     {shown or 'a neutral face'}")
    print(f"fit       landmarks are met to {100 * fit.landmark_error:.1f} % of the distance between the eyes")
    if output is not None:
        picture = avatar.image.copy()
        for x, y in avatar.landmarks[:, :2]:
            column, row = round(float(x) - 0.5), round(float(y) - 0.5)
            picture[max(row - 1, 0) : row + 1, max(column - 1, 0) : column + 1] = (0, 255, 120)
        try:
            PillowImage.fromarray(picture).save(output)
        except (OSError, ValueError) as error:
            raise MediaError(f"{output} cannot be written ({error}).", "End the name in .png or .jpg.") from error
        print(f"drawn to  {output}")
    return 0


def _remove(name: str) -> int:
    from live.studio import LocalStudio

    print(f"Removed {LocalStudio().remove(name).name!r}.")
    return 0
