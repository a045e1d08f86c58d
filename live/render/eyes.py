"""Eyes: iris and white behind the lids, so that lids slide over the eye and the gaze moves without squashing the iris.

From the photo, once: the white of the eye without iris, and the whole iris (its part under the lid completed by
mirroring). Each frame: the iris is laid over the white where the gaze wants it, and both are shown through the lids'
opening. With the photo's own gaze the photo's own pixels are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from live.frames import FloatArray, Image
from live.motion.arkit import ARKIT_INDEX
from live.motion.landmark_groups import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from live.render.extend import push_pull
from live.render.grid import smooth_step
from live.render.layer_passes import affine_positions, lay_eye
from live.render.opening import eye_outline, gap, opening_mask
from live.render.posed import PosedFace
from live.render.warp import blend_patch, blur, patch_box, sample

LOOK_CM: Final = (0.62, 0.42)
"""Shift of the iris for a look coefficient of 1, sideways and up or down: a 1.2 cm eyeball turned by 31° and 20°."""
SAME_GAZE_CM: Final = (0.015, 0.1)
"""Up to the first shift the photo's pixels are shown, from the second on only the composed eye."""
LASH_CM: Final = 0.10
LASH_STRENGTH: Final = 0.75
LID_SHADOW: Final = 0.3
"""How much the upper lid darkens what is right below it."""


@dataclass(frozen=True, slots=True)
class EyePatch:
    """One eye of the photo, as a patch around it. Patch coordinates are pixels of the portrait less `origin`."""

    ring: Sequence[int]
    corners: FloatArray  # (2, 2) in crop sides: ring[0], ring[8]
    origin: tuple[int, int]
    photo: FloatArray  # (h, w, 3)
    white: FloatArray  # (h, w, 3), no iris, continued under the lids
    iris: FloatArray  # (h, w, 3) premultiplied
    iris_alpha: FloatArray  # (h, w)
    opening: FloatArray  # (h, w) soft mask of what the photo shows
    lash: FloatArray  # (3,) colour of the upper lid's edge
    aperture: float  # height of the opening over its width
    names: tuple[int, int, int, int]  # coefficients: to the image's right, left, up, down


