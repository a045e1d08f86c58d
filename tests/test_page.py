"""The page in a real Chromium, with its fake camera and microphone: pictures arrive, move, and obey."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from live.errors import LiveError
from live.frames import MotionFrame
from live.protocols import Driver
from live.transport.studio import DriverKind
from tests.transport_client import Running, running

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
ALLOW: Final = "--use-fake-ui-for-media-stream"
DENY: Final = "--deny-permission-prompts"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--disable-background-networking",
]
TIMEOUT_MS = 40_000

try:
    from playwright.async_api import async_playwright
except ImportError:  # the `bench` extra is not installed
    async_playwright = None

browser_needed = pytest.mark.skipif(
    async_playwright is None or not CHROMIUM, reason="needs Chromium and playwright (extra `bench`)"
)


@asynccontextmanager
async def page_of(
    server: Running, path: str = "/", *, granted: list[str] | None = None, size: tuple[int, int] = (1280, 900)
) -> AsyncIterator[tuple[Any, list[str]]]:
    """A page with what it complained about. `granted`: the devices it may use; default: all."""
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, ALLOW if granted is None else DENY]
        )
        try:
            context = await browser.new_context(viewport={"width": size[0], "height": size[1]})
            await context.grant_permissions(granted or [])
            page = await context.new_page()
            page.set_default_timeout(TIMEOUT_MS)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            await page.goto(server.url + path)
            yield page, complaints
        finally:
            await browser.close()


async def brightness(page: Any) -> float:
    """Mean of the picture that the avatar's video element shows."""
    return float(
        await page.evaluate(
            """() => { const video = document.getElementById("avatar"); const canvas = document.createElement("canvas");
            canvas.width = canvas.height = 32; const context = canvas.getContext("2d");
            context.drawImage(video, 0, 0, 32, 32); const data = context.getImageData(0, 0, 32, 32).data;
            let sum = 0; for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
            return sum / 3072; }"""
        )
    )


async def until_brightness(page: Any, wanted: Callable[[float], bool]) -> float:
    async with asyncio.timeout(TIMEOUT_MS / 1e3):
        while not wanted(value := await brightness(page)):
            await page.wait_for_timeout(100)
    return value


async def until(page: Any, expression: str) -> None:
    """Wait for a JavaScript condition; Playwright's own way needs `eval`, which the page forbids."""
    async with asyncio.timeout(TIMEOUT_MS / 1e3):
        while not await page.evaluate(f"() => {expression}"):
            await page.wait_for_timeout(100)


async def start(page: Any, driver: str) -> None:
    await page.wait_for_selector(".portraits button")
    await page.click(f"[data-kind={driver}]")
    await page.click("#start")
    await page.wait_for_selector("#status[data-state=live]")
    await until(page, "document.getElementById('avatar').videoWidth > 0")


@browser_needed
async def test_webcam_session_in_a_browser() -> None:
    async with running(linger=0.5) as server:
        async with page_of(server) as (page, complaints):
            # The photo may only go when there is a picture in its place.
            await page.evaluate(
                "() => { window.black = 0; const video = document.getElementById('avatar'), "
                "photo = document.getElementById('poster'); const look = () => { "
                "if (photo.src && photo.hidden && video.readyState < 2) window.black++; "
                "requestAnimationFrame(look); }; look(); }"
            )
            await start(page, "webcam")
            await until(page, "document.getElementById('avatar').getVideoPlaybackQuality().totalVideoFrames > 30")
            assert await page.is_hidden("#poster") and await page.evaluate("window.black") == 0
            first = await page.evaluate("document.getElementById('avatar').getVideoPlaybackQuality().totalVideoFrames")
            await until(
                page, f"document.getElementById('avatar').getVideoPlaybackQuality().totalVideoFrames > {first + 20}"
            )
            # the whole way is measured: pictures that were presented are matched with the server's stages
            await until(page, "/^\\d+ ms$/.test(document.getElementById('figure-latency').textContent)")
            assert "Slowest stage" in await page.inner_text("#slowest")
            assert {"decode", "render", "encode"} <= set(re.findall(r"[a-z]+", await page.inner_text("#legend")))
            driver = server.studio.drivers[0]
            assert driver.seen > 5
            assert driver.heard > 20
            await page.click("#stop")
            await page.wait_for_selector("#status[data-state=idle]")
            assert complaints == []
        await server.until_sessions(0)


