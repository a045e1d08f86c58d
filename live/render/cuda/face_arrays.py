"""What the device must know to draw a face by geometry: of the face model once, of each portrait when it is enrolled.

Read off a `GeometricRenderer`, which stays the reference: nothing is worked out here that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live.frames import FloatArray, MotionFrame
from live.motion.landmark_groups import INNER_LIP, LEFT_EYE, RIGHT_EYE
from live.render.contact import LIP_ROUNDING_CM, Contact, Ring
from live.render.eyes import EyePatch
from live.render.geometric import GeometricRenderer
from live.render.kernels.tables import (
    AVATAR,
    EDGES,
    EYE_CHANNELS,
    INDEX,
    LID_PAIRS,
    LIP_PAIRS,
    MODEL,
    TEETH_CHANNELS,
)
from live.render.live_network.regions import RegionFinder
from live.render.portrait import PORTRAIT_SIDE
from live.render.posed import PosedFace

Array = NDArray[Any]

EYE_SHARE = 5 / 16
TEETH_SHARE = 3 / 8
"""Room for the pictures of an eye and of teeth, in portrait sides; larger ones lose their margins."""


def motion_values(motion: MotionFrame) -> FloatArray:
    """float32 (74,): expression, rotation, translation, residual; `motion` must be finite."""
    parts = (motion.expression, motion.rotation, motion.translation, motion.residual)
    return np.concatenate(parts).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ModelArrays:
    """The face model for the kernels: `moves` as in `posing`, rows `index` and `model` of `tables`, sparse `follow_*`
    as in `posing.FollowWeights`, `teeth` as in `openings`, `skin_faces` and `uv` as in `priors.PriorMesh`, `mouth_*` as
    in `face_layers.MouthMesh`."""

    moves: Array
    index: Array
    model: Array
    follow_starts: Array
    follow_columns: Array
    follow_weights: Array
    teeth: Array
    skin_faces: Array
    uv: Array
    mouth_used: Array
    mouth_faces: Array
    mouth_face_starts: Array
    mouth_around: Array
    mouth_looks: Array
    mouth_is_tooth: Array


@dataclass(frozen=True, slots=True)
class PortraitArrays:
    """One portrait for the kernels.

    Attributes:
        row: float32 (AVATAR,). rest: float32 (3 P,). source: float32 (V, 3), see `priors.PriorMesh`.
        skin, portrait: uint8 (S, S, 3), S the portrait's side.
        eyes: float16 (2, n), teeth: float16 (m,), albedo: float32 (U, 3), see `face_layers.PortraitPictures`.
    """

    row: Array
    rest: Array
    source: Array
    skin: Array
    portrait: Array
    eyes: Array
    teeth: Array
    albedo: Array

    @property
    def parts(self) -> tuple[Array, ...]:
        """All of it, in this order, as `device_face.DeviceFace.enroll` takes it."""
        return tuple(np.ascontiguousarray(getattr(self, field.name)) for field in fields(self))


def portrait_side(size: int) -> int:
    """Side of the portrait from which pictures of `size` pixels are drawn, see `GeometricRenderer`."""
    return min(size, PORTRAIT_SIDE)


def patch_values(side: int) -> tuple[int, int]:
    """Values that an eye's picture and the teeth's may have for a portrait of `side` pixels."""
    eye, teeth = int(EYE_SHARE * side), int(TEETH_SHARE * side)
    return eye * eye * EYE_CHANNELS, teeth * teeth * TEETH_CHANNELS


def model_arrays(geometric: GeometricRenderer) -> ModelArrays:
    """The face model as any renderer of it knows it."""
    surface, poser, mouth = geometric.surface, geometric.poser, geometric.mouth
    contact = _contact(geometric)
    vertices, stacked = len(surface.model.mesh_mean), poser.rest.size // 3
    rings = (contact.lips, *contact.lids)
    edges = np.concatenate([ring.points for ring in rings])
    if len(edges) != EDGES:
        raise ValueError(f"{len(edges)} edge points of lips and lids instead of {EDGES}")
    index = np.zeros(INDEX.size, np.int32)
    INDEX.fill(
        index,
        mouth_ring=np.array(INNER_LIP) + vertices,
        right_ring=np.array(RIGHT_EYE) + vertices,
        left_ring=np.array(LEFT_EYE) + vertices,
        edges=edges,
        looks=_looks(geometric),
        blinks=contact.blinks,
        jaw=contact.jaw,
    )
    row = np.zeros(MODEL.size, np.float32)
    mean, spread = _moments(surface.skull_points)
    MODEL.fill(row, skull_mean=mean, skull_spread=spread, lip_rounding=LIP_ROUNDING_CM)
    starts, columns, weights = _follow(rings, stacked)
    used = len(mouth.used)
    looks = np.zeros((used, 6), np.float32)
    looks[:, 0], looks[:, 1] = mouth.ambient, mouth.depth_fade
    looks[mouth.tooth_rows, 2] = 1
    looks[mouth.tooth_rows, 3:] = mouth.arch_normals
    order = np.argsort(mouth.faces.reshape(-1), kind="stable")
    counts = np.bincount(mouth.faces.reshape(-1), minlength=used)
    return ModelArrays(
        moves=poser.moves,
        index=index,
        model=row,
        follow_starts=starts,
        follow_columns=columns,
        follow_weights=weights,
        teeth=mouth.front_teeth.astype(np.int32),
        skin_faces=surface.skin_faces,
        uv=np.ascontiguousarray(surface.model.mesh_uv, np.float32),
        mouth_used=mouth.used.astype(np.int32),
        mouth_faces=mouth.faces,
        mouth_face_starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        mouth_around=(order // 3).astype(np.int32),
        mouth_looks=looks,
        mouth_is_tooth=mouth.face_is_tooth.astype(np.uint8),
    )


def portrait_arrays(geometric: GeometricRenderer) -> PortraitArrays:
    """One portrait as its renderer knows it."""
    source, mouth, poser = geometric.source, geometric.mouth, geometric.poser
    contact, posed, rest = _contact(geometric), source.posed, geometric.rest
    side = geometric.portrait.shape[0]
    eye_values, teeth_values = patch_values(side)
    row = np.zeros(AVATAR.size, np.float32)
    start = geometric.avatar.posed(poser, MotionFrame.neutral())
    mean, spread = _moments(_head(posed, posed.points[mouth.front_teeth]))
    AVATAR.fill(
        row,
        scale=start.scale,
        offset=start.offset,
        source_rotation=posed.rotation,
        source_scale=posed.scale,
        source_offset=posed.offset,
        anchors=RegionFinder(posed).anchors,
        lips_shut=contact.shut,
        lips_excess=contact.excess,
        lips_span=contact.span,
        lips_correction=contact.correction,
        lips_photo=contact.photo_closing,
        jaw_photo=contact.photo_jaw,
        lids_photo=contact.photo_lids,
        lids_open=np.concatenate(contact.left_open),
        teeth_mean=mean,
        teeth_spread=spread,
        lips_before=_lips_before(posed, mouth.front_teeth),
        cavity=mouth.colours.cavity,
    )
    teeth = np.zeros(teeth_values, np.float16)
    if mouth.teeth is not None:
        picture = np.concatenate([mouth.teeth.colour, mouth.teeth.alpha[..., None]], axis=2)
        picture, origin = _within(picture, mouth.teeth.origin, int(TEETH_SHARE * side))
        teeth[: picture.size] = picture.reshape(-1)
        AVATAR.fill(row, teeth_shown=1, teeth_origin=origin, teeth_size=picture.shape[1::-1])
    eyes = np.zeros((2, eye_values), np.float16)
    for i, eye in enumerate(geometric.eyes.patches):
        if eye is not None:
            picture, origin = _within(_eye_picture(eye), eye.origin, int(EYE_SHARE * side))
            eyes[i, : picture.size] = picture.reshape(-1)
            _fill_eye(row, i, eye, origin, (picture.shape[1], picture.shape[0]), rest.expression)
    visible = source.visible[:, None]
    return PortraitArrays(
        row=row,
        rest=poser.rest,
        source=np.concatenate([posed.points[:, :2], visible], axis=1).astype(np.float32),
        skin=geometric.skin,
        portrait=geometric.portrait,
        eyes=eyes,
        teeth=teeth,
        albedo=mouth.albedo,
    )


def _contact(geometric: GeometricRenderer) -> Contact:
    contact = geometric.poser.contact
    if contact is None or len(contact.shut) != LIP_PAIRS or len(contact.left_open[0]) != LID_PAIRS:
        raise ValueError("the portrait's lips and lids are not steered as the kernels expect")
    return contact


def _looks(geometric: GeometricRenderer) -> list[int]:
    """Coefficients that turn the right and the left eye to the image's right, left, up and down."""
    return [index for names in geometric.eyes.looks for index in names]


