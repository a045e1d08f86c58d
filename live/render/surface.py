"""What the renderer needs to know about the face model's mesh beyond its shape: layers, neck, jaw and skull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from live.frames import FloatArray
from live.motion.arkit import ARKIT_INDEX
from live.motion.face_model import (
    PART_FACE,
    PART_GUMS,
    PART_HEAD,
    PART_MOUTH_SOCKET,
    PART_TEETH,
    FaceModel,
)
from live.motion.landmark_groups import FACE_OVAL
from live.render.rasterise import IntArray

CHIN: Final = 152
_JAW_OVAL: Final = FACE_OVAL[9:28]
"""Landmarks of the outline from below one ear over the chin to below the other."""

NECK_CLEARANCE_CM: Final = 2.0
"""Vertices further than this below the jaw line belong to the neck."""

EAR_INNER_CM: Final = 6.5
EAR_FRONT_CM: Final = 2.2
EAR_HALF_CM: Final = 5.0
"""Where the mean head's ears are: further out than, behind, and within this height about the head's origin."""
LARGEST_HOLE: Final = 8
"""Edges around a hole of the mesh that is no opening."""


@dataclass(frozen=True, slots=True)
class Surface:
    """The mesh of a `FaceModel` sorted into layers; the same for everybody.

    Attributes:
        model: the face model.
        skin_faces: int32 (F, 3), face, ears and scalp without the neck.
        mouth_faces: int32 (F, 3), mouth cavity, gums, tongue and teeth.
        is_upper_tooth, is_lower_tooth, is_tongue, is_gum, is_socket: bool (V,).
        is_ear: bool (V,).
        skull_points: float32 (N, 3) cm, points all over the mean head, without face and neck.
    """

    model: FaceModel
    skin_faces: IntArray
    mouth_faces: IntArray
    is_upper_tooth: NDArray[np.bool_]
    is_lower_tooth: NDArray[np.bool_]
    is_tongue: NDArray[np.bool_]
    is_gum: NDArray[np.bool_]
    is_socket: NDArray[np.bool_]
    is_ear: NDArray[np.bool_]
    skull_points: FloatArray

    @staticmethod
    def of(model: FaceModel) -> Surface:
        """Sort the model's mesh."""
        part, mean, faces = model.mesh_part, model.mesh_mean, model.mesh_faces
        skin = (part == PART_FACE) | (part == PART_HEAD)
        neck = skin & below_jaw(model, mean)
        skin_faces = fill_holes(faces[(skin & ~neck)[faces].all(1)])
        inside = np.isin(part, (PART_MOUTH_SOCKET, PART_GUMS, PART_TEETH))
        mouth_faces = faces[inside[faces].all(1)]
        moves_with_jaw = np.linalg.norm(model.mesh_expression[ARKIT_INDEX["jawOpen"]], axis=1) > 0.5
        tooth = part == PART_TEETH
        tongue = _tongue(model)
        gum = (part == PART_GUMS) & ~tongue
        scalp = np.flatnonzero((part == PART_HEAD) & ~neck)
        return Surface(
            model=model,
            skin_faces=np.ascontiguousarray(skin_faces),
            mouth_faces=np.ascontiguousarray(mouth_faces),
            is_upper_tooth=tooth & ~moves_with_jaw,
            is_lower_tooth=tooth & moves_with_jaw,
            is_tongue=tongue,
            is_gum=gum,
            is_socket=part == PART_MOUTH_SOCKET,
            is_ear=skin
            & (np.abs(mean[:, 0]) > EAR_INNER_CM)
            & (mean[:, 2] < EAR_FRONT_CM)
            & (np.abs(mean[:, 1]) < EAR_HALF_CM),
            skull_points=np.ascontiguousarray(mean[scalp[:: max(1, len(scalp) // 60)]]),
        )


def below_jaw(model: FaceModel, points: FloatArray) -> NDArray[np.bool_]:
    """Which of the mean face's points (V, 3) lie on the neck: more than `NECK_CLEARANCE_CM` below the jaw line.

    The jaw line is the outline from ear to ear as a function of depth (z); behind the ears it goes on horizontally.
    """
    oval = model.landmarks_mean[list(_JAW_OVAL)]
    lower = oval[oval[:, 1] < oval[:, 1].mean() + 2.0]
    # Height of the jaw by depth: straight line from the jaw's corner to the chin.
    chin = model.landmarks_mean[CHIN]
    corner = lower[np.argmin(lower[:, 2])]
    t = np.clip((points[:, 2] - corner[2]) / max(float(chin[2] - corner[2]), 1e-3), 0.0, 1.0)
    jaw_height = corner[1] + t * (chin[1] - corner[1])
    return np.asarray(points[:, 1] < jaw_height - NECK_CLEARANCE_CM)


def fill_holes(faces: IntArray, longest: int = LARGEST_HOLE) -> IntArray:
    """Close holes of at most `longest` edges, which simplification leaves; larger openings (eyes, mouth) stay.

    Through a hole in a cheek the far ear would be seen and take its place.
    """
    directed = {
        (int(a), int(b)) for face in faces for a, b in ((face[0], face[1]), (face[1], face[2]), (face[2], face[0]))
    }
    onward: dict[int, list[int]] = {}
    for a, b in directed:
        if (b, a) not in directed:
            onward.setdefault(b, []).append(a)  # around the hole, against the faces' direction
    patches = []
    while onward:
        start = next(iter(onward))
        loop = [start]
        while loop[-1] in onward:
            follow = onward[loop[-1]].pop()
            if not onward[loop[-1]]:
                del onward[loop[-1]]
            if follow == start:
                break
            loop.append(follow)
        if 3 <= len(loop) <= longest:
            patches += [(loop[0], loop[i], loop[i + 1]) for i in range(1, len(loop) - 1)]
    if not patches:
        return faces
    return np.concatenate([faces, np.array(patches, np.int32)])


def _tongue(model: FaceModel) -> NDArray[np.bool_]:
    """Vertices of the tongue: the part of the gums' mesh that hangs together and does not touch the tooth row.

    Where tongue and gums are one connected piece, the tongue is what lies inside the lower arch.
    """
    part = model.mesh_part
    gums = part == PART_GUMS
    faces = model.mesh_faces[gums[model.mesh_faces].all(1)]
    count = len(part)
    graph = coo_matrix(
        (np.ones(2 * len(faces), np.int8), (faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel())), shape=(count, count)
    )
    _, label = connected_components(graph, directed=False)
    teeth = model.mesh_mean[part == PART_TEETH]
    lower = np.linalg.norm(model.mesh_expression[ARKIT_INDEX["jawOpen"]], axis=1) > 0.5
    tongue = np.zeros(count, np.bool_)
    pieces = np.unique(label[gums])
    if len(pieces) > 1:
        for piece in pieces:
            members = (label == piece) & gums
            distance = np.linalg.norm(model.mesh_mean[members][:, None] - teeth[None], axis=2).min(1)
            if lower[members].mean() > 0.5 and np.median(distance) > 0.45:
                tongue |= members
    if tongue.any():
        return tongue
    for index in np.flatnonzero(gums & lower):
        distance = np.linalg.norm(teeth - model.mesh_mean[index], axis=1).min()
        tongue[index] = distance > 0.45 and abs(float(model.mesh_mean[index, 0])) < 1.9
    return tongue
