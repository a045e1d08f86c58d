"""A plain preview window, through OpenCV."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from live.errors import DeviceError
from live.frames import AudioChunk, RenderedFrame
from live.mailbox import Mailbox

CLOSE_KEYS: Final = {ord("q"), 27}
"""`q` and Escape."""

PATIENCE: Final = 0.05
"""Seconds between looks at the keyboard while no picture comes."""


class Window:
    """A `Sink` whose pictures are shown by `run`, which must be called on the main thread (macOS insists).

    Args:
        title: the window's title.
        keys: what to do when a key is pressed, by its character.

    Raises:
        DeviceError: there is no screen.
    """

    def __init__(self, title: str = "live", keys: Mapping[str, Callable[[], None]] | None = None) -> None:
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            # The window library would end the whole process.
            raise DeviceError(
                "There is no screen for a window.", "Use `--sink FILE.mp4` or `--sink virtualcam`, or `live serve`."
            )
        self._title = title
        self._keys = {ord(key): action for key, action in (keys or {}).items()}
        self._mailbox: Mailbox[RenderedFrame] = Mailbox()
        self._closed = threading.Event()
        self.frames = 0

    @property
    def dropped(self) -> int:
        """Pictures that were replaced by newer ones before they were shown."""
        return self._mailbox.dropped

    def push_video(self, frame: RenderedFrame) -> None:
        """Show a picture."""
        self._mailbox.put(frame)

    def push_audio(self, chunk: AudioChunk) -> None:
        """Ignored: a window has no sound."""

    def run(self, until: threading.Event) -> None:
        """Show pictures until the user closes the window, `close` is called or `until` is set."""
        import cv2

        shown = False
        try:
            while not (self._closed.is_set() or until.is_set()):
                frame = self._mailbox.take(PATIENCE)
                if frame is not None:
                    if not shown:
                        cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
                        cv2.resizeWindow(self._title, frame.image.shape[1], frame.image.shape[0])
                        shown = True
                    start_ns = time.monotonic_ns()
                    cv2.imshow(self._title, cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
                    self.frames += 1
                    frame.trace.stamp("show", start_ns)
                if not shown:
                    continue
                key = cv2.waitKey(1) & 0xFF
                if key in CLOSE_KEYS or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
                    return
                if key in self._keys:
                    self._keys[key]()
        finally:
            self._closed.set()
            if shown:
                cv2.destroyAllWindows()

    def close(self) -> None:
        """Make `run` return. Safe to call twice."""
        self._closed.set()
        self._mailbox.close()
