"""The default renderer: geometry for the motion, networks for what geometry cannot know."""

from __future__ import annotations

import time

import numpy as np

from live.frames import Image, MotionFrame
from live.motion.face_model import FaceModel
from live.render.avatar import Avatar
from live.render.geometric import GeometricRenderer
from live.render.live_network.blending import finish
from live.render.live_network.composition import Composer
from live.render.live_network.inputs import DetailArrays, FrameArrays, portrait_arrays
from live.render.live_network.motion_window import MotionWindow
from live.render.live_network.runtime import Arrays, NetworkRuntime


class NeuralRenderer:
    """Draws an avatar with the live network on a CPU runtime. Implements `live.protocols.Renderer`.

    Args:
        avatar: the portrait.
        runtime: the network; owned and closed by the renderer.
        size: (width, height) of the pictures, equal and even. The networks work at their own size whatever it is.
        model: the face model; default: the one that ships.

    Raises:
        ValueError: `size` is not square or odd.
    """

    def __init__(
        self,
        avatar: Avatar,
        runtime: NetworkRuntime,
        size: tuple[int, int] = (512, 512),
        *,
        model: FaceModel | None = None,
    ) -> None:
        self._runtime = runtime
        self._geometric = GeometricRenderer(avatar, size, model=model)
        self._composer = Composer(self._geometric)
        self._window = MotionWindow(self._geometric.rest)
        portrait = portrait_arrays(avatar.image, self._composer.rest_regions, runtime.config)
        image, mouth, eyes = portrait
        runtime.enroll({"portrait": image[None], "portrait_mouth": mouth[None], "portrait_eyes": eyes})

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures, pixels."""
        return self._geometric.size

    @property
    def runtime_name(self) -> str:
        """Library and number format that run the network."""
        return self._runtime.name

    def render(self, motion: MotionFrame) -> Image:
        """Draw; see `live.protocols.Renderer`. Stamps the geometric stages, then `crops`, `inference`, `blend`."""
        motion = self._geometric.finite(motion)
        window = self._window.push(motion)
        composition = self._composer.compose(motion)
        start = time.monotonic_ns()
        arrays: FrameArrays | DetailArrays
        if self._runtime.base:
            arrays = composition.arrays(self._runtime.config)
            inputs: Arrays = {"composite": arrays.composite[None], "prior": arrays.prior[None]}
        else:
            arrays, inputs = composition.details(self._runtime.config), {}
        inputs |= {"window": np.ascontiguousarray(window[None]), "mouth": arrays.mouth[None], "eyes": arrays.eyes}
        motion.trace.stamp("crops", start)
        start = time.monotonic_ns()
        outputs = self._runtime.frame(inputs)
        motion.trace.stamp("inference", start)
        start = time.monotonic_ns()
        picture = finish(composition.picture, arrays, outputs, composition.regions)
        motion.trace.stamp("blend", start)
        return picture

    def close(self) -> None:
        """Free the network."""
        self._runtime.close()