@browser_needed
async def test_a_driver_whose_device_fails_gives_way_to_the_one_before() -> None:
    async with running(linger=0.5) as server:
        async with page_of(server, granted=["camera"]) as (page, complaints):
            await start(page, "webcam")
            await page.wait_for_selector(".notice >> text=The browser may not use the microphone.")
            await page.click(".notice button")
            driver = server.studio.drivers[0]
            async with asyncio.timeout(TIMEOUT_MS / 1e3):
                while driver.seen < 5:
                    await page.wait_for_timeout(50)
            await page.click("[data-kind=microphone]")
            await page.wait_for_selector(".notice.bad >> text=The browser may not use the microphone.")
            await page.wait_for_selector("[data-kind=webcam][aria-checked=true]")
            assert await page.get_attribute("[data-kind=microphone]", "aria-checked") == "false"
            assert await page.is_visible("#self")
            assert await page.is_enabled("#calibrate")
            assert len(server.studio.drivers) == 1, "the engine never heard of it"
            seen = driver.seen
            async with asyncio.timeout(TIMEOUT_MS / 1e3):
                while driver.seen < seen + 10:  # the camera is open again
                    await page.wait_for_timeout(50)
            # sliders need no device, so they always work; the way back does too
            await page.click("[data-kind=sliders]")
            await until(page, "document.querySelectorAll('#sliders input').length > 50")
            await page.click("[data-kind=webcam]")
            async with asyncio.timeout(TIMEOUT_MS / 1e3):
                while len(server.studio.drivers) < 3 or server.studio.drivers[2].seen < 5:
                    await page.wait_for_timeout(50)
            assert complaints == []
        await server.until_sessions(0)


@browser_needed
async def test_a_driver_that_the_engine_refuses_gives_way_to_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(linger=0.5) as server:
        async with page_of(server) as (page, complaints):
            await start(page, "webcam")
            make = server.studio.open_driver

            def refuse(kind: DriverKind, rest: MotionFrame) -> Driver:
                if kind == "microphone":
                    raise LiveError("The speech model is missing.", "Fetch it.")
                return make(kind, rest)

            monkeypatch.setattr(server.studio, "open_driver", refuse)
            await page.click("[data-kind=microphone]")
            await page.wait_for_selector(".notice.bad >> text=The speech model is missing.")
            await page.wait_for_selector("[data-kind=webcam][aria-checked=true]")
            driver = server.studio.drivers[0]
            seen = driver.seen
            async with asyncio.timeout(TIMEOUT_MS / 1e3):
                while driver.seen < seen + 10:
                    await page.wait_for_timeout(50)
            assert await page.is_visible("#self")
            assert complaints == []
        await server.until_sessions(0)


@browser_needed
async def test_sliders_presets_and_portraits_in_a_browser(tmp_path: Path) -> None:
    async with running(linger=0.5) as server:
        async with page_of(server) as (page, complaints):
            await start(page, "sliders")
            dark = await brightness(page)
            assert await page.locator("#sliders input").count() == 58
            await page.locator("#sliders input[name=jawOpen]").fill("1")
            bright = await until_brightness(page, lambda value: value > dark + 60)
            await page.click("#sliders-reset")
            await until_brightness(page, lambda value: value < bright - 60)
            await page.click("#presets >> text=Surprise")
            await until_brightness(page, lambda value: value > dark + 30)
            await page.click(".portraits button[data-id=big]")
            await until(page, "document.getElementById('avatar').videoWidth === 256")
            # a file that is no photo: a sentence, and the session goes on
            wrong = tmp_path / "wrong.png"
            wrong.write_bytes(b"this is no picture")
            await page.set_input_files("#upload", wrong)
            await page.wait_for_selector(".notice.bad >> text=That is not a picture.")
            assert await page.get_attribute("#status", "data-state") == "live"
            assert [text for text in complaints if "422" not in text] == []
        await server.until_sessions(0)


