"""`live.transport.push_socket`: programs that speak."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import numpy as np
import pytest
from aiohttp import WSMsgType

from live.errors import LiveError
from live.frames import AudioChunk
from live.transport.push_socket import LONGEST, SpeechQueue, speak
from live.transport.remote_source import PRECEDENCE, RemoteSource
from tests.transport_client import PATIENCE, running


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


def test_a_program_speaks_before_the_microphone_and_gives_way_when_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("live.transport.remote_source.time.monotonic", lambda: now)
    source, heard = RemoteSource(), []
    assert not source.running
    source.start(heard.append, None, lambda text: None)
    assert source.running
    source.muted = True
    microphone = AudioChunk(np.ones(960, np.int16), 0.0, 0)
    pushed = AudioChunk(np.full(960, 2, np.int16), 0.0, 0)
    source.deliver_audio(microphone)
    source.deliver_pushed(pushed)
    now += 0.01
    source.deliver_audio(microphone)
    now += PRECEDENCE
    source.muted = False
    source.deliver_audio(microphone)
    assert [int(chunk.samples[0]) for chunk in heard] == [0, 2, 1], "muting is about the microphone"


async def test_silence_is_not_pushed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.transport.push_socket.SILENCE", 0.1)
    source, heard = RemoteSource(), []
    source.start(heard.append, None, lambda text: None)
    queue = SpeechQueue()
    speaking = asyncio.create_task(speak(queue, source))
    await asyncio.sleep(0.1)
    assert heard == []
    queue.push(np.ones(960 * 3, np.int16))
    async with asyncio.timeout(PATIENCE):
        while queue.seconds:  # noqa: ASYNC110 (nothing else tells)
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.4)
    speaking.cancel()
    loud = [bool(chunk.samples.all()) for chunk in heard]
    assert loud[:3] == [True] * 3
    assert len(loud[3:]) <= 6 and not any(loud[3:])


async def test_deep_nonsense_and_floods_are_answered() -> None:
    async with running() as server:
        owner = await server.client().connect(send=False, driver="push")
        url = f"{server.url}/speech?session={owner.reply['session']}&token={owner.reply['token']}&rate=8000"
        async with server.http.ws_connect(url) as socket:
            await socket.send_str("[" * 60_000)
            assert "Unknown" in (await socket.receive_json())["error"]
        async with server.http.ws_connect(url) as socket:
            await socket.send_bytes(bytes(2 * 8000 * 130))
            assert "are waiting" in (await socket.receive_json())["error"]
        await owner.until(lambda: owner.pictures)  # else its leaving is only noticed when it should have connected
        async with server.http.ws_connect(url) as socket:
            await owner.close()
            assert "has ended" in (await socket.receive_json())["error"]
            assert (await socket.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        await server.until_sessions(0)


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
