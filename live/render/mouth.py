"""The inside of the mouth: the model's own teeth, gums, tongue and cavity, drawn through the lips' opening.

Colours and brightness follow the photo: light from skin and the white of the eyes, hue from lips, teeth from the photo
itself where it shows any. Teeth of the photo move with the skull as a picture layer over the model's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray, Image
from live.motion.landmark_groups import INNER_LIP, LEFT_EYE, OUTER_LIP, RIGHT_EYE
from live.render.extend import push_pull
from live.render.grid import smooth_step
from live.render.layer_passes import affine_positions, shade
from live.render.opening import eye_outline, mouth_outline, opening_mask
from live.render.posed import PosedFace
from live.render.rasterise import IntArray, rasterise, vertex_normals
from live.render.surface import Surface
from live.render.warp import blend_patch, blur, patch_box, sample, warp

SUPERSAMPLE: Final = 2
TOOTH_FADE_CM: Final = 6.0
WALL_FADE_CM: Final = 3.2
"""Light falls to 1/e over this depth behind the front teeth: on teeth and tongue; on gums and the mouth's wall."""
AMBIENT: Final = 0.5
TOOTH_AMBIENT: Final = 0.75
"""Share of light without direction: of soft parts, and of teeth, which are translucent."""
LIGHT: Final = (0.0, 0.45, 0.89)
"""Direction to the light: in front and above."""
LIP_SHADOW: Final = 0.3
"""How much lips darken what is right behind them."""
TOOTH_TINT: Final = (1.0, 0.965, 0.90)
"""Colour of teeth against the white of the eye."""
LOWER_TOOTH: Final = (0.70, 0.56, 0.50)
"""Colour of lower teeth against upper ones: they stand in the lower lip's shadow, in light that lips and tongue
reddened."""
CAVITY: Final = (0.30, 0.12, 0.10)
"""Reflectance of the mouth's wall, before the depth's darkness."""
MIN_TEETH_SHARE: Final = 0.12
"""Share of the photo's mouth opening that must look like teeth before they are used."""
HIDDEN_TOOTH_CM: Final = 0.3
"""How much of the photo's upper teeth the upper lip is taken to hide."""
GAP_CM: Final = 0.06
"""Slits between teeth up to twice this wide are closed."""
ARCH_CENTRE_Z: Final = 6.5
"""Depth of the dental arches' centre, cm."""
MIN_OPENING_CM: Final = 0.25
"""Height of the photo's mouth opening from which its teeth are looked for."""
SAME_MOUTH_CM: Final = (0.05, 0.25)
"""Up to the first change of the lips' edge the photo's own mouth is shown, from the second on only the drawn one."""


@dataclass(frozen=True, slots=True)
class MouthColours:
    """float32 (3,) RGB 0..255 each, as lit from the front."""

    tooth: FloatArray
    gum: FloatArray
    tongue: FloatArray
    cavity: FloatArray


@dataclass(frozen=True, slots=True)
class PhotoTeeth:
    """Teeth seen in the photo: a patch at `origin` (pixels of the portrait), its colour, and where it is tooth."""

    origin: tuple[int, int]
    colour: FloatArray
    alpha: FloatArray


