"""`live.transport.web_page`: the files of the page, from a checkout or an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

import live
from live.errors import LiveError
from live.transport.web_page import page_folder


def test_the_page_is_found_in_this_checkout() -> None:
    folder = page_folder()
    assert {"index.html", "icon.svg"} <= {path.name for path in folder.iterdir()}
    assert (folder / "js" / "main.js").is_file()


def test_an_installed_package_carries_its_own_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "live"
    (package / "web_client").mkdir(parents=True)
    (package / "web_client" / "index.html").write_text("installed")
    monkeypatch.setattr(live, "__file__", str(package / "__init__.py"))
    assert page_folder() == package / "web_client"


def test_a_missing_page_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "__file__", str(tmp_path / "live" / "__init__.py"))
    with pytest.raises(LiveError, match="missing"):
        page_folder()


def test_the_page_asks_nobody_else() -> None:
    folder = page_folder()
    for path in folder.rglob("*"):
        if path.suffix in {".html", ".css", ".js"}:
            text = path.read_text()
            assert "//cdn" not in text
            assert "@import" not in text
            assert "https://" not in text, path