def _moments(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance (xx, xy, xz, yy, yz, zz) of (N, 3)."""
    wide = points.astype(np.float64)
    centred = wide - wide.mean(0)
    covariance = centred.T @ centred / len(wide)
    return wide.mean(0).astype(np.float32), covariance[np.triu_indices(3)].astype(np.float32)


def _head(posed: PosedFace, points: FloatArray) -> FloatArray:
    """Points of a posed face back in head coordinates, cm."""
    away = points.astype(np.float64).copy()
    away[:, :2] -= posed.offset
    return np.asarray(away * (1, -1, 1) @ posed.rotation / posed.scale, np.float32)


def _lips_before(source: PosedFace, teeth: NDArray[np.intp]) -> FloatArray:
    """The photo's lips seen from its front teeth, cm (20, 2); see `MouthLayer`'s likeness."""
    away = (source.landmarks[list(INNER_LIP)] - source.points[teeth].mean(0)) @ source.rotation_to_head
    return np.asarray(away[:, :2] / source.scale, np.float32)


def _follow(rings: tuple[Ring, ...], stacked: int) -> tuple[Array, Array, Array]:
    """All rings' weights as one sparse matrix (stacked, EDGES) in rows: starts, columns, weights."""
    dense = np.zeros((stacked, EDGES), np.float32)
    first = 0
    for ring in rings:
        dense[ring.rows, first : first + len(ring.points)] += ring.weights
        first += len(ring.points)
    dense[np.abs(dense) < 1e-6] = 0
    rows, columns = np.nonzero(dense)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=stacked))])
    return starts.astype(np.int32), columns.astype(np.int32), dense[rows, columns]