class EyeLayer:
    """Draws both eyes of an avatar.

    Args:
        image: uint8 (S, S, 3), the portrait.
        landmarks: float32 (478, 3), of the photo, crop sides.
        scale: crop sides per cm.
        rest: float32 (52,), expression of the photo.

    Attributes:
        looks: per eye (right, left), coefficients that turn it to the image's right, left, up and down.
        patches: the right eye's, then the left's; `None` for one that the photo does not show well enough.
    """

    def __init__(self, image: Image, landmarks: FloatArray, scale: float, rest: FloatArray) -> None:
        self._side = image.shape[0]
        self._scale = scale
        self._rest = rest
        names = {
            side: tuple(ARKIT_INDEX[f"eyeLook{way}{side}"] for way in ("In", "Out", "Up", "Down"))
            for side in ("Left", "Right")
        }
        right_in, right_out, right_up, right_down = names["Right"]
        left_in, left_out, left_up, left_down = names["Left"]
        # The subject's right eye is at the image's left: inwards is to the image's right.
        self.looks = (right_in, right_out, right_up, right_down), (left_out, left_in, left_up, left_down)
        self.patches = [
            self._extract(image, landmarks, RIGHT_EYE, RIGHT_IRIS, self.looks[0]),
            self._extract(image, landmarks, LEFT_EYE, LEFT_IRIS, self.looks[1]),
        ]

    def draw(self, canvas: Image, driving: PosedFace, expression: FloatArray) -> None:
        """Fill the openings between the lids of `canvas`, uint8 (S', S', 3), in place."""
        for eye in self.patches:
            if eye is not None:
                self._draw_one(canvas, eye, driving, expression)

    def _extract(
        self,
        image: Image,
        landmarks: FloatArray,
        ring: Sequence[int],
        iris: Sequence[int],
        names: tuple[int, int, int, int],
    ) -> EyePatch | None:
        outline = eye_outline(landmarks, ring)
        corners = landmarks[[ring[0], ring[8]], :2].copy()
        width = float(np.linalg.norm(corners[1] - corners[0])) * self._side
        box = patch_box(outline, self._side, int(0.5 * width) + 2)
        if box is None or width < 6:
            return None
        x, y, w, h = box
        photo = image[y : y + h, x : x + w].astype(np.float32)
        soft = max(width / 40, 0.6)
        opening = opening_mask(outline, (w, h), (x, y), self._side)
        opening = blur(opening, soft)
        centre = landmarks[iris[0], :2] * self._side - np.array([x, y], np.float32) - 0.5
        ring_points = landmarks[list(iris[1:]), :2] * self._side - np.array([x, y], np.float32) - 0.5
        radius = float(np.linalg.norm(ring_points - centre, axis=1).mean()) * 1.06
        rows, columns = np.mgrid[0:h, 0:w].astype(np.float32)
        distance = np.hypot(columns - centre[0], rows - centre[1])
        disc = smooth_step(distance, radius + soft * 1.2, radius - soft * 1.2)
        sure = smooth_step(opening, 0.75, 0.98)
        # White: what the opening shows outside the iris and away from the lashes, grown over everything else.
        white_weight = sure * smooth_step(distance, radius * 1.02, radius * 1.25)
        if float(white_weight.sum()) < 4:
            white_weight = opening * smooth_step(distance, radius * 0.95, radius * 1.25) + 1e-3 * opening
        white = push_pull(photo, np.minimum(white_weight, 0.999))
        # Iris: hidden parts from the opposite half, then from the rest of the iris.
        across = np.stack([columns, 2 * centre[1] - rows], axis=-1)
        mirrored = sample(photo, across)
        mirrored_sure = sample(sure, across, zero_outside=True)
        inside = (distance < radius + soft).astype(np.float32)
        weight = np.maximum(sure, 1e-4)[..., None]
        other = np.maximum(mirrored_sure * (1 - sure), 1e-4)[..., None]
        best = (photo * weight + mirrored * other) / (weight + other)
        complete = push_pull(best, np.minimum(inside * np.maximum(sure, mirrored_sure), 0.999))
        edge = blur(opening, soft)
        edge_pixels = photo[(edge > 0.2) & (edge < 0.6) & (rows < centre[1])]
        dark = edge_pixels[np.argsort(edge_pixels.sum(1))[: max(len(edge_pixels) // 4, 1)]]
        lash = dark.mean(0) if len(dark) else photo.reshape(-1, 3).min(0)
        aperture = _aperture(landmarks, ring)
        premultiplied = complete * disc[..., None]
        return EyePatch(ring, corners, (x, y), photo, white, premultiplied, disc, opening, lash, aperture, names)

    def _draw_one(self, canvas: Image, eye: EyePatch, driving: PosedFace, expression: FloatArray) -> None:
        extent = canvas.shape[0]
        outline = eye_outline(driving.landmarks, eye.ring)
        box = patch_box(outline, extent, 6)
        if box is None:
            return
        x, y, w, h = box
        self._draw_lashes(canvas, eye, driving)
        mask = opening_mask(outline, (w, h), (x, y), extent)
        soft = max(extent / 640, 0.5)
        alpha = blur(mask, soft)
        if float(alpha.max()) < 0.02:
            return
        # Portrait pixel for each output pixel: along the line between the corners, and across it.
        before = eye.corners
        after = driving.landmarks[[eye.ring[0], eye.ring[8]], :2]
        along_before, along_after = before[1] - before[0], after[1] - after[0]
        length = float(along_after @ along_after)
        if length < 1e-8:
            return
        ratio = self._scale / driving.scale
        unit_before = along_before / np.linalg.norm(along_before)
        unit_after = along_after / np.sqrt(length)
        normal_before = np.array([-unit_before[1], unit_before[0]])
        normal_after = np.array([-unit_after[1], unit_after[0]])
        matrix = np.outer(along_before, along_after) / length + ratio * np.outer(normal_before, normal_after)
        # The middle between the corners goes where it was in the photo.
        linear = matrix.astype(np.float64) * (self._side / extent)
        corner = np.array([x + 0.5, y + 0.5]) - after.mean(0) * extent
        start = linear @ corner + before.mean(0) * self._side - np.array(eye.origin) - 0.5
        position = affine_positions(np.column_stack([linear, start]), w, h)
        shift = self._shift(eye, expression)
        there = position - shift * np.float32(self._scale * self._side)
        moved = float(np.hypot(shift[0], shift[1]))
        shadow = blur(mask, max(0.05 * np.sqrt(length) * extent, 0.6))
        lay_eye(
            canvas[y : y + h, x : x + w],
            alpha,
            white=sample(eye.white, position),
            iris=sample(eye.iris, there, zero_outside=True),
            iris_alpha=sample(eye.iris_alpha, there, zero_outside=True),
            shadow=shadow,
            darkness=LID_SHADOW,
            photo=sample(eye.photo, position, cubic=True),
            known=sample(eye.opening, position, zero_outside=True),
            trust=1 - float(smooth_step(moved, *SAME_GAZE_CM)),
        )

    def _draw_lashes(self, canvas: Image, eye: EyePatch, driving: PosedFace) -> None:
        """A soft dark line along the lids' edge as they close: the lashes that a closed lid shows."""
        closed = float(
            smooth_step(np.float32(_aperture(driving.landmarks, eye.ring) / max(eye.aperture, 0.05)), 0.5, 0.05)
        )
        if closed < 0.02:
            return
        extent = canvas.shape[0]
        outline = eye_outline(driving.landmarks, eye.ring)
        upper = outline[: len(outline) // 2 + 1]
        box = patch_box(upper, extent, 6)
        if box is None:
            return
        x, y, w, h = box
        line = np.zeros((h * 2, w * 2), np.uint8)
        fixed = np.round(((upper * extent - (x, y)) * 2 - 0.5) * 16).astype(np.int32)
        width = LASH_CM * driving.scale * extent
        cv2.polylines(line, [fixed], False, 255, max(round(2 * width), 1), cv2.LINE_AA, 4)
        alpha = np.asarray(cv2.resize(line, (w, h), interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
        alpha = blur(alpha, max(0.5 * width, 0.5))
        # Thin out towards the inner corner, where lashes are short: ring[8] is the inner one.
        corners = driving.landmarks[[eye.ring[0], eye.ring[8]], :2] * extent - (x, y)
        columns = np.arange(w, dtype=np.float32) + 0.5
        along = (columns - corners[0, 0]) / (corners[1, 0] - corners[0, 0] + 1e-6)
        alpha *= smooth_step(along, 1.0, 0.55)[None, :] * LASH_STRENGTH * closed
        patch = np.broadcast_to(eye.lash, (h, w, 3)).astype(np.float32)
        blend_patch(canvas, patch, alpha, (x, y))

    def _shift(self, eye: EyePatch, expression: FloatArray) -> FloatArray:
        """Shift of the iris since the photo, cm in image axes (x right, y down)."""
        change = expression - self._rest
        right, left, up, down = (float(change[i]) for i in eye.names)
        return np.array([LOOK_CM[0] * (right - left), LOOK_CM[1] * (down - up)], np.float32)


def _aperture(landmarks: FloatArray, ring: Sequence[int]) -> float:
    """Largest height of the opening over its width."""
    width = float(np.linalg.norm(landmarks[ring[8], :2] - landmarks[ring[0], :2]))
    return max(float(gap(landmarks, ring).max()), 0.0) / max(width, 1e-6)
