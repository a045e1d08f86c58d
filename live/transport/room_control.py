"""What a browser may say on the control channel, and who may say it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from live.errors import LiveError
from live.motion.idle import IdleMotion
from live.transport.peer import Peer
from live.transport.studio import DRIVER_KINDS

if TYPE_CHECKING:
    from live.transport.room import Room

logger = logging.getLogger(__name__)

MAX_PENDING: Final = 8
"""Slow changes (avatar, driver) that may wait; more means that somebody clicks faster than models load."""


LARGEST: Final = 1e9
"""Numbers from here on make no sense; JSON has integers that do not even fit into a float."""


class ControlError(LiveError):
    """A control message that makes no sense or is not allowed."""


class RoomControl:
    """Carries out control messages. Lives on the event loop; slow ones become tasks."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._tasks: set[asyncio.Task[None]] = set()
        self._owner_only: dict[str, Callable[[dict[str, Any]], Awaitable[None] | None]] = {
            "sliders": self._sliders,
            "reset": self._reset,
            "calibrate": self._calibrate,
            "mute": self._mute,
            "idle": self._idle,
            "driver": self._driver,
            "portrait": self._portrait,
        }

    def handle(self, peer: Peer, message: dict[str, Any]) -> None:
        """Carry out `message` from `peer`; what goes wrong is told to that peer."""
        kind = message["type"]
        try:
            if kind == "hello":
                peer.send("control", self._room.state() | {"owner": peer.owner, "sliders": self._slider_state()})
                self._room.tell(self._room.state())
            elif kind == "ping":
                peer.send("control", {"type": "pong", "t": message.get("t"), "server_ms": time.monotonic() * 1e3})
            elif kind == "hear":
                peer.hear(_switch(message))
            elif kind == "playout":
                self._playout(peer, message)
            elif kind not in self._owner_only:
                raise ControlError(f"Unknown control message “{kind[:40]}”.")
            elif not peer.owner:
                raise ControlError("Only the browser that started this session can control it.")
            else:
                pending = self._owner_only[kind](message)
                if asyncio.iscoroutine(pending):
                    self._start(peer, pending)
        except LiveError as error:
            self._refuse(peer, error)
            if kind in ("driver", "portrait"):
                peer.send("control", self._room.state())  # what it shows instead
        except Exception as error:  # in aiortc it would end the connection
            logger.exception("A control message failed")
            self._refuse(peer, ControlError(f"That failed: {error}.", "The server's log says more."))

    async def close(self) -> None:
        """Cancel what is still being carried out."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, peer: Peer, work: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= MAX_PENDING:
            work.close()
            raise ControlError("Too many changes at once.", "Wait until the last one has taken effect.")

        async def run() -> None:
            try:
                await work
            except LiveError as error:
                self._refuse(peer, error)
                peer.send("control", self._room.state())
            except Exception as error:
                logger.exception("A control message failed")
                self._refuse(peer, ControlError(f"That failed: {error}.", "The server's log says more."))
                peer.send("control", self._room.state())

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    def _refuse(peer: Peer, error: LiveError) -> None:
        peer.send("control", {"type": "error", "error": error.message, "hint": error.hint})

    # -- the messages

    def _playout(self, peer: Peer, message: dict[str, Any]) -> None:
        """A browser tells for how long it holds picture and sound back to make them meet, ms, and by how much sound
        plays before its picture by its clocks, `null` until they run; the owner's ears decide for all."""
        picture, sound = _number(message.get("video_held_ms")), _number(message.get("audio_held_ms"))
        unknown = message.get("ahead_ms") is None
        ahead = 0.0 if unknown else _number(message.get("ahead_ms"))
        if picture is None or sound is None or ahead is None:
            raise ControlError("Times must be finite numbers.")
        if not peer.owner:
            return
        if not peer.hearing:
            self._room.broadcast.lip_sync.unheard()
        elif unknown:
            self._room.broadcast.lip_sync.unreported()
        else:
            self._room.broadcast.lip_sync.reported(picture / 1e3, sound / 1e3, ahead / 1e3)

    def _sliders(self, message: dict[str, Any]) -> None:
        values = message.get("values")
        if not isinstance(values, dict) or len(values) > 100:
            raise ControlError("Slider values must be an object of names and numbers.")
        numbers: dict[str, float] = {}
        for name, value in values.items():
            number = _number(value)
            if number is None:
                raise ControlError(f"Slider “{name[:40]}” needs a finite number.")
            numbers[name] = number
        self._required("set", "Choose “Sliders” as the driver first.")(numbers)

    def _reset(self, _message: dict[str, Any]) -> None:
        self._required("reset", "Choose “Sliders” as the driver first.")()
        self._room.tell({"type": "sliders", "values": self._slider_state()})

    def _calibrate(self, _message: dict[str, Any]) -> None:
        done = self._required("calibrate", "Choose “Webcam” as the driver first.")()
        if done is False:
            raise ControlError("No face is in sight to calibrate with.", "Look straight into the camera and try again.")
        self._room.tell({"type": "message", "text": "Calibrated: this is your neutral face now."})

    def _mute(self, message: dict[str, Any]) -> None:
        self._room.source.muted = _switch(message)
        self._room.tell(self._room.state())

    def _idle(self, message: dict[str, Any]) -> None:
        driver = self._room.session.driver
        if not hasattr(driver, "idle"):
            raise ControlError("This driver has idle motion of its own.")
        driver.idle = IdleMotion() if _switch(message) else None

    def _driver(self, message: dict[str, Any]) -> Awaitable[None]:
        kind = message.get("name")
        for known in DRIVER_KINDS:
            if kind == known:
                return self._change_driver(known)
        raise ControlError(f"There is no driver “{str(kind)[:40]}”.", f"Choose one of: {', '.join(DRIVER_KINDS)}.")

    async def _change_driver(self, kind: Any) -> None:
        await self._room.change_driver(kind)
        self._room.tell({"type": "sliders", "values": self._slider_state()})

    async def _portrait(self, message: dict[str, Any]) -> None:
        avatar = message.get("id")
        if not isinstance(avatar, str):
            raise ControlError("A portrait is chosen by its id.")
        await self._room.change_avatar(avatar)
        self._room.tell({"type": "sliders", "values": self._slider_state()})

    def _required(self, method: str, hint: str) -> Callable[..., Any]:
        found = getattr(self._room.session.driver, method, None)
        if not callable(found):
            raise ControlError("The present driver cannot do that.", hint)
        return found  # type: ignore[no-any-return]

    def _slider_state(self) -> dict[str, list[float]]:
        """Name → [value, least, greatest] if sliders drive, else empty."""
        driver = self._room.session.driver
        get, limits = getattr(driver, "get", None), getattr(driver, "limits", None)
        if not callable(get) or not callable(limits):
            return {}
        return {name: [float(value), *map(float, limits(name))] for name, value in get().items()}


def _switch(message: dict[str, Any]) -> bool:
    on = message.get("on")
    if not isinstance(on, bool):
        raise ControlError("“on” must be true or false.")
    return on


def _number(value: object) -> float | None:
    """A finite number out of JSON, else `None`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        return None
    return float(value)
