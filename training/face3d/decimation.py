"""Fewer triangles for the mesh that is rasterised every frame, dense where faces move."""

from __future__ import annotations

from dataclasses import dataclass

import fast_simplification
import numpy as np
from numpy.typing import NDArray

from live.motion.face_model import (
    PART_EYE_SOCKET,
    PART_EYEBALL,
    PART_FACE,
    PART_GUMS,
    PART_HEAD,
    PART_MOUTH_SOCKET,
    PART_TEETH,
)
from training.face3d.ict import (
    EYE_SOCKET_END,
    EYEBALL_LEFT,
    EYEBALL_RIGHT,
    FACE_END,
    GUMS_END,
    HEAD_END,
    LOWER_TEETH,
    MOUTH_SOCKET_END,
    TEETH_END,
    IctModel,
)
from training.face3d.registration import closest_on_triangles

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LightMesh:
    """`faces` (F, 3); each vertex is a mix `weights` (V, 3) of the ICT vertices `sources` (V, 3); `part` (V,)."""

    faces: NDArray[np.int32]
    sources: NDArray[np.int64]
    weights: Array
    part: NDArray[np.uint8]

    def resample(self, field: Array) -> Array:
        """An ICT vertex field (26719, 3) at this mesh's vertices, (V, 3)."""
        return np.asarray(np.einsum("vk,vkc->vc", self.weights, field[self.sources]))


def magnify(points: Array, centres: list[tuple[Array, float, float]]) -> Array:
    """Blow up the surroundings of each (centre, radius cm, gain), so that simplification spares them."""
    out = points.copy()
    for centre, radius, gain in centres:
        away = points - centre
        out += away * (gain * np.exp(-(away**2).sum(1, keepdims=True) / (2 * radius**2)))
    return out


def decimate(ict: IctModel, skin_triangles: int = 3600, tooth_triangles: int = 1200) -> LightMesh:
    """Simplify skin and sockets, gums, teeth and eyeballs separately by quadric error (Garland & Heckbert 1997)."""
    lips = ict.neutral[ict.lower_lip_vertex] + np.array([0, 0.5, 0])
    eyes = [ict.neutral[ball].mean(0) + np.array([0, 0, 1.3]) for ball in (EYEBALL_LEFT, EYEBALL_RIGHT)]
    warped = magnify(ict.neutral, [(lips, 2.2, 2.2), (eyes[0], 1.5, 2.5), (eyes[1], 1.5, 2.5)])
    t = ict.triangles
    top = t.max(1)
    groups = [
        (t[top < EYE_SOCKET_END], warped, skin_triangles),
        (t[(t.min(1) >= EYE_SOCKET_END) & (top < GUMS_END)], ict.neutral, 700),
        # Upper and lower teeth touch: apart, or a vertex of one jaw would follow the other.
        (t[(t.min(1) >= GUMS_END) & (top < LOWER_TEETH)], ict.neutral, tooth_triangles // 2),
        (t[(t.min(1) >= LOWER_TEETH) & (top < TEETH_END)], ict.neutral, tooth_triangles // 2),
        (t[(t.min(1) >= EYEBALL_LEFT.start) & (top < EYEBALL_LEFT.stop)], ict.neutral, 220),
        (t[(t.min(1) >= EYEBALL_RIGHT.start) & (top < EYEBALL_RIGHT.stop)], ict.neutral, 220),
    ]
    faces, sources, weights = [], [], []
    start = 0
    for triangles, space, target in groups:
        used, local = np.unique(triangles, return_inverse=True)
        local = local.reshape(-1, 3)
        points, simple = fast_simplification.simplify(
            space[used].astype(np.float32), local.astype(np.int32), target_count=target
        )
        corners = space[triangles]
        centre = corners.mean(1)
        for point in points.astype(np.float64):
            near = np.argsort(((centre - point) ** 2).sum(1))[:24]
            k, bary = closest_on_triangles(point, corners[near])
            sources.append(triangles[near[k]])
            weights.append(bary)
        faces.append(simple + start)
        start += len(points)
    source = np.array(sources)
    main = source[np.arange(len(source)), np.array(weights).argmax(1)]
    edges = [FACE_END, HEAD_END, MOUTH_SOCKET_END, EYE_SOCKET_END, GUMS_END, TEETH_END]
    kinds = [PART_FACE, PART_HEAD, PART_MOUTH_SOCKET, PART_EYE_SOCKET, PART_GUMS, PART_TEETH, PART_EYEBALL]
    part = np.array(kinds, np.uint8)[np.searchsorted(edges, main, side="right")]
    return LightMesh(np.concatenate(faces).astype(np.int32), source, np.array(weights), part)
