"""Direct editing (the paper's section 4.4): each slider must move its own region and leave the rest alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from live.bench.quality_metrics import unit
from live.bench.quality_sheets import grid, labelled
from live.frames import Image
from live.motion.arkit import ARKIT_NAMES
from live.protocols import Renderer
from live.render.avatar import Avatar

AMOUNT = 0.8
COLUMNS = 8
REGIONS = ("brows", "eyes", "nose and cheeks", "mouth and jaw")


def region_of(name: str) -> str:
    """The part of the face that an ARKit expression is about."""
    if name.startswith("brow"):
        return "brows"
    if name.startswith("eye"):
        return "eyes"
    if name.startswith(("cheek", "nose")):
        return "nose and cheeks"
    return "mouth and jaw"


def region_masks(avatar: Avatar, size: int) -> dict[str, np.ndarray]:
    """Bands of the face (size, size) that a region's sliders may change, from the portrait's landmarks."""
    points = avatar.landmarks[:, :2] * (size / avatar.image.shape[0])
    rows, columns = np.mgrid[:size, :size] + 0.5
    eye_line = float(points[[33, 133, 362, 263], 1].mean())
    nose_tip, chin, brow = float(points[1, 1]), float(points[152, 1]), float(points[[105, 334], 1].mean())
    unit_height = chin - eye_line
    within = (columns > points[:468, 0].min() - 0.1 * unit_height) & (
        columns < points[:468, 0].max() + 0.1 * unit_height
    )
    return {
        "brows": within & (rows > brow - 0.5 * unit_height) & (rows < eye_line + 0.05 * unit_height),
        "eyes": within & (rows > brow - 0.1 * unit_height) & (rows < eye_line + 0.35 * unit_height),
        "nose and cheeks": within & (rows > brow - 0.1 * unit_height) & (rows < chin + 0.05 * unit_height),
        "mouth and jaw": (rows > nose_tip - 0.25 * unit_height) & (rows < size),
    }


def edit(renderer: Renderer, avatar: Avatar) -> tuple[dict[str, dict[str, float]], Image]:
    """Move each slider by `AMOUNT` from rest.

    Returns:
        Per expression: `changed`, mean absolute change (0..1) inside its region's band; `elsewhere`, the same outside;
        `share`, the part of all change that lies inside. And a sheet of all 52.
    """
    size = renderer.size[0]
    masks = region_masks(avatar, size)
    rest = renderer.render(avatar.rest)
    figures: dict[str, dict[str, float]] = {}
    pictures = [labelled(rest, "rest")]
    for i, name in enumerate(ARKIT_NAMES):
        weights = avatar.rest.expression.copy()
        weights[i] = AMOUNT
        picture = renderer.render(replace(avatar.rest, expression=weights))
        pictures.append(labelled(picture, name))
        change = np.abs(unit(picture) - unit(rest)).mean(2)
        inside = masks[region_of(name)]
        total = float(change.sum())
        figures[name] = {
            "changed": float(change[inside].mean()),
            "elsewhere": float(change[~inside].mean()),
            "share": float(change[inside].sum()) / total if total else 0.0,
        }
    return figures, grid([pictures[i : i + COLUMNS] for i in range(0, len(pictures), COLUMNS)])
