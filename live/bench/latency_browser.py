"""A real Chromium with the benchmark's camera and microphone, on the engine's own page, observed by a probe."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from live.bench.latency_stimulus import Stimulus
from live.errors import LiveError

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-features=WebRtcHideLocalIpsWithMdns,CalculateNativeWinOcclusion",
)
COLUMNS: Final = 32
ROWS: Final = 32
START_TIMEOUT_MS: Final = 45_000.0

LIP_SYNC_SECONDS: Final = 20.0
"""Chromium moves the two together by at most 80 ms once a second and smooths what it measures."""

Record = dict[str, Any]


def find_chromium() -> str:
    """Path of an installed Chromium or Chrome.

    Raises:
        LiveError: there is none on the PATH.
    """
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise LiveError("No Chromium or Chrome was found.", "Install one, e.g.: sudo apt install chromium")


@contextmanager
def open_browser(stimulus: Stimulus, origin: str, executable: str | None = None) -> Iterator[Browser]:
    """A browser whose camera and microphone play the stimulus; closed with everything it started.

    Args:
        stimulus: the files.
        origin: trusted with camera and microphone even if it is not this machine.
        executable: which browser; default: the first found.
    """
    flags = [
        *FLAGS,
        f"--use-file-for-fake-video-capture={stimulus.film}",
        f"--use-file-for-fake-audio-capture={stimulus.speech}",
        f"--unsafely-treat-insecure-origin-as-secure={origin.rstrip('/')}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable or find_chromium(), args=flags, headless=True)
        try:
            yield browser
        finally:
            browser.close()


class AvatarPage:
    """The engine's page, started with one driver.

    Args:
        browser: an open browser.
        url: of the server.
        stimulus: tells where the mouths are.
        driver: `webcam` or `microphone`.
        stock: leave the browser's own play-out delays as they are.
        prepare: called with the page before it is loaded.

    Raises:
        LiveError: the avatar does not appear.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        stimulus: Stimulus,
        driver: str,
        *,
        stock: bool = False,
        prepare: Callable[[Page], None] = lambda page: None,
    ) -> None:
        context = browser.new_context(bypass_csp=True, viewport={"width": 1280, "height": 900})
        self._page = context.new_page()
        self._context, self._driver = context, driver
        config = {
            "film": stimulus.film_mouth.as_list(),
            "avatar": stimulus.avatar_mouth.as_list(),
            "columns": COLUMNS,
            "rows": ROWS,
            "stock": stock,
        }
        script = (resources.files("live.bench") / "pages" / "latency_probe.js").read_text()
        self._page.add_init_script(f"window.__latencyConfig = {json.dumps(config)};\n{script}")
        prepare(self._page)
        try:
            self._page.goto(url)
            self._page.locator(f"#drivers button[data-kind={driver}]").click(timeout=START_TIMEOUT_MS)
            self._page.locator("#start").click(timeout=START_TIMEOUT_MS)
            self._page.wait_for_function(
                "document.getElementById('avatar').videoWidth > 0", timeout=START_TIMEOUT_MS, polling=200
            )
        except Exception as error:
            notices = self._page.locator("#notices").all_inner_texts()
            self.close()
            raise LiveError(f"The page did not show the avatar: {error} {notices}", "Try `live serve`.") from error

    def hear(self) -> None:
        """Play the avatar's sound, and wait until the browser has moved picture and sound together."""
        self._page.locator("#hear").click(timeout=START_TIMEOUT_MS)
        self.wait(LIP_SYNC_SECONDS)

    def wait(self, seconds: float) -> None:
        """Let it run."""
        self._page.wait_for_timeout(seconds * 1e3)

    def now(self) -> float:
        """The page's clock, ms."""
        return float(self._page.evaluate("performance.now()"))

    def mute(self) -> None:
        """Press the page's button: the avatar hears nothing, or hears again."""
        self._page.locator("#mute").click(timeout=START_TIMEOUT_MS)

    def take_other_microphone(self) -> None:
        """Choose the next microphone in the page's list."""
        microphones = self._page.locator("#microphone")
        self._page.evaluate("window.__latencyProbe.opened = false")
        chosen = microphones.evaluate("list => (list.selectedIndex + 1) % list.length")
        microphones.select_option(index=chosen, timeout=START_TIMEOUT_MS)
        self._until_opened()

    def begin_program(self, speech: Path) -> None:
        """Let a sound file speak through the avatar, as a program would."""
        self._page.locator("#drivers button[data-kind=push]").click(timeout=START_TIMEOUT_MS)
        self._page.locator("#speech-file").set_input_files(str(speech))

    def end_program(self) -> None:
        """Interrupt it, and drive the avatar as before."""
        self._page.locator("#speech-clear").click(timeout=START_TIMEOUT_MS)
        self._page.evaluate("window.__latencyProbe.opened = false")
        self._page.locator(f"#drivers button[data-kind={self._driver}]").click(timeout=START_TIMEOUT_MS)
        self._until_opened()

    def _until_opened(self) -> None:
        self._page.wait_for_function("window.__latencyProbe.opened", timeout=START_TIMEOUT_MS, polling=50)

    def take(self) -> Record:
        """What the probe recorded since the last time; see `pages/latency_probe.js`."""
        record: Record = json.loads(self._page.evaluate("window.__latencyProbe.take()"))
        return record

    def screenshot(self, path: Path) -> None:
        """What the page looks like."""
        self._page.screenshot(path=str(path))

    def close(self) -> None:
        """Say goodbye to the server and close the page."""
        self._page.close(run_before_unload=False)
        self._context.close()
