"""`live.transport.server`: what it answers, above all to bad input."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import threading
from collections.abc import AsyncIterator

import aiohttp
import aioice.ice
import numpy as np
import pytest
from PIL import Image as Pillow

from live.transport.config import ServerConfig
from live.transport.server import serve
from tests.transport_client import Client, Running, running
from tests.transport_pieces import CardStudio

GARBAGE = [
    ("not sdp at all", "is not a session description"),
    ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", "asks for no picture"),
    ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96", "malformed"),
    ("v=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\nt=0 0\r\nm=video nine UDP 96\r\n", "malformed"),
    ("v=0\r\n" + "a=x\r\n" * 30_000, "too large"),
    ("v=0\r\n" + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n" * 300, "more than 8 sections"),
    ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 AV1/90000\r\n", "neither VP8 nor H264"),
    ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:\ud800\r\na=candidate:\ud800\r\n", "malformed"),
]

OFFER = {"type": "offer", "sdp": "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n"}
"""Looks like a browser's, as far as it can be told without answering it."""


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(np.zeros((height, width, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


async def alive(server: Running) -> None:
    assert (await server.get("/health"))["status"] == "ok"


async def refused(server: Running, status: int, path: str, **request: object) -> dict[str, str]:
    """POST and check that the refusal is JSON with a sentence; and that the server lives on."""
    async with server.http.post(server.url + path, **request) as response:  # type: ignore[arg-type]
        body = await response.json()
        assert response.status == status, body
        assert set(body) == {"error", "hint"}
        assert body["error"]
    await alive(server)
    return dict(body)


async def test_page_and_files_are_served_with_protection() -> None:
    async with running() as server:
        async with server.http.get(server.url + "/") as response:
            text = await response.text()
            assert response.status == 200
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        for path in re.findall(r'(?:href|src)="([a-z/_]+\.(?:css|js|svg))"', text):
            async with server.http.get(f"{server.url}/{path}") as response:
                assert response.status == 200, path
        assert "https://" not in text
        assert "http://" not in text


@pytest.mark.parametrize(
    "path", ["/nothing.html", "/../pyproject.toml", "/js/../../pyproject.toml", "/%2e%2e/pyproject.toml"]
)
async def test_nothing_else_is_served(path: str) -> None:
    async with running() as server, server.http.get(aiohttp.client.URL(server.url + path, encoded=True)) as response:
        assert response.status == 404
        assert "error" in await response.json()


@pytest.mark.parametrize(("sdp", "expected"), GARBAGE)
async def test_garbage_offers_are_refused(sdp: str, expected: str) -> None:
    async with running() as server:
        body = await refused(server, 400, "/offer", json={"type": "offer", "sdp": sdp})
        assert expected in body["error"]
        assert server.studio.renderers == server.studio.drivers == [], "nothing was loaded for it"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff\xfe", b'{"type":"offer","sdp":5}', b"[" * 50_000])
async def test_offers_that_are_no_offers_are_refused(data: bytes) -> None:
    async with running() as server:
        await refused(server, 400, "/offer", data=data)


async def test_unknown_names_are_refused() -> None:
    async with running() as server:
        assert "no driver" in (await refused(server, 400, "/offer", json=OFFER | {"driver": "magic"}))["error"]
        assert "avatar" in (await refused(server, 422, "/offer", json=OFFER | {"avatar": "nobody"}))["error"]
        assert "avatar" in (await refused(server, 422, "/offer", json=OFFER | {"avatar": "\ud800"}))["error"]
        assert "session" in (await refused(server, 404, "/offer", json=OFFER | {"session": "none"}))["error"]
        await server.until_sessions(0)


@pytest.mark.parametrize("wrong", [None, True, 5, [], {}, "", "guess", "\ud800", "x" * 5_000])
async def test_wrong_types_in_an_offer_are_refused_or_ignored(wrong: object) -> None:
    """Never an internal error, and never somebody else's session."""
    async with running(linger=20.0) as server:
        owner = await server.client().connect(driver="sliders")
        for name in ("driver", "avatar", "codec", "hear", "session", "token", "sdp", "type"):
            body = OFFER | {"session": owner.reply["session"], "token": "guess"} | {name: wrong}
            async with server.http.post(server.url + "/offer", json=body) as response:
                reply = await response.json()
                assert response.status in (200, 400, 403, 404, 422), (name, reply)
                assert reply.get("error") or not reply["owner"], (name, reply)
        await owner.until(lambda: owner.pictures)
        await owner.close()


async def test_huge_requests_are_refused() -> None:
    async with running(max_portrait_bytes=300_000) as server:
        body = await refused(server, 413, "/portrait", data=b"x" * 400_000)
        assert "large" in body["error"]
        await refused(server, 400, "/offer", data=b"x" * 150_000)


async def test_a_huge_offer_that_does_not_say_so_is_not_read_to_its_end() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'{"type": "offer", "sdp": "'
        while sent < 10_000_000:
            sent += 50_000
            yield b"x" * 50_000

    async with running() as server:
        try:
            body = await refused(server, 400, "/offer", data=endless())
            assert "too large" in body["error"]
        except aiohttp.ClientError:  # the server hung up while we were still sending
            await alive(server)
        assert sent < 10_000_000


@pytest.mark.parametrize("kind", ["application/json; charset=nonsense", "text/plain; charset=utf-16", "x/y"])
async def test_what_an_offer_says_about_its_encoding_does_not_matter(kind: str) -> None:
    async with running() as server:
        body = await refused(server, 400, "/offer", data=b'{"type": "offer"}', headers={"Content-Type": kind})
        assert "no connection offer" in body["error"]


async def test_photos_that_cannot_become_avatars_are_explained() -> None:
    async with running() as server:
        assert "too small" in (await refused(server, 422, "/portrait", data=png(1, 1)))["error"]
        assert "not a picture" in (await refused(server, 422, "/portrait", data=b"GIF89a nonsense"))["error"]
        assert "empty" in (await refused(server, 422, "/portrait", data=b""))["error"]
        async with server.http.post(server.url + "/portrait?name=Ada", data=png(80, 80)) as response:
            assert response.status == 201
            entry = await response.json()
        assert entry["name"] == "Ada"
        assert entry["id"] in [avatar["id"] for avatar in (await server.get("/avatars"))["avatars"]]


async def test_a_stalled_upload_does_not_keep_others_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.transport.server.UPLOAD_TIMEOUT", 0.2)

    async def stalled() -> AsyncIterator[bytes]:
        yield png(80, 80)[:20]
        await asyncio.sleep(3600)

    async with running() as server:
        body = await refused(server, 422, "/portrait", data=stalled())
        assert "too long" in body["error"]
        async with server.http.post(server.url + "/portrait", data=png(80, 80)) as response:
            assert response.status == 201


async def test_other_websites_and_names_are_refused() -> None:
    async with running() as server:
        offer = {"type": "offer", "sdp": "v=0"}
        evil = {"Origin": "https://evil.example.com"}
        assert "website" in (await refused(server, 403, "/offer", json=offer, headers=evil))["error"]
        rebound = {"Host": "evil.example.com"}
        assert "does not answer" in (await refused(server, 403, "/offer", json=offer, headers=rebound))["error"]
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await server.http.ws_connect(server.url + "/speech?session=x&token=y", headers=evil)
        assert caught.value.status == 403
        await alive(server)


async def test_a_server_that_stops_while_it_streams_leaves_nothing() -> None:
    aioice.ice._mdns.__dict__.clear()
    studio = CardStudio()
    threads = {thread.name for thread in threading.enumerate() if thread.name.startswith("live-")}
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    config = ServerConfig(port=0, linger=60.0, silence_timeout=60.0)
    serving = asyncio.create_task(serve(config, studio, lambda url: ready.set_result(url.rstrip("/"))))
    async with aiohttp.ClientSession() as http:
        url = await ready
        owner = await Client(url, http).connect()
        viewer = await Client(url, http).connect(send=False, session=owner.reply["session"])
        await owner.until(lambda: len(owner.pictures) > 5)
        await viewer.until(lambda: len(viewer.pictures) > 2)
        query = f"session={owner.reply['session']}&token={owner.reply['token']}"
        async with http.ws_connect(f"{url}/speech?{query}") as socket:
            await socket.send_bytes(bytes(96_000))
            serving.cancel()
            messages = [message async for message in socket]
            assert "has ended" in messages[-1].json()["error"]
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        await owner.until(lambda: owner.connection.connectionState == "closed")
        await viewer.until(lambda: viewer.connection.connectionState == "closed")
        assert all(renderer.closed for renderer in studio.renderers)
        assert {thread.name for thread in threading.enumerate() if thread.name.startswith("live-")} == threads
        await owner.close()
        await viewer.close()


async def test_pictures_and_metrics() -> None:
    async with running() as server:
        async with server.http.get(server.url + "/avatars/card/picture") as response:
            assert Pillow.open(io.BytesIO(await response.read())).size == (128, 128)
        async with server.http.get(server.url + "/avatars/nobody/picture") as response:
            assert response.status == 422
        metrics = await server.get("/metrics")
        assert "live_sessions 0\n" in metrics
