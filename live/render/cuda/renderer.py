"""Sessions on a GPU: each draws its geometry on its own thread, and shares networks and card with all others."""

from __future__ import annotations

import atexit
import threading
import time
from typing import Any

from numpy.typing import NDArray

from live.errors import ModelError
from live.frames import Image, MotionFrame
from live.motion.face_model import FaceModel
from live.render.avatar import Avatar
from live.render.cuda.batcher import LatencyReport
from live.render.cuda.card import MAX_BATCH, MAX_SESSIONS, SharedCard
from live.render.cuda.engine import Engine
from live.render.cuda.fused_live import FusedLivePIRenderer, box_numbers
from live.render.geometric import GeometricRenderer
from live.render.live_network.composition import Composer
from live.render.live_network.inputs import portrait_arrays
from live.render.live_network.motion_window import MotionWindow


class CudaRenderer:
    """Draws an avatar with the live network on a shared card. Implements `live.protocols.Renderer`.

    Args:
        avatar: the portrait.
        card: with a `FusedLivePIRenderer`, whose side is the pictures'.
        model: the face model; default: the one that ships.

    Raises:
        ModelError: the card is full.
    """

    def __init__(self, avatar: Avatar, card: SharedCard, *, model: FaceModel | None = None) -> None:
        program = card.engine.program
        assert isinstance(program, FusedLivePIRenderer)
        self._card = card
        self._geometric = GeometricRenderer(avatar, program.size, model=model)
        self._composer = Composer(self._geometric)
        self._window = MotionWindow(self._geometric.rest)
        picture, mouth, eyes = portrait_arrays(avatar.image, self._composer.rest_regions, program.config)
        self._slot: int | None = card.enroll(picture[None], mouth[None], eyes)
        self._session = card.batcher.open()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures, pixels."""
        return self._geometric.size

    def render(self, motion: MotionFrame) -> Image:
        """Draw; see `live.protocols.Renderer`. Stamps the geometric stages, then `network`."""
        assert self._slot is not None, "render after close"
        motion = self._geometric.finite(motion)
        window = self._window.push(motion)
        composition = self._composer.compose(motion)
        inputs: dict[str, NDArray[Any]] = {
            "picture": composition.picture,
            "prior": composition.prior,
            "window": window,
            "boxes": box_numbers(composition.regions),
        }
        start = time.monotonic_ns()
        picture = self._session.render((self._slot, inputs))
        motion.trace.stamp("network", start)
        return picture

    def latency(self) -> LatencyReport:
        """How long this session's frames took on the card."""
        return self._session.report()

    def close(self) -> None:
        """Give the portrait's place back. Safe to call twice."""
        self._session.close()
        if self._slot is not None:
            self._card.release(self._slot)
            self._slot = None


_cards: dict[int, SharedCard] = {}
_cards_lock = threading.Lock()


def shared_card(side: int) -> SharedCard:
    """The process's card for pictures of `side` pixels, opened on first use: loads weights, captures graphs.

    Raises:
        ModelError: weights are missing, or the side does not fit the network.
        LiveError: there is no usable GPU.
    """
    from live.render.cuda.device import open_device
    from live.render.live_network.runtime import NAME, shipped_weights
    from live.render.live_network.weights import load_weights

    with _cards_lock:
        if side not in _cards:
            device = open_device("cuda")
            network = load_weights(shipped_weights() / f"{NAME}.safetensors")
            if side % network.config.size:
                raise ModelError(
                    f"The GPU renderer draws multiples of {network.config.size} pixels, not {side}.",
                    f"Use --size {network.config.size} or {2 * network.config.size}.",
                )
            program = FusedLivePIRenderer(network, device, side=side, portraits=MAX_SESSIONS)
            _cards[side] = SharedCard(Engine(program, max_batch=MAX_BATCH, prepare=True))
            if len(_cards) == 1:
                atexit.register(_close_cards)
        return _cards[side]


def _close_cards() -> None:
    with _cards_lock:
        for card in _cards.values():
            card.close()
        _cards.clear()
