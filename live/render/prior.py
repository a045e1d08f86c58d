"""The motion prior: where each pixel of the driven picture comes from in the photo, by geometry alone.

The fitted mesh is posed as in the photo and as driven; the driven mesh is rasterised with the displacement back to the
photo as attribute, so that occlusion is right and nothing folds at the face's border. What the mesh does not show
(hair, neck, background) and what the photo does not show (the hidden side of nose and cheek) is filled smoothly. The
same object drives the geometric renderer and is an input of the networks, in training and live.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numba
import numpy as np

from live.frames import FloatArray
from live.motion.landmark_groups import LEFT_EYE, RIGHT_EYE
from live.render.extend import push_pull
from live.render.grid import border_fade, pixel_centres
from live.render.opening import eye_outline, mouth_outline, opening_mask
from live.render.posed import PosedFace
from live.render.prior_passes import finish_flow, keep_known, smooth_outside, split_drawn
from live.render.rasterise import rasterise, vertex_normals
from live.render.surface import Surface
from live.render.warp import blur

VISIBILITY_GRID: Final = 192
"""Side of the z-buffer in which the photo's own occlusion is found."""
GRAZING: Final = 0.2
"""Skin whose normal has less than this towards the viewer is not taken from the photo: it is smeared, or hair."""
DEPTH_TOLERANCE_CM: Final = 0.35

HEAD_HALF_WIDTH_CM: Final = 9.5
HEAD_ABOVE_CM: Final = 14.0
HEAD_BELOW_CM: Final = 6.3
"""Half axes of the ellipse about the head's origin within which hair and neck move rigidly with the head."""
STILL_FROM: Final = 2.6
"""Ellipse radii from which the picture does not follow the head."""
SPREAD_CM: Final = 7.5
"""Distance from the mesh over which its own deformation fades out."""
SMOOTH_CM: Final = 1.2
"""Width of the smoothing of what is filled in, and distance from the mesh at which it is in full effect."""
_CROSS: Final = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
BORDER: Final = 0.12
"""Width of the strip along the frame's border over which all motion fades to zero, crop sides."""


@dataclass(frozen=True, slots=True)
class MotionPrior:
    """The prior on a grid of (h, w); all float32.

    Attributes:
        flow: (h, w, 2) position in the photo, x and y in crop sides (0..1; no motion = the pixel's own centre,
            (i + 0.5) / w), that the pixel is to be taken from. Defined everywhere, the openings included, where it
            continues the surrounding skin's motion.
        skin: (h, w) 1 on face, ears and scalp of the mesh (hair and neck are not part of it).
        hidden: (h, w) 1 where that skin cannot be seen in the photo (turned away, or behind the nose); `flow` is a
            filled-in guess there.
        mouth: (h, w) 0..1 opening between the lips, anti-aliased.
        eyes: (h, w) 0..1 openings between the lids, anti-aliased.
        uv: (h, w, 2) texture coordinates 0..1 of the mesh, 0 outside `skin`.
    """

    flow: FloatArray
    skin: FloatArray
    hidden: FloatArray
    mouth: FloatArray
    eyes: FloatArray
    uv: FloatArray

    def displacement(self) -> FloatArray:
        """(h, w, 2) `flow` less the pixel's own position, crop sides."""
        height, width = self.skin.shape
        return self.flow - pixel_centres(width, height)


@dataclass(frozen=True, slots=True)
class SourceView:
    """The face as it is in the photo, and which of its vertices the photo shows.

    Attributes:
        posed: the mesh in the photo.
        visible: float32 (V,), > 0 where seen well enough to be copied. Continuous, so that its zero line, interpolated
            over the triangles, is smooth.
    """

    posed: PosedFace
    visible: FloatArray

    @staticmethod
    def of(surface: Surface, posed: PosedFace) -> SourceView:
        """Find what the photo shows, by a z-buffer."""
        points = posed.points * np.float32(VISIBILITY_GRID)
        nothing = np.zeros((len(points), 0), np.float32)
        _, _, depth = rasterise(points, surface.skin_faces, nothing, (VISIBILITY_GRID, VISIBILITY_GRID))
        upright = posed.points * np.array([1, -1, 1], np.float32)
        facing = vertex_normals(upright, surface.skin_faces)[:, 2] - np.float32(GRAZING)
        cell = np.clip(points[:, :2].astype(np.int32), 0, VISIBILITY_GRID - 1)
        inside = ((points[:, :2] >= 0) & (points[:, :2] < VISIBILITY_GRID)).all(1)
        tolerance = DEPTH_TOLERANCE_CM * posed.scale * VISIBILITY_GRID
        in_front = points[:, 2] >= depth[cell[:, 1], cell[:, 0]] - tolerance
        shown = in_front & inside & ~surface.is_ear
        return SourceView(posed, np.where(shown, facing, np.minimum(facing, -0.3)).astype(np.float32))


