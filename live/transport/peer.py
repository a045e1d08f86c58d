"""One browser: a WebRTC connection from its offer to the last of its tasks."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamTrack

from live.transport.broadcast import Broadcast
from live.transport.config import ServerConfig
from live.transport.encoded import AUDIO_CLOCK, VIDEO_CLOCK, Encoded, VideoCodec
from live.transport.ice import (
    OfferError,
    ask_for_short_packets,
    audio_preferences,
    negotiated_codec,
    offered_kinds,
    rtc_configuration,
    video_payload_types,
    video_preferences,
)
from live.transport.playout import prefer_immediate_playout
from live.transport.receive import Inbound, receive_audio, receive_video
from live.transport.remote_source import RemoteSource
from live.transport.repeat import Repeater
from live.transport.sender import SenderExtension, wall_minus_monotonic
from live.transport.tracks import PacketTrack

logger = logging.getLogger(__name__)

WATCH_INTERVAL: Final = 2.0
"""Seconds between two looks at whether packets still come."""

CLOSE_TIMEOUT: Final = 5.0
SETTLING: Final = 5.0
"""Seconds after which a browser may begin to lip-sync: at first it buffers much sound, and a picture it once held back
for that it is slow to let go."""

MAX_MESSAGE: Final = 65_536
"""Characters a control message may have."""

MAX_BUFFERED: Final = 262_144
"""Bytes a data channel may have unsent before statistics are skipped."""


class Peer:
    """A connection. Lives on the event loop.

    It ends by itself, and always in the same way (`close`, then `on_closed` once): when the browser says goodbye, does
    not connect in time, fails, or falls silent.

    Args:
        config: the server's.
        broadcast: what it watches.
        source: where its microphone and webcam go; `None` for a viewer who only watches.
        on_message: takes each control message.
        on_closed: called once, with the reason.
    """

    def __init__(
        self,
        config: ServerConfig,
        broadcast: Broadcast,
        source: RemoteSource | None,
        on_message: Callable[[Peer, dict[str, Any]], None],
        on_closed: Callable[[Peer, str], None],
    ) -> None:
        self._config = config
        self._broadcast = broadcast
        self._source = source
        self._on_message = on_message
        self._on_closed = on_closed
        self._connection = RTCPeerConnection(rtc_configuration(config))
        self._channels: dict[str, RTCDataChannel] = {}
        self._inbound: list[Inbound] = []
        self._remote: list[MediaStreamTrack] = []
        self._tracks: list[PacketTrack] = []
        self._video: SenderExtension | None = None
        self._audio: SenderExtension | None = None
        self._hearing = True
        self._watch: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.codec: VideoCodec = config.codec

    @property
    def owner(self) -> bool:
        """Whether this browser drives the session."""
        return self._source is not None

    @property
    def hearing(self) -> bool:
        """Whether somebody listens there."""
        return self._hearing

    @property
    def closed(self) -> bool:
        """Whether it is gone or going."""
        return self._closing is not None

    def hear(self, on: bool) -> None:
        """Let the browser lip-sync, because somebody listens; else the picture need not wait for the sound."""
        self._hearing = on
        if self._audio is not None and on:  # a browser that has begun to sync goes on; there is no way back
            self._audio.reports_from = min(self._audio.reports_from, time.monotonic() + SETTLING)

    async def answer(self, sdp: str, codec: VideoCodec) -> str:
        """Accept an offer. Returns the answer, complete with candidates.

        Raises:
            OfferError: the offer cannot be answered. The peer is closed then.
        """
        try:
            async with asyncio.timeout(self._config.offer_timeout):
                return await self._answer(sdp, codec)
        except TimeoutError:
            await self.close("the connection could not be prepared in time")
            raise OfferError(
                "Preparing the connection took too long.", "Check the configured STUN and TURN servers."
            ) from None
        except OfferError as error:
            await self.close(error.message)
            raise
        except (ValueError, KeyError, IndexError, AttributeError, TypeError, AssertionError) as error:
            # aiortc's parser raises whatever the malformed line happens to provoke
            await self.close("the offer was malformed")
            raise OfferError("The connection offer is malformed.", "Reload the page and try again.") from error
        except (InvalidStateError, InvalidAccessError, OperationError) as error:
            await self.close("the offer was refused")
            raise OfferError(
                f"The connection offer cannot be answered ({error}).", "Use a current browser and reload the page."
            ) from error
        except BaseException:
            await self.close("the offer was withdrawn")
            raise

    def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send JSON on a data channel if it is open; statistics are skipped when the network does not keep up."""
        target = self._channels.get(channel)
        if target is None or target.readyState != "open":
            return
        if channel == "stats" and target.bufferedAmount > MAX_BUFFERED:
            return
        try:
            target.send(json.dumps(message, separators=(",", ":")))
        except (InvalidStateError, ConnectionError):
            logger.debug("data channel closed while sending")

    def rtp_timestamps(self, items: Iterable[Encoded]) -> list[tuple[int, Encoded]]:
        """What this viewer's packets of each picture carry, for those that can be told."""
        if self._video is None:
            return []
        stamped = [(self._video.rtp_timestamp(item.ticks), item) for item in items]
        return [(timestamp, item) for timestamp, item in stamped if timestamp is not None]

    async def close(self, reason: str) -> None:
        """End the connection and release everything. Safe to call twice and from its own callbacks."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close(reason))
        if self._closing is not asyncio.current_task():
            await asyncio.shield(self._closing)

    # -- inside

    async def _answer(self, sdp: str, codec: VideoCodec) -> str:
        kinds = offered_kinds(sdp)
        connection = self._connection
        connection.on("datachannel", self._accept_channel)
        connection.on("track", self._remote.append)
        connection.on("connectionstatechange", self._state_changed)

        # the picture's codec is known only after negotiation, so its track is created then
        transceiver = connection.addTransceiver("video", direction="sendrecv" if self.owner else "sendonly")
        transceiver.setCodecPreferences(video_preferences(codec))
        audio = None
        if "audio" in kinds:
            audio = connection.addTransceiver("audio", direction="sendrecv" if self.owner else "sendonly")
            audio.setCodecPreferences(audio_preferences())
        await connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
        self._check_open()
        for other in connection.getTransceivers():
            if other is not transceiver and other is not audio:
                other.direction = "inactive"  # one picture and one sound; nobody would drain more
        prefer_immediate_playout(transceiver, sdp)

        answer = await connection.createAnswer()
        self._check_open()
        self.codec = negotiated_codec(answer.sdp)
        wall = wall_minus_monotonic()
        video_track = self._broadcast.video_track(self.codec)
        self._tracks.append(video_track)
        transceiver.sender.replaceTrack(video_track)
        self._video = SenderExtension(
            transceiver.sender,
            video_track,
            VIDEO_CLOCK,
            lambda: self._broadcast.request_keyframe(self.codec),
            wall,
            Repeater(transceiver.sender),
        )
        if audio is not None:
            audio_track = self._broadcast.audio_track()
            self._tracks.append(audio_track)
            audio.sender.replaceTrack(audio_track)
            audio.sender._stream_id = transceiver.sender._stream_id  # one stream: the browser lip-syncs within it
            self._audio = SenderExtension(audio.sender, audio_track, AUDIO_CLOCK, lambda: None, wall)
            self._audio.reports_from = time.monotonic() + SETTLING if self._hearing else math.inf
        # once more, now that the answer can name the tracks
        await connection.setLocalDescription(await connection.createAnswer())
        self._check_open()
        self._receive(connection.localDescription.sdp)
        self._watch = asyncio.create_task(self._watch_connection())
        return ask_for_short_packets(connection.localDescription.sdp)

    def _check_open(self) -> None:
        """After every wait: what is begun once `_close` has run would never end."""
        if self._closing is not None:
            raise OfferError("The connection was ended while it was prepared.", "Reload the page and try again.")

    def _receive(self, answer: str) -> None:
        source = self._source
        for transceiver in self._connection.getTransceivers():
            track = transceiver.receiver.track
            if source is None or track is None:
                continue
            stock = self._config.stock_receive
            if track.kind == "audio":
                self._inbound.append(receive_audio(transceiver.receiver, track, source, stock=stock))
            else:
                types = video_payload_types(answer)
                self._inbound.append(receive_video(transceiver.receiver, track, source, types, stock=stock))

    def _accept_channel(self, channel: RTCDataChannel) -> None:
        if channel.label not in ("control", "stats") or channel.label in self._channels:
            channel.close()
            return
        self._channels[channel.label] = channel
        if channel.label == "control":
            channel.on("message", self._accept_message)
            self._on_message(self, {"type": "hello"})

    def _accept_message(self, data: str | bytes) -> None:
        try:
            if not isinstance(data, str) or len(data) > MAX_MESSAGE:
                raise ValueError("not a short text")
            message = json.loads(data)
            if not isinstance(message, dict) or not isinstance(message.get("type"), str):
                raise ValueError("not an object with a type")
        except (ValueError, RecursionError) as error:
            self.send("control", {"type": "error", "error": f"Unreadable control message: {error}.", "hint": ""})
            return
        if message["type"] == "bye":
            self._end("the browser left")
            return
        self._on_message(self, message)

    def _state_changed(self) -> None:
        state = self._connection.connectionState
        if state in ("failed", "closed"):
            self._end("the network connection was lost" if state == "failed" else "the browser closed the connection")

    async def _watch_connection(self) -> None:
        """End what never connects, and what has connected and fallen silent."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.offer_timeout
        while self._connection.connectionState != "connected":
            if loop.time() > deadline:
                self._end("the browser did not connect in time")
                return
            await asyncio.sleep(0.1)
        received, since = -1, loop.time()
        while True:
            await asyncio.sleep(min(WATCH_INTERVAL, self._config.silence_timeout / 2))
            report = await self._connection.getStats()
            count = max((s.packetsReceived for s in report.values() if s.type == "transport"), default=0)
            if count != received:
                received, since = count, loop.time()
            elif loop.time() - since > self._config.silence_timeout:
                self._end("the network connection was lost")
                return

    def _end(self, reason: str) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close(reason))

    async def _close(self, reason: str) -> None:
        if self._watch is not None and self._watch is not asyncio.current_task():
            self._watch.cancel()
        for track in self._tracks:
            self._broadcast.remove(track)
        for inbound in self._inbound:
            try:
                await asyncio.to_thread(inbound.close)
            except Exception:
                logger.exception("A receiver did not close cleanly")
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._connection.close()
        except TimeoutError:
            logger.warning("A connection did not close in time")
        except Exception:
            logger.exception("A connection did not close cleanly")
        self._on_closed(self, reason)