def _eye_picture(eye: EyePatch) -> FloatArray:
    height, width = eye.opening.shape
    parts = (eye.photo, eye.white, eye.iris, eye.iris_alpha[..., None], eye.opening[..., None])
    picture = np.zeros((height, width, EYE_CHANNELS), np.float32)
    picture[..., :11] = np.concatenate(parts, axis=2)
    return picture


def _within(picture: FloatArray, origin: tuple[int, int], most: int) -> tuple[FloatArray, tuple[int, int]]:
    """The middle of a picture (h, w, C) that is larger than `most`, and its origin."""
    height, width = picture.shape[:2]
    left, top = max(width - most, 0) // 2, max(height - most, 0) // 2
    part = picture[top : top + most, left : left + most]
    return np.ascontiguousarray(part), (origin[0] + left, origin[1] + top)


def _fill_eye(
    row: Array, i: int, eye: EyePatch, origin: tuple[int, int], size: tuple[int, int], rest: FloatArray
) -> None:
    """An eye's part of the avatar's row."""
    values: dict[str, Any] = {
        "eyes_shown": 1, "eyes_corners": eye.corners, "eyes_origin": origin, "eyes_size": size, "eyes_lash": eye.lash,
        "eyes_aperture": eye.aperture, "eyes_look": rest[list(eye.names)],
    }  # fmt: skip
    for name, value in values.items():
        place = AVATAR.places[name]
        length = (place.stop - place.start) // 2
        row[place.start + i * length : place.start + (i + 1) * length] = np.asarray(value, np.float32).reshape(-1)