def motion_prior(surface: Surface, source: SourceView, driving: PosedFace, size: tuple[int, int]) -> MotionPrior:
    """The prior for one frame.

    Args:
        surface: of the face model.
        source: the face in the photo (the same person and crop as `driving`).
        driving: the face as it is to be.
        size: (width, height) of the grid. The crop is square, so normally both are equal.
    """
    width, height = size
    extent = np.array([width, height, width], np.float32)
    attributes = np.concatenate(
        [source.posed.points[:, :2] - driving.points[:, :2], source.visible[:, None], surface.model.mesh_uv], axis=1
    )
    values, triangles, _ = rasterise(driving.points * extent, surface.skin_faces, attributes, size)
    rigid = rigid_displacement(surface, source.posed, driving, size)
    skin, known = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    outside, drawn = np.empty((height, width), np.uint8), np.empty_like(rigid)
    split_drawn(values, triangles, rigid, skin, known, outside, drawn)
    # Only the rim of what is known is extended: motion is steep there, and averages from further in would repeat skin.
    inner = np.asarray(cv2.erode(known, _CROSS, borderValue=0), np.float32)
    displacement = push_pull(drawn, known - inner)
    keep_known(known, drawn, displacement)
    away = cv2.distanceTransform(outside, cv2.DIST_L2, 5) / np.float32(width)
    # Smooth where nothing is known: the pyramid's cells and the outline's pixels must not show when the mesh moves on.
    smooth = SMOOTH_CM * driving.scale
    away, blurred = blur(away, smooth * width), blur(displacement, smooth * width)
    smooth_outside(skin, away, blurred, smooth, SPREAD_CM * driving.scale, displacement)
    eyes = opening_mask(eye_outline(driving.landmarks, RIGHT_EYE), size)
    eyes = np.maximum(eyes, opening_mask(eye_outline(driving.landmarks, LEFT_EYE), size))
    mouth = opening_mask(mouth_outline(driving.landmarks), size)
    # At the head's own outline motion is so steep that neighbouring pixels of the rim differ: even them out.
    head = blur(np.minimum(skin + mouth + eyes, 1), 1.0)
    finish_flow(head, blur(displacement, 1.0), rigid, border_fade(width, height, BORDER), displacement)
    return MotionPrior(
        flow=displacement,
        skin=skin,
        hidden=skin - known,
        mouth=mouth,
        eyes=eyes,
        uv=np.ascontiguousarray(values[..., 3:5]),
    )


def rigid_displacement(surface: Surface, source: PosedFace, driving: PosedFace, size: tuple[int, int]) -> FloatArray:
    """How the head as a whole moves hair and neck, float32 (h, w, 2) in crop sides: from the driven pixel to the photo.

    The best in-plane similarity of the skull between both poses, faded out away from the head.
    """
    width, height = size
    before = source.project(surface.skull_points)[:, :2]
    after = driving.project(surface.skull_points)[:, :2]
    mean_before, mean_after = before.mean(0), after.mean(0)
    a, b = after - mean_after, before - mean_before
    norm = float((a * a).sum())
    cosine = float((a * b).sum()) / norm
    sine = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / norm
    roll = float(np.arctan2(driving.rotation[1, 0], driving.rotation[1, 1]))
    field = np.empty((height, width, 2), np.float32)
    shift = mean_before - mean_after
    centre = float(mean_after[0]), float(mean_after[1])
    similarity = (cosine - 1, sine, *centre, float(shift[0]), float(shift[1]))
    ellipse = (float(driving.offset[0]), float(driving.offset[1]), float(driving.scale), np.cos(roll), np.sin(roll))
    _fill_rigid(field, similarity, ellipse)
    return field


@numba.njit(nogil=True, cache=True, fastmath=True)  # type: ignore[untyped-decorator, unused-ignore]
def _fill_rigid(
    field: FloatArray,
    similarity: tuple[float, float, float, float, float, float],
    ellipse: tuple[float, float, float, float, float],
) -> None:
    """Displacement of a similarity about a centre, faded out with the radius of an upright ellipse about the head."""
    height, width, _ = field.shape
    # In float32 throughout, four times as many numbers fit a vector register.
    one, half = np.float32(1), np.float32(0.5)
    stretch, sine = np.float32(similarity[0]), np.float32(similarity[1])
    centre_x, centre_y = np.float32(similarity[2]), np.float32(similarity[3])
    shift_x, shift_y = np.float32(similarity[4]), np.float32(similarity[5])
    origin_x, origin_y, per_cm = np.float32(ellipse[0]), np.float32(ellipse[1]), np.float32(1 / ellipse[2])
    cos_roll, sin_roll = np.float32(ellipse[3]), np.float32(ellipse[4])
    wide, above = np.float32(1 / HEAD_HALF_WIDTH_CM), np.float32(1 / HEAD_ABOVE_CM)
    below, fall = np.float32(1 / HEAD_BELOW_CM), np.float32(1 / (1.0 - STILL_FROM))
    for row in range(height):
        y = (np.float32(row) + half) / np.float32(height)
        for column in range(width):
            x = (np.float32(column) + half) / np.float32(width)
            dx, dy = (x - origin_x) * per_cm, (y - origin_y) * per_cm
            u = (dx * cos_roll - dy * sin_roll) * wide
            v = dx * sin_roll + dy * cos_roll
            v *= above if v < 0 else below
            t = min(max((np.sqrt(u * u + v * v) - np.float32(STILL_FROM)) * fall, np.float32(0)), one)
            fade = t * t * (np.float32(3) - np.float32(2) * t)
            ax, ay = x - centre_x, y - centre_y
            field[row, column, 0] = fade * (stretch * ax - sine * ay + shift_x)
            field[row, column, 1] = fade * (sine * ax + stretch * ay + shift_y)
