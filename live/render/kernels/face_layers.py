"""The geometric picture on the device: warped skin, eyes and the inside of the mouth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from live.render.kernels.launch import DeviceArray, Kernels, check_contiguous
from live.render.kernels.meshes import rasterise_keys
from live.render.kernels.openings import WindowSides
from live.render.kernels.output import ColourMatrix, PixelFormat


@dataclass(frozen=True, slots=True)
class MouthMesh:
    """The mesh inside the mouth, U vertices and F faces; the same for everybody.

    Attributes:
        used: int32 (U,), which points.
        faces: int32 (F, 3), of those.
        face_starts: int32 (U + 1,), around: int32 (m,): the faces around vertex u are `around` from `face_starts[u]` to
            `face_starts[u + 1]`.
        looks: float32 (U, 6): share of light without direction, cm over which light fades, 1 for teeth, normal of the
            dental arch.
        is_tooth: uint8 (F,).
    """

    used: DeviceArray
    faces: DeviceArray
    face_starts: DeviceArray
    around: DeviceArray
    looks: DeviceArray
    is_tooth: DeviceArray


@dataclass(frozen=True, slots=True)
class PortraitPictures:
    """What portraits look like; the first axis is the portrait's slot.

    Attributes:
        skins, portraits: uint8 (slots, side, side, 3), without and with their openings.
        eyes: float16 (slots, 2, n), right and left, EYE_CHANNELS values per pixel; teeth: float16 (slots, n),
            TEETH_CHANNELS values per pixel; sizes are in the avatar's row.
        albedo: float32 (slots, U, 3), colours of the mouth's mesh.
    """

    skins: DeviceArray
    portraits: DeviceArray
    eyes: DeviceArray
    teeth: DeviceArray
    albedo: DeviceArray


@dataclass(frozen=True, slots=True)
class MouthSpace:
    """Work space: window points and colours float32 (N, U, 3), keys uint64 (N, 2 M, 2 M) for a window of M pixels."""

    points: DeviceArray
    colours: DeviceArray
    keys: DeviceArray


def draw_mouth(
    kernels: Kernels,
    points: DeviceArray,
    slots: DeviceArray,
    mesh: MouthMesh,
    albedo: DeviceArray,
    space: MouthSpace,
    *,
    frames: DeviceArray,
    layers: DeviceArray,
    picture_side: int,
) -> None:
    """Light the mouth's mesh and rasterise it at twice the picture's size, into `space`.

    `points`, `slots`, `frames`: see `posing`; `layers`: see `openings`.
    """
    batch, stacked, _ = points.shape
    used = len(mesh.used)
    for array in (points, albedo, space.points, space.colours, mesh.looks, mesh.faces, frames, layers):
        check_contiguous(array, "array")
    if space.points.shape != (batch, used, 3) or albedo.shape[1:] != (used, 3):
        raise ValueError(f"points {space.points.shape} and albedo {albedo.shape} do not fit {used} vertices")
    count = batch * used
    kernels.launch(
        "mouth_vertices",
        count,
        points,
        np.int32(stacked),
        mesh.used,
        np.int32(used),
        mesh.faces,
        mesh.face_starts,
        mesh.around,
        mesh.looks,
        albedo,
        slots,
        frames,
        layers,
        space.points,
        space.colours,
        np.uint32(count),
        np.float32(picture_side),
    )
    rasterise_keys(kernels, space.points, mesh.faces, space.keys)


def face_picture(
    kernels: Kernels,
    displacement: DeviceArray,
    slots: DeviceArray,
    pictures: PortraitPictures,
    mesh: MouthMesh,
    mouth: MouthSpace,
    *,
    blurred: DeviceArray,
    outlines: DeviceArray,
    layers: DeviceArray,
    avatars: DeviceArray,
    windows: WindowSides,
    out: DeviceArray,
    pixel_format: PixelFormat = PixelFormat.RGB,
    matrix: ColourMatrix = ColourMatrix.BT601,
) -> None:
    """The picture of `GeometricRenderer.render`: out uint8 (N, *pixel_format.shape(S, S)), written.

    `displacement`: of `priors.motion_prior`; `blurred`, `outlines`, `layers`: of `openings`.
    """
    batch, size = len(out), out.shape[2]
    arrays = (displacement, pictures.skins, pictures.portraits, pictures.eyes, pictures.teeth, mouth.keys, blurred, out)
    for array in (*arrays, outlines, layers, avatars):
        check_contiguous(array, "array")
    if mouth.keys.shape != (batch, 2 * windows.mouth, 2 * windows.mouth) or out.shape != (
        batch,
        *pixel_format.shape(size, size),
    ):
        raise ValueError(f"keys {mouth.keys.shape} and out {out.shape} do not fit windows {windows}")
    drawn: tuple[object, ...] = (
        displacement,
        pictures.skins,
        pictures.portraits,
        pictures.eyes,
        np.int32(pictures.eyes.shape[2]),
        pictures.teeth,
        np.int32(pictures.teeth.shape[1]),
        mouth.keys,
        mouth.points,
        mouth.colours,
        np.int32(len(mesh.used)),
        mesh.faces,
        mesh.is_tooth,
        blurred,
        outlines,
        layers,
        avatars,
        slots,
        out,
    )
    sides = (np.int32(size), np.int32(displacement.shape[1]), np.int32(pictures.skins.shape[1]), *windows.arguments)
    if pixel_format is PixelFormat.RGB:
        count = batch * size * size
        kernels.launch("face_picture", count, *drawn, np.uint32(count), *sides)
        return
    count = batch * (size // 2) ** 2
    packing = (np.int32(pixel_format.value), *(np.float32(weight) for weight in matrix.value))
    kernels.launch("face_frame", count, *drawn, np.uint32(count), *sides, *packing)
