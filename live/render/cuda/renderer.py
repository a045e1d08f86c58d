"""Sessions on a GPU: each hands in motion, or the picture it drew itself, and shares the card with all others."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from live.errors import ModelError, first_line
from live.frames import Image, MotionFrame
from live.render.avatar import Avatar
from live.render.cuda.batcher import LatencyReport
from live.render.cuda.card import MAX_BATCH, MAX_SESSIONS, SharedCard
from live.render.cuda.device import ComputeDevice, open_device
from live.render.cuda.engine import Engine
from live.render.cuda.face_arrays import ModelArrays, model_arrays, motion_values, portrait_arrays
from live.render.cuda.fused_live import FusedLivePIRenderer, box_numbers
from live.render.cuda.live_face import FaceProgram, LiveFaceProgram
from live.render.geometric import GeometricRenderer, finite
from live.render.live_network import inputs as network_inputs
from live.render.live_network.composition import Composer
from live.render.live_network.motion_window import MotionWindow
from live.render.live_network.runtime import NAME, shipped_weights
from live.render.live_network.weights import load_weights

log = logging.getLogger(__name__)


class CudaRenderer:
    """Draws an avatar with the live network on a shared card. Implements `live.protocols.Renderer`.

    With a `LiveFaceProgram` the card draws everything and a frame is 2 kB of coefficients; with a `FaceProgram` it does
    so by geometry alone; with a `FusedLivePIRenderer` the session draws the geometry on its own thread and hands in the
    picture.

    Args:
        geometric: draws the avatar on the processor, in the card's size. Not kept if the card draws everything.
        card: with one of the three programs.

    Raises:
        ModelError: the card is full.
    """

    def __init__(self, geometric: GeometricRenderer, card: SharedCard) -> None:
        program = card.engine.program
        assert isinstance(program, FaceProgram | LiveFaceProgram | FusedLivePIRenderer)
        self._card = card
        self._size = program.size
        self._rest = geometric.rest
        self._composer: Composer | None = None
        self._window: MotionWindow | None = None
        parts: list[NDArray[Any]] = []
        if isinstance(program, FusedLivePIRenderer):
            self._composer = Composer(geometric)
        else:
            parts += portrait_arrays(geometric).parts
        if not isinstance(program, FaceProgram):
            config = (program.network if isinstance(program, LiveFaceProgram) else program).config
            self._window = MotionWindow(geometric.rest)
            regions = Composer(geometric).rest_regions
            picture, mouth, eyes = network_inputs.portrait_arrays(geometric.avatar.image, regions, config)
            parts += picture[None], mouth[None], eyes
        self._slot: int | None = card.enroll(*parts)
        try:
            self._session = card.batcher.open()
        except BaseException:
            card.release(self._slot)
            raise

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures, pixels."""
        return self._size

    @property
    def draws_on_card(self) -> bool:
        """Whether the geometry too is drawn on the card."""
        return self._composer is None

    def render(self, motion: MotionFrame) -> Image:
        """Draw; see `live.protocols.Renderer`. Stamps `card`, before it the geometric stages if they are drawn here."""
        assert self._slot is not None, "render after close"
        motion = finite(motion, self._rest)
        inputs: dict[str, NDArray[Any]] = {}
        if self._window is not None:
            inputs["window"] = self._window.push(motion)
        if self._composer is None:
            inputs["motion"] = motion_values(motion)
        else:
            composition = self._composer.compose(motion)
            inputs["picture"], inputs["prior"] = composition.picture, composition.prior
            inputs["boxes"] = box_numbers(composition.regions)
        start = time.monotonic_ns()
        picture = self._session.render((self._slot, inputs))
        motion.trace.stamp("card", start)
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


def open_renderer(avatar: Avatar, side: int) -> CudaRenderer:
    """A session on the process's card for pictures of `side` pixels.

    Raises:
        ModelError: the card is full.
        LiveError: there is no usable GPU.
    """
    geometric = GeometricRenderer(avatar, (side, side))
    return CudaRenderer(geometric, shared_card(side, lambda: model_arrays(geometric)))


def shared_card(side: int, model: Callable[[], ModelArrays]) -> SharedCard:
    """The process's card for pictures of `side` pixels, opened on first use: loads weights, captures graphs.

    Without the network's weights the card draws by geometry, as the processor would. Where it cannot draw the geometry,
    sessions do so on the processor, and a warning says so.

    Args:
        side: pixels.
        model: the face model's arrays.

    Raises:
        ModelError: the weights that are there do not load or do not fit the side.
        LiveError: there is no usable GPU.
    """
    with _cards_lock:
        if side not in _cards:
            device = open_device("cuda")
            if _has_weights():
                engine = best_engine(live_network(device, side), model, MAX_BATCH)
            else:
                log.info("There are no weights of the live network; the card draws by geometry.")
                program = FaceProgram(model(), device, side=side, portraits=MAX_SESSIONS)
                engine = Engine(program, max_batch=MAX_BATCH)
            _cards[side] = SharedCard(engine)
            if len(_cards) == 1:
                atexit.register(_close_cards)
        return _cards[side]


def _has_weights() -> bool:
    """Whether the live network's weights are installed, for the card or for the processor."""
    return any(shipped_weights().glob(f"{NAME}.*"))


def live_network(device: ComputeDevice, side: int) -> FusedLivePIRenderer:
    """The shipped network on a device. Raises `ModelError` when weights are missing or do not fit the side."""
    weights = load_weights(shipped_weights() / f"{NAME}.safetensors")
    if side % weights.config.size:
        raise ModelError(
            f"The GPU renderer draws multiples of {weights.config.size} pixels, not {side}.",
            f"Use --size {weights.config.size} or {2 * weights.config.size}.",
        )
    return FusedLivePIRenderer(weights, device, side=side, portraits=MAX_SESSIONS)


def best_engine(network: FusedLivePIRenderer, model: Callable[[], ModelArrays], max_batch: int) -> Engine:
    """An engine that draws whole frames, or with a warning one that leaves the geometry to the sessions."""
    try:
        return Engine(LiveFaceProgram(network, model()), max_batch=max_batch, prepare=True)
    except Exception as error:
        log.warning("The GPU cannot draw the geometry (%s); sessions draw it on the processor.", first_line(error))
        return Engine(network, max_batch=max_batch, prepare=True)


def _close_cards() -> None:
    with _cards_lock:
        for card in _cards.values():
            card.close()
        _cards.clear()