UNNAMED: Final = """() => [...document.querySelectorAll("button, select, input, summary, canvas, video, [tabindex]")]
    .filter((e) => !(e.getAttribute("aria-label") || e.labels?.[0]?.textContent.trim() || e.textContent.trim()))
    .map((e) => e.outerHTML)"""
SMALL: Final = """() => [...document.querySelectorAll("button, select, summary, label, .button")]
    .filter((e) => e.checkVisibility()).map((e) => [e.id || e.textContent.trim(), e.getBoundingClientRect()])
    .filter(([, box]) => box.height < 24 || box.width < 24 || box.right > innerWidth + 1).map(([name]) => name)"""


@browser_needed
async def test_everything_has_a_name_and_fits_a_phone_and_keys_choose() -> None:
    async with running(linger=0.5) as server:
        async with page_of(server, size=(360, 740)) as (page, complaints):
            await page.wait_for_selector(".portraits button")
            await page.focus("[data-kind=webcam]")
            await page.keyboard.press("ArrowDown")
            await page.keyboard.press("ArrowRight")
            assert await page.get_attribute("[data-kind=sliders]", "aria-checked") == "true"
            await page.focus("#start")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("#status[data-state=live]")
            await until(page, "document.querySelectorAll('#sliders input').length > 50")
            await page.evaluate("() => document.querySelectorAll('details').forEach((e) => (e.open = true))")
            assert await page.evaluate(UNNAMED) == []
            assert await page.evaluate(SMALL) == []
            assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
            await page.focus("#sliders input[name=yaw]")
            await page.keyboard.press("End")
            assert (await page.get_attribute("#sliders input[name=yaw]", "aria-valuetext")).endswith("°")
            assert complaints == []
        await server.until_sessions(0)


@browser_needed
async def test_a_full_server_is_said_and_the_page_starts_when_there_is_room() -> None:
    async with running(linger=0.1, max_sessions=1) as server:
        async with page_of(server) as (page, _):
            await start(page, "sliders")
            second = await page.context.new_page()
            await second.goto(server.url)
            await second.wait_for_selector(".portraits button")
            await second.click("#start")
            await second.wait_for_selector(".notice.bad >> text=All 1 sessions of this server are in use.")
            await second.wait_for_selector("#status[data-state=idle]")
            assert await second.is_hidden("#self"), "the camera is off again"
            await page.click("#stop")
            await server.until_sessions(0)
            await second.click("#start")
            await second.wait_for_selector("#status[data-state=live]")
            await second.click("#stop")
        await server.until_sessions(0)


@browser_needed
async def test_a_second_page_watches_and_a_lost_server_side_is_found_again() -> None:
    async with running(linger=5.0) as server:
        async with page_of(server) as (page, _):
            await start(page, "sliders")
            # the server drops the connection without a word; the page finds its session again
            room = next(iter(server.rooms._rooms.values()))
            viewer = await page.context.new_page()
            await viewer.goto(f"{server.url}/?session={room.id}")
            await viewer.click("#start")
            await until(viewer, "document.getElementById('avatar').videoWidth > 0")
            assert await viewer.is_hidden("#calibrate")
            await page.evaluate(
                """() => { window.states = []; const status = document.getElementById("status");
                new MutationObserver(() => window.states.push(status.dataset.state)).observe(status,
                { attributes: true, attributeFilter: ["data-state"] }); }"""
            )
            owner = next(peer for peer in room._peers if peer.owner)
            await owner.close("for the test")
            await until(page, "window.states.includes('bad') && window.states.at(-1) === 'live'")
            assert room.viewers == 2
            assert len(server.studio.renderers) == 1
        await server.until_sessions(0)
