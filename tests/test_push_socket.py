"""`live.transport.push_socket`: programs that speak."""

from __future__ import annotations

import json

import aiohttp
import numpy as np
import pytest
from aiohttp import WSMsgType

from live.errors import LiveError
from live.transport.push_socket import LONGEST, SpeechQueue
from tests.transport_client import running


def test_sound_comes_out_once_in_order_then_silence() -> None:
    queue = SpeechQueue()
    queue.push(np.arange(1, 1501, dtype=np.int16))
    queue.push(np.arange(1501, 2001, dtype=np.int16))
    assert queue.seconds == pytest.approx(2000 / 48000)
    sound = np.concatenate([queue.take() for _ in range(3)])
    assert np.array_equal(sound[:2000], np.arange(1, 2001))
    assert not sound[2000:].any()
    assert queue.seconds == 0


def test_clear_forgets_what_was_not_said() -> None:
    queue = SpeechQueue()
    queue.push(np.ones(48_000, np.int16))
    queue.take()
    queue.clear()
    assert not queue.take().any()
    assert queue.seconds == 0


def test_the_queue_is_bounded() -> None:
    queue = SpeechQueue()
    queue.push(np.zeros(int(LONGEST * 48_000), np.int16))
    with pytest.raises(LiveError, match="are waiting"):
        queue.push(np.zeros(48_000, np.int16))


async def test_pushed_speech_moves_the_mouth() -> None:
    async with running() as server:
        owner = await server.client().connect(send=False, driver="push")
        await owner.until(lambda: len(owner.pictures) > 3)
        dark = float(owner.pictures[-1].to_ndarray(format="rgb24").mean())
        query = f"session={owner.reply['session']}&token={owner.reply['token']}&rate=24000"
        async with server.http.ws_connect(f"{server.url}/speech?{query}") as socket:
            loud = (12_000 * np.sin(2 * np.pi * 200 * np.arange(24_000 * 5) / 24_000)).astype("<i2")
            await socket.send_bytes(loud.tobytes())
            assert 4.5 < (await socket.receive_json())["seconds"] <= 5.01
            await owner.until(lambda: owner.pictures[-1].to_ndarray(format="rgb24").mean() > dark + 50)
            await socket.send_str(json.dumps({"type": "clear"}))
            assert (await socket.receive_json())["seconds"] == 0
            await owner.until(lambda: owner.pictures[-1].to_ndarray(format="rgb24").mean() < dark + 20)
            await socket.send_str("nonsense")
            assert "Unknown" in (await socket.receive_json())["error"]
            assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        await owner.close()


async def test_strangers_and_wrong_rates_are_refused() -> None:
    async with running() as server:
        owner = await server.client().connect(send=False, driver="push")
        session, token = owner.reply["session"], owner.reply["token"]
        for query, status in (
            ("session=none&token=x", 404),
            (f"session={session}&token=guess", 403),
            (f"session={session}&token={token}&rate=7", 422),
            (f"session={session}&token={token}&rate=fast", 422),
        ):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await server.http.ws_connect(f"{server.url}/speech?{query}")
            assert caught.value.status == status, query
        await owner.until(lambda: len(owner.pictures) > 2)
        await owner.close()
