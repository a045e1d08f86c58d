"""Where each of MediaPipe's 478 landmarks lies on the ICT surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from live.motion.landmark_groups import LEFT_IRIS, LOWER_LIP_INNER, OUTER_LIP, RIGHT_IRIS, UPPER_LIP_INNER
from training.face3d.ict import EYEBALL_LEFT, EYEBALL_RIGHT, FACE_END, MULTI_PIE, IctModel

Array = NDArray[np.float64]

# MediaPipe's counterparts of Multi-PIE landmarks 17-67 (brows, nose, eyes, mouth); the outline slides and is left out.
MEDIAPIPE_OF_MULTI_PIE = (
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305, 33, 160, 158, 133, 153, 144,
    362, 385, 387, 263, 373, 380, 61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14,
    87,
)  # fmt: skip
_UNRELIABLE = (71, 301)  # the two models put the brows' outer ends in different places


def similarity(source: Array, target: Array) -> Array:
    """`source` moved by the best similarity onto `target`'s frame: returns a (3, 4) matrix (Umeyama 1991)."""
    ms, mt = source.mean(0), target.mean(0)
    u, s, vt = np.linalg.svd((target - mt).T @ (source - ms))
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = (s * sign).sum() / ((source - ms) ** 2).sum()
    rotation = (u * sign) @ vt
    return np.concatenate([scale * rotation, (mt - scale * rotation @ ms)[:, None]], axis=1)


def closest_on_triangles(point: Array, corners: Array) -> tuple[int, Array]:
    """Nearest of triangles (T, 3, 3) to a point: its index and barycentric coordinates (3,)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac, ap = b - a, c - a, point - a
    d1, d2 = (ab * ap).sum(1), (ac * ap).sum(1)
    aa, bb, cross = (ab * ab).sum(1), (ac * ac).sum(1), (ab * ac).sum(1)
    det = np.maximum(aa * bb - cross**2, 1e-12)
    v, w = (bb * d1 - cross * d2) / det, (aa * d2 - cross * d1) / det
    inside = (v >= 0) & (w >= 0) & (v + w <= 1)
    candidates = [np.stack([1 - v - w, v, w], 1)]
    candidates[0][~inside] = np.nan
    for i, j in ((0, 1), (1, 2), (2, 0)):
        edge, start = corners[:, j] - corners[:, i], corners[:, i]
        t = np.clip(((point - start) * edge).sum(1) / np.maximum((edge * edge).sum(1), 1e-12), 0, 1)
        weights = np.zeros((len(corners), 3))
        weights[:, i], weights[:, j] = 1 - t, t
        candidates.append(weights)
    every = np.stack(candidates, 1)
    distance = np.linalg.norm(np.einsum("tkc,tcd->tkd", every, corners) - point, axis=2)
    flat = int(np.nanargmin(distance))
    triangle, kind = divmod(flat, 4)
    return triangle, every[triangle, kind]


def embed_landmarks(ict: IctModel, canonical: Array) -> tuple[NDArray[np.int64], Array]:
    """Vertices (478, 3) and barycentric weights (478, 3) of every landmark on the ICT mesh.

    The canonical face (468, 3) is laid on the ICT neutral by a similarity and a thin-plate spline through the
    shared landmarks, then projected onto the skin. Inner-lip landmarks may only land on the lip they belong to.
    """
    pairs = [(m, i) for m, i in zip(MEDIAPIPE_OF_MULTI_PIE, MULTI_PIE[17:], strict=True) if m not in _UNRELIABLE]
    pairs.append((152, MULTI_PIE[8]))
    ours = np.array([m for m, _ in pairs])
    theirs = np.array([i for _, i in pairs])
    move = similarity(canonical[ours], ict.neutral[theirs])
    moved = canonical @ move[:, :3].T + move[:, 3]
    spline = RBFInterpolator(moved[ours], ict.neutral[theirs] - moved[ours], kernel="thin_plate_spline", smoothing=1e-4)
    warped = moved + spline(moved)

    skin = ict.triangles[(ict.triangles < FACE_END).all(1)]
    opening = np.abs(ict.expression_of("jawOpen")[:, 1])
    lower = opening[skin].mean(1) > 0.5 * opening[ict.lower_lip_vertex]
    lips_upper = set(UPPER_LIP_INNER) | set(OUTER_LIP[1:10])
    lips_lower = set(LOWER_LIP_INNER) | set(OUTER_LIP[11:])
    vertices = np.zeros((478, 3), np.int64)
    weights = np.zeros((478, 3))
    for k in range(468):
        allowed = np.ones(len(skin), bool)
        if k in lips_upper:
            allowed = ~lower
        elif k in lips_lower:
            allowed = lower
        near = np.linalg.norm(ict.neutral[skin].mean(1) - warped[k], axis=1) < 3.0
        chosen = skin[allowed & near]
        if not len(chosen):
            chosen = skin[allowed]
        triangle, bary = closest_on_triangles(warped[k], ict.neutral[chosen])
        vertices[k], weights[k] = chosen[triangle], bary
    exact = dict(pairs)
    for m, i in exact.items():  # where both models name the same point, no projection is needed
        vertices[m], weights[m] = i, (1, 0, 0)
    for iris, ball in ((RIGHT_IRIS, EYEBALL_RIGHT), (LEFT_IRIS, EYEBALL_LEFT)):
        _embed_iris(ict, iris, ball, vertices, weights)
    return vertices, weights


def _embed_iris(ict: IctModel, iris: tuple[int, ...], ball: slice, vertices: NDArray[np.int64], weights: Array) -> None:
    """Centre at the front of the eyeball, ring of 0.59 cm radius around it, in the order right, up, left, down."""
    ids = np.arange(ball.start, ball.stop)
    points = ict.neutral[ids]
    front = points[points[:, 2].argmax()]
    ring = np.array([[0, 0], [0.59, 0], [0, 0.59], [-0.59, 0], [0, -0.59]])
    for landmark, (dx, dy) in zip(iris, ring, strict=True):
        flat = np.linalg.norm(points[:, :2] - front[:2] - (dx, dy), axis=1) + 10 * (points[:, 2] < front[2] - 1)
        nearest = ids[np.argsort(flat)[:3]]
        vertices[landmark], weights[landmark] = nearest, (1 / 3, 1 / 3, 1 / 3)
