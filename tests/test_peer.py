"""`live.transport.peer`, `room` and `rooms` through real connections: media, viewers, control, every way to leave."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from live.transport.encoded import VIDEO_CODECS, VideoCodec
from live.transport.studio import OpenAvatar
from tests.transport_client import PATIENCE, running


@pytest.mark.parametrize("codec", VIDEO_CODECS)
async def test_media_flows_both_ways(codec: VideoCodec) -> None:
    async with running() as server:
        client = await server.client().connect(codec=codec)
        await client.until(lambda: len(client.pictures) >= 10 and len(client.sounds) >= 10 and client.stats)
        driver = server.studio.drivers[0]
        assert client.reply["owner"]
        assert (client.pictures[-1].width, client.pictures[-1].height) == (128, 128)
        assert len({picture.to_ndarray(format="rgb24").tobytes() for picture in client.pictures}) > 5
        assert driver.heard > 5
        assert driver.seen > 2
        lines = client.reply["sdp"].splitlines()
        streams = {line.split()[0] for line in lines if line.startswith("a=msid:")}
        assert len(streams) == 1, "one stream, so that the browser keeps lips and sound together"
        await client.until(lambda: any(message["frames"] for message in client.stats))
        frame = next(message["frames"][-1] for message in client.stats if message["frames"])
        assert {"render", "encode", "send"} <= {stage[0] for stage in frame["stages"]}
        assert frame["sent_ms"] >= frame["capture_ms"]
        metrics = await server.get("/metrics")
        assert 'live_viewers{session="1"} 1' in metrics
        assert client.reply["session"] not in metrics, "whoever knows the id may watch"
        assert 'live_stage_seconds_count{stage="encode"}' in metrics
        await client.close()
        await server.until_sessions(0)


async def test_others_watch_but_do_not_control() -> None:
    async with running(max_viewers=3) as server:
        owner = await server.client().connect(driver="sliders")
        session = owner.reply["session"]
        await owner.until(lambda: owner.pictures)
        viewers = [await server.client().connect(send=False, session=session) for _ in range(2)]
        for viewer in viewers:
            assert not viewer.reply["owner"]
            assert "token" not in viewer.reply
            await viewer.until(lambda viewer=viewer: len(viewer.pictures) >= 3 and viewer.told("state"))
        viewers[0].say(type="reset")
        await viewers[0].until(lambda: viewers[0].told("error"))
        assert "started this session" in viewers[0].told("error")[0]["error"]
        with pytest.raises(AssertionError, match="already has 3 viewers"):
            await server.client().connect(send=False, session=session)
        with pytest.raises(AssertionError, match="started this session"):
            await server.client().connect(send=False, session=session, token="guess")
        await owner.close()
        count = len(viewers[0].pictures)
        await viewers[0].until(lambda: len(viewers[0].pictures) > count + 5)  # the others go on
        for viewer in viewers:
            await viewer.close()
        await server.until_sessions(0)


async def test_the_owner_controls_everything() -> None:
    async with running() as server:
        owner = await server.client().connect(driver="sliders")
        await owner.until(lambda: owner.told("state") and owner.pictures)
        assert owner.told("state")[0]["sliders"]["jawOpen"][1:] == [0.0, 1.0]
        dark = float(owner.pictures[-1].to_ndarray(format="rgb24").mean())
        owner.say(type="sliders", values={"jawOpen": 1.0})
        await owner.until(lambda: owner.pictures[-1].to_ndarray(format="rgb24").mean() > dark + 60)
        owner.say(type="reset")
        await owner.until(lambda: owner.pictures[-1].to_ndarray(format="rgb24").mean() < dark + 20)
        owner.say(type="portrait", id="big")
        await owner.until(lambda: owner.pictures[-1].width == 256)
        owner.say(type="driver", name="webcam")
        await owner.until(lambda: owner.told("state")[-1]["driver"] == "webcam")
        owner.say(type="mute", on=True)
        await owner.until(lambda: owner.told("state")[-1]["muted"])
        owner.say(type="ping", t=5)
        await owner.until(lambda: owner.told("pong"))
        assert owner.told("pong")[0]["t"] == 5
        await owner.close()


async def test_nonsense_on_the_control_channel_is_answered_and_survived() -> None:
    async with running() as server:
        owner = await server.client().connect(driver="sliders")
        await owner.until(lambda: owner.told("state"))
        nonsense = [
            "{",
            "[]",
            '{"type": 5}',
            '{"type": "explode"}',
            '{"type": "sliders"}',
            '{"type": "sliders", "values": {"jawOpen": "wide"}}',
            '{"type": "sliders", "values": {"jawOpen": NaN}}',
            '{"type": "sliders", "values": {"jowOpen": 1}}',
            '{"type": "sliders", "values": {"jawOpen": 1' + "0" * 400 + "}}",
            "[" * 60_000,
            '{"type": "driver", "name": "magic"}',
            '{"type": "portrait", "id": "nobody"}',
            '{"type": "portrait"}',
            '{"type": "calibrate"}',
            '{"type": "playout"}',
            '{"type": "playout", "video_held_ms": 1, "audio_held_ms": 0, "ahead_ms": "x"}',
            '{"type": "playout", "video_held_ms": 1, "audio_held_ms": 0, "ahead_ms": Infinity}',
            '{"type": "sliders", "values": {"jawOpen": Infinity}}',
            '{"type": "sliders", "values": {"yaw": -1e999}}',
            '{"type": "sliders", "values": {"yaw": null, "": 1}}',
            '{"type": "sliders", "values": [["yaw", 1]]}',
            '{"type": "sliders", "values": {' + ",".join(f'"s{n}": 0' for n in range(101)) + "}}",
            '{"type": "mute", "on": "false"}',
            '{"type": "mute"}',
            '{"type": "idle", "on": 1}',
            '{"type": "hear", "on": {}}',
            '{"type": "driver", "name": {"name": "sliders"}}',
            '{"type": "portrait", "id": ["big"]}',
            '{"type": "portrait", "id": "\\ud800"}',
            '{"type": "\\ud800"}',
            '{"type": null}',
            '"' + "x" * 70_000 + '"',
            '{"type": "playout", "video_held_ms": 1, "audio_held_ms": 0, "ahead_ms": 1' + "0" * 400 + "}",
        ]
        for number, text in enumerate(nonsense, start=1):
            owner.say_text(text)
            await owner.until(lambda number=number: len(owner.told("error")) >= number)
        assert all(message["error"] for message in owner.told("error"))
        assert not any("That failed" in message["error"] for message in owner.told("error"))
        assert not owner.told("state")[-1]["muted"]
        count = len(owner.pictures)
        await owner.until(lambda: len(owner.pictures) > count + 3)
        await owner.close()


async def test_an_avatar_that_is_ready_just_when_the_session_ends_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as server:
        owner = await server.client().connect(driver="sliders")
        await owner.until(lambda: owner.told("state"))
        room = server.rooms.find(owner.reply["session"])
        loop, make, ends = asyncio.get_running_loop(), server.studio.open_avatar, []

        def end() -> None:
            time.sleep(0.3)  # the loop is busy while the thread below comes to its end
            ends.append(asyncio.create_task(room.close()))

        def open_avatar(avatar: str) -> OpenAvatar:
            opened = make(avatar)
            loop.call_soon_threadsafe(end)
            return opened

        monkeypatch.setattr(server.studio, "open_avatar", open_avatar)
        owner.say(type="portrait", id="big")
        await owner.until(lambda: owner.connection.connectionState == "closed")
        await ends[0]
        assert len(server.studio.renderers) == 2
        async with asyncio.timeout(PATIENCE):
            while not all(renderer.closed for renderer in server.studio.renderers):  # noqa: ASYNC110 (on a thread)
                await asyncio.sleep(0.01)
        await owner.close()


async def test_an_offer_without_a_connection_times_out() -> None:
    async with running(offer_timeout=1.0) as server:
        client = server.client()
        pc = client.connection
        pc.addTransceiver("video", direction="recvonly")
        await pc.setLocalDescription(await pc.createOffer())
        offer = {"sdp": pc.localDescription.sdp, "type": "offer"}
        async with server.http.post(server.url + "/offer", json=offer) as response:
            assert response.status == 200
        await pc.close()  # and never connects
        await server.until_sessions(0)


async def test_a_browser_that_vanishes_while_it_offers_leaves_nothing() -> None:
    async with running(offer_timeout=2.0) as server:
        client = server.client()
        pc = client.connection
        pc.addTransceiver("video", direction="recvonly")
        await pc.setLocalDescription(await pc.createOffer())
        body = {"sdp": pc.localDescription.sdp, "type": "offer"}
        request = asyncio.create_task(server.http.post(server.url + "/offer", json=body).__aenter__())
        await asyncio.sleep(0.01)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        await pc.close()
        await server.until_sessions(0)


async def test_silence_on_the_network_ends_a_viewer() -> None:
    async with running(silence_timeout=1.0) as server:
        client = await server.client().connect()
        await client.until(lambda: client.pictures)
        for transceiver in client.connection.getTransceivers():
            transport = transceiver.receiver.transport.transport._connection
            for protocol in transport._protocols:
                protocol.transport.abort()  # the cable is pulled: no goodbye
        await server.until_sessions(0)
        await client.close()


async def test_goodbye_ends_the_session_and_the_owner_may_return_in_time() -> None:
    async with running(linger=20.0) as server:
        first = await server.client().connect()
        await first.until(lambda: first.pictures and first.told("state"))
        first.say(type="bye")
        await first.until(lambda: first.connection.connectionState == "closed")
        again = await server.client().connect(session=first.reply["session"], token=first.reply["token"])
        assert again.reply["owner"]
        await again.until(lambda: len(again.pictures) > 3)
        assert len(server.studio.renderers) == 1, "the session went on"
        await again.close()
        await first.close()


async def test_an_owner_who_connects_twice_at_once_stays_once_even_in_a_full_room() -> None:
    async with running(linger=20.0, max_viewers=1) as server:
        first = await server.client().connect()
        session, token = first.reply["session"], first.reply["token"]
        clients = [server.client() for _ in range(3)]
        joining = (client.connect(session=session, token=token) for client in clients)
        results = await asyncio.gather(*joining, return_exceptions=True)
        assert not all(isinstance(result, BaseException) for result in results), results
        room = server.rooms.find(session)
        assert room.viewers == 1
        async with asyncio.timeout(PATIENCE):
            while [c.connection.connectionState for c in clients].count("connected") != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert room.broadcast.viewers == 1, "nothing is left of the others"
        for client in (first, *clients):
            await client.close()


async def test_sessions_are_limited_and_separate() -> None:
    async with running(max_sessions=2) as server:
        one = await server.client().connect(driver="sliders")
        two = await server.client().connect(driver="sliders", avatar="big")
        with pytest.raises(AssertionError, match="All 2 sessions"):
            await server.client().connect()
        await one.until(lambda: one.pictures and one.told("state"))
        await two.until(lambda: two.pictures and two.told("state"))
        one.say(type="sliders", values={"jawOpen": 1.0})
        await one.until(lambda: np.asarray(one.pictures[-1].to_ndarray(format="rgb24")).mean() > 120)
        assert two.pictures[-1].width == 256
        assert two.pictures[-1].to_ndarray(format="rgb24").mean() < 110
        await one.close()
        await two.close()
        await server.until_sessions(0)


async def test_the_stock_receive_path_delivers_too() -> None:
    async with running(stock_receive=True) as server:
        client = await server.client().connect()
        await client.until(lambda: len(client.pictures) > 25)
        driver = server.studio.drivers[0]
        assert driver.heard > 3
        assert driver.seen > 2
        await client.close()
        await server.until_sessions(0)
