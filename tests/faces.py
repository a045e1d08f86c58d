"""A made-up person for tests of the renderer: the face model over a smooth, coloured picture. Needs no tracker."""

from __future__ import annotations

import cv2
import numpy as np

from live.motion.arkit import ARKIT_INDEX
from live.motion.face_model import FaceModel
from live.motion.fitting import FaceFit
from live.render.avatar import Avatar
from live.render.portrait import PORTRAIT_SIDE, CropBox


def made_up_avatar(*, seed: int = 0, **expression: float) -> Avatar:
    """A person whose landmarks differ a little from the model's, in front of a smooth random picture."""
    random = np.random.default_rng(seed)
    weights = np.zeros(52, np.float32)
    for name, value in expression.items():
        weights[ARKIT_INDEX[name]] = value
    fit = FaceFit(
        identity=random.normal(0, 0.5, 50).astype(np.float32),
        expression=weights,
        residual=np.zeros(16, np.float32),
        rotation=np.radians(np.array([3, -4, 2])).astype(np.float32),
        scale=14.0,
        offset=np.array([256, 240], np.float32),
        landmark_error=0.01,
    )
    model = FaceModel.load()
    landmarks = fit.project(model.landmarks(fit.identity, fit.expression, fit.residual))
    landmarks[:, :2] += cv2.GaussianBlur(random.normal(0, 6, (478, 2)).astype(np.float32), (0, 0), 3)
    coarse = random.integers(60, 200, (16, 16, 3)).astype(np.uint8)
    image = cv2.resize(coarse, (PORTRAIT_SIDE, PORTRAIT_SIDE), interpolation=cv2.INTER_CUBIC)
    for ring, colour in (((33, 159, 133, 145), 230), ((263, 386, 362, 374), 230)):
        cv2.fillPoly(image, [np.round(landmarks[list(ring), :2]).astype(np.int32)], (colour, colour, colour))
    return Avatar("made up", image, image, CropBox(0, 0, PORTRAIT_SIDE), landmarks, fit)
