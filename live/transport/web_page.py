"""Serves the files of the page, from a checkout (`web_client/`) or an installed wheel (`live/web_client/`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

import live
from live.errors import LiveError
from live.transport.http_guard import NotFoundError

TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}


def page_folder() -> Path:
    """Where the page's files are. Raises `LiveError` if they are missing."""
    package = Path(live.__file__).resolve().parent
    for folder in (package / "web_client", package.parent / "web_client"):
        if (folder / "index.html").is_file():
            return folder
    raise LiveError("The files of the web page are missing.", "Install live-avatar again, or run from a full checkout.")


class WebPage:
    """All files, read once: they are few and small, and the event loop then never touches the disk."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): (path.read_bytes(), TYPES[path.suffix])
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix in TYPES
        }

    async def serve(self, request: web.Request) -> web.Response:
        """`GET /` and `GET /{name}`."""
        found = self._files.get(request.match_info.get("name") or "index.html")
        if found is None:
            raise NotFoundError("There is no such page.", "Go to /.")
        body, kind = found
        charset = None if kind.startswith("image/png") else "utf-8"
        return web.Response(
            body=body, content_type=kind, charset=charset, headers={"Cache-Control": "no-cache, must-revalidate"}
        )