class MouthLayer:
    """Draws the inside of an avatar's mouth.

    Args:
        surface: of the face model.
        image: uint8 (S, S, 3), the portrait.
        source: the mesh as in the portrait.

    Attributes:
        colours: of teeth, gums, tongue and cavity.
        teeth: the photo's own, if it shows them.
        used: (U,) the mesh's vertices inside the mouth; faces: int32 (F, 3) of them; face_is_tooth: bool (F,).
        albedo: float32 (U, 3), ambient: (U,) share of light without direction, depth_fade: (U,) cm.
        tooth_rows: which of the U are teeth; arch_normals: float32 (…, 3) of their arch.
        front_teeth: vertices of the upper front teeth, which are rigid with the skull.
    """

    def __init__(self, surface: Surface, image: Image, source: PosedFace) -> None:
        self._surface = surface
        self._side = image.shape[0]
        self._portrait = image
        self._source = source
        opening, box = self._photo_opening(image, source)
        self.colours, tooth_mask = _measure(image, source.landmarks, opening)
        self.teeth = self._extract_teeth(image, opening, tooth_mask, box)
        self.albedo = self._vertex_albedo()
        used = np.unique(surface.mouth_faces)
        renumber = np.full(len(self.albedo), -1, np.int32)
        renumber[used] = np.arange(len(used), dtype=np.int32)
        self.used = used
        self.faces = np.ascontiguousarray(renumber[surface.mouth_faces])
        self.albedo = np.ascontiguousarray(self.albedo[used])
        any_tooth = (surface.is_upper_tooth | surface.is_lower_tooth)[used]
        self.tooth_rows = np.flatnonzero(any_tooth)
        self.ambient = np.where(any_tooth, TOOTH_AMBIENT, AMBIENT).astype(np.float32)
        bright = any_tooth | surface.is_tongue[used]
        self.depth_fade = np.where(bright, TOOTH_FADE_CM, WALL_FADE_CM).astype(np.float32)
        arch = surface.model.mesh_mean[used][self.tooth_rows] - np.array([0, 0, ARCH_CENTRE_Z], np.float32)
        arch[:, 1] = 0
        self.arch_normals = arch / np.linalg.norm(arch, axis=1, keepdims=True)
        self.face_is_tooth: NDArray[np.bool_] = np.asarray(any_tooth[self.faces].all(1))
        tooth = surface.is_upper_tooth
        front = tooth & (surface.model.mesh_mean[:, 2] > np.quantile(surface.model.mesh_mean[tooth, 2], 0.5))
        self.front_teeth: NDArray[np.intp] = np.flatnonzero(front)

    def draw(self, canvas: Image, driving: PosedFace, positions: FloatArray) -> None:
        """Fill the opening between the lips of `canvas`, uint8 (S', S', 3), in place.

        `positions`: float32 (S', S', 2), where the canvas was sampled in the portrait (OpenCV pixel coordinates).
        """
        extent = canvas.shape[0]
        outline = mouth_outline(driving.landmarks)
        box = patch_box(outline, extent, 4)
        if box is None:
            return
        x, y, width, height = box
        mask = opening_mask(outline, (width, height), (x, y), extent)
        alpha = blur(mask, max(extent / 700, 0.5))
        if float(alpha.max()) < 0.02:
            return
        like = self._likeness(driving)
        photo = inside = np.zeros((height, width, 3), np.float32)
        if like < 1:
            inside = self._interior(driving, box, extent)
            inside *= self._lip_shadow(mask, driving, extent)[..., None]
            if self.teeth is not None:
                self._lay_photo_teeth(inside, self.teeth, driving, box, extent)
        if like > 0:
            spot = np.ascontiguousarray(positions[y : y + height, x : x + width])
            photo = warp(self._portrait, spot).astype(np.float32)
        blend_patch(canvas, inside + (photo - inside) * like, alpha, (x, y))

    def _likeness(self, driving: PosedFace) -> np.float32:
        """1 = the lips are as in the photo, so that the warped photo is right inside them too; 0 = they differ."""
        ring, teeth = list(INNER_LIP), self.front_teeth
        before = (self._source.landmarks[ring] - self._source.points[teeth].mean(0)) @ self._source.rotation_to_head
        after = (driving.landmarks[ring] - driving.points[teeth].mean(0)) @ driving.rotation_to_head
        change = np.abs(after[:, :2] / driving.scale - before[:, :2] / self._source.scale).max()
        return np.float32(smooth_step(np.asarray(change, np.float32), SAME_MOUTH_CM[1], SAME_MOUTH_CM[0]))

    def _interior(self, driving: PosedFace, box: tuple[int, int, int, int], extent: int) -> FloatArray:
        x, y, width, height = box
        points = driving.points[self.used]
        normals = vertex_normals(points * np.array([1, -1, 1], np.float32), self.faces)
        front = float(driving.points[self.front_teeth, 2].max())
        facing = normals @ np.array(LIGHT, np.float32)
        # Teeth are lit as one arch: at this size every tooth's own edges would look like gaps.
        facing[self.tooth_rows] = self.arch_normals @ driving.rotation[2]
        colour = shade(points, facing, front, driving.scale, self.depth_fade, self.ambient, self.albedo)
        grid = points * np.float32(extent) - np.array([x, y, 0], np.float32)
        values, triangles, _ = rasterise(
            grid * np.float32(SUPERSAMPLE), self.faces, colour, (width * SUPERSAMPLE, height * SUPERSAMPLE)
        )
        self._close_gaps(values, triangles, driving, extent)
        empty = triangles < 0
        values[empty] = self.colours.cavity * 0.3
        return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA), np.float32)

    def _close_gaps(self, values: FloatArray, triangles: IntArray, driving: PosedFace, extent: int) -> None:
        """Fill the slits between neighbouring teeth with a darker tooth, in place: teeth touch."""
        tooth = (self.face_is_tooth[triangles] & (triangles >= 0)).astype(np.uint8)
        reach = max(round(GAP_CM * driving.scale * extent * SUPERSAMPLE), 1)
        kernel = np.ones((1, 2 * reach + 1), np.uint8)
        closed = np.asarray(cv2.morphologyEx(tooth, cv2.MORPH_CLOSE, kernel), np.uint8) > tooth
        if closed.any():
            grown = np.asarray(cv2.dilate(values * tooth[..., None], kernel), np.float32)
            values[closed] = 0.8 * grown[closed]

    def _lip_shadow(self, mask: FloatArray, driving: PosedFace, extent: int) -> FloatArray:
        """Darker towards the lips, more so under the upper one, which keeps out the light from above."""
        reach = max(0.22 * driving.scale * extent, 0.7)
        near = blur(mask, reach)
        drop = round(0.5 * reach)
        from_above = np.zeros_like(near)
        from_above[drop:] = near[: near.shape[0] - drop] if drop else near
        return 1 - np.float32(LIP_SHADOW) * (1 - smooth_step(np.minimum(near, from_above), 0.25, 0.95))

    def _lay_photo_teeth(
        self, inside: FloatArray, teeth: PhotoTeeth, driving: PosedFace, box: tuple[int, int, int, int], extent: int
    ) -> None:
        x, y, width, height = box
        # The plane of the front teeth, driven → photo, as an affine map.
        after = driving.points[self.front_teeth, :2].astype(np.float64)
        before = self._source.points[self.front_teeth, :2].astype(np.float64)
        middle = after.mean(0)
        centred = after - middle
        spread = centred.T @ centred
        spread += np.eye(2) * (1e-9 * np.trace(spread) + 1e-12)  # seen edge-on, the plane is a line
        turned = np.linalg.solve(spread, centred.T @ (before - before.mean(0))).T
        linear = turned * (self._side / extent)
        corner = np.array([x + 0.5, y + 0.5]) - middle * extent
        start = linear @ corner + before.mean(0) * self._side - np.array(teeth.origin) - 0.5
        position = affine_positions(np.column_stack([linear, start]), width, height)
        colour = sample(teeth.colour, position, cubic=True)
        alpha = sample(teeth.alpha, position, zero_outside=True)
        inside += (colour - inside) * alpha[..., None]

    def _photo_opening(self, image: Image, source: PosedFace) -> tuple[FloatArray, tuple[int, int, int, int] | None]:
        """The photo's own mouth opening, (S, S) 0..1, zero when it is too narrow to show anything."""
        outline = mouth_outline(source.landmarks)
        upper, lower = source.landmarks[INNER_LIP[5], :2], source.landmarks[INNER_LIP[15], :2]
        height_cm = float(np.linalg.norm(lower - upper)) / source.scale
        box = patch_box(outline, self._side, max(round(0.5 * source.scale * self._side), 4))
        if height_cm < MIN_OPENING_CM or box is None:
            return np.zeros(image.shape[:2], np.float32), None
        return opening_mask(outline, (self._side, self._side)), box

    def _extract_teeth(
        self, image: Image, opening: FloatArray, tooth_mask: FloatArray, box: tuple[int, int, int, int] | None
    ) -> PhotoTeeth | None:
        if box is None or float((tooth_mask * opening).sum()) < MIN_TEETH_SHARE * max(float(opening.sum()), 1.0):
            return None
        x, y, width, height = box
        part = np.s_[y : y + height, x : x + width]
        soft = max(0.04 * self._source.scale * self._side, 0.6)
        seen = tooth_mask[part] * opening[part]
        colour = push_pull(image[part].astype(np.float32), np.minimum(smooth_step(seen, 0.5, 0.95), 0.999))
        # Upwards, where the lip hid them, the teeth go on.
        tall = max(round(HIDDEN_TOOTH_CM * self._source.scale * self._side), 1)
        kernel = np.zeros((2 * tall + 1, 1), np.uint8)
        kernel[tall:] = 1
        alpha = smooth_step(blur(np.asarray(cv2.dilate(seen, kernel), np.float32), soft), 0.15, 0.55)
        return PhotoTeeth((x, y), colour, alpha)

    def _vertex_albedo(self) -> FloatArray:
        surface, colours = self._surface, self.colours
        albedo = np.tile(colours.cavity, (len(surface.is_gum), 1)).astype(np.float32)
        albedo[surface.is_gum] = colours.gum
        albedo[surface.is_tongue] = colours.tongue
        albedo[surface.is_upper_tooth] = colours.tooth
        albedo[surface.is_lower_tooth] = colours.tooth * np.array(LOWER_TOOTH, np.float32)
        return albedo


def _measure(image: Image, landmarks: FloatArray, opening: FloatArray) -> tuple[MouthColours, FloatArray]:
    """Colours of the photo's mouth, and which pixels (S, S) 0..1 look like teeth (only meaningful in the opening)."""
    side = image.shape[0]
    pixels = image.astype(np.float32)
    luminance = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    white = np.maximum(*(opening_mask(eye_outline(landmarks, ring), (side, side)) for ring in (RIGHT_EYE, LEFT_EYE)))
    eye_pixels = pixels[white > 0.9]
    lips = np.clip(_ring_mask(landmarks, side) - opening, 0, 1)
    lip = np.median(pixels[lips > 0.9], axis=0) if (lips > 0.9).any() else np.array([150.0, 90.0, 85.0])
    skin = np.median(pixels[_cheek_mask(landmarks, side) > 0.5], axis=0)
    # The white of the eye gives light and white balance; skin bounds it where the eyes are narrow or shaded.
    if len(eye_pixels) >= 12:
        order = eye_pixels @ np.array([0.299, 0.587, 0.114], np.float32)
        eye_white = np.median(eye_pixels[order >= np.quantile(order, 0.85)], axis=0)
    else:
        eye_white = skin * 1.1
    skin_level = float(skin.mean())
    level = float(np.clip(eye_white.mean() * 1.05, 0.85 * skin_level, max(1.55 * skin_level, 90.0)))
    hue = 0.5 * eye_white / max(float(eye_white.mean()), 1.0) + 0.5
    tooth = np.minimum(level * hue * np.array(TOOTH_TINT), 245.0)
    teeth_like = np.zeros((side, side), np.float32)
    if opening.any():
        inside = opening > 0.8
        values = luminance[inside]
        if len(values) >= 12:
            bright = float(np.quantile(values, 0.85))
            saturation = 1 - pixels.min(2) / np.maximum(pixels.max(2), 1)
            # Teeth are brighter than lips and paler than skin.
            pale = smooth_step(saturation, 0.5, 0.3)
            floor = max(0.9 * float(lip @ (0.299, 0.587, 0.114)), 0.5 * bright)
            if bright > 1.05 * float(lip @ (0.299, 0.587, 0.114)):
                teeth_like = smooth_step(luminance, floor * 0.8, floor) * pale
                chosen = inside & (teeth_like > 0.6) & (luminance >= 0.8 * bright)
                if chosen.sum() >= 8:
                    tooth = np.median(pixels[chosen], axis=0)
    light = tooth / np.array(TOOTH_TINT) / 0.80
    gum = 0.55 * lip + 0.45 * light * np.array([0.62, 0.33, 0.33])
    tongue = 0.4 * lip + 0.6 * light * np.array([0.72, 0.36, 0.35])
    cavity = light * np.array(CAVITY)
    colours = (np.asarray(v, np.float32) for v in (tooth, gum, tongue, cavity))
    return MouthColours(*colours), teeth_like


def _ring_mask(landmarks: FloatArray, side: int) -> FloatArray:
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [np.round(landmarks[list(OUTER_LIP), :2] * side).astype(np.int32)], 1)
    return mask.astype(np.float32)


def _cheek_mask(landmarks: FloatArray, side: int) -> FloatArray:
    """A patch of skin on either cheek."""
    mask = np.zeros((side, side), np.uint8)
    for patch in ((117, 118, 101, 205, 187, 123), (346, 347, 330, 425, 411, 352)):
        cv2.fillPoly(mask, [np.round(landmarks[list(patch), :2] * side).astype(np.int32)], 1)
    return mask.astype(np.float32)
