"""`live.transport.http_guard`: names and origins."""

from __future__ import annotations

import pytest

from live.transport.config import ServerConfig
from live.transport.http_guard import guard, host_allowed, origin_allowed, own_names

LOCAL = ServerConfig()
OPEN = ServerConfig(host="0.0.0.0", allowed_hosts=("avatar.example.org",))


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"])
def test_this_machine_is_always_allowed(host: str) -> None:
    assert host_allowed(host, LOCAL)
    assert host_allowed(host, OPEN)


@pytest.mark.parametrize("host", ["evil.example.com", "192.168.1.5:8080", "localhost.evil.example", "", "[bad"])
def test_a_loopback_server_answers_to_nothing_else(host: str) -> None:
    assert not host_allowed(host, LOCAL)


def test_an_open_server_answers_to_addresses_and_known_names_only() -> None:
    assert host_allowed("192.168.1.5:8080", OPEN)
    assert host_allowed("avatar.example.org", OPEN)
    assert not host_allowed("rebound.example.com", OPEN)


def test_its_own_name_is_looked_up_once_and_before_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    own_names.cache_clear()
    asked: list[str] = []
    monkeypatch.setattr("socket.getfqdn", lambda: asked.append("fqdn") or "Studio.example.org")  # type: ignore[func-returns-value]
    guard(OPEN)
    assert asked == ["fqdn"]
    assert host_allowed("studio.example.org:8080", OPEN)
    assert not host_allowed("other.example.org", OPEN)
    assert asked == ["fqdn"]
    own_names.cache_clear()


def test_origins() -> None:
    assert origin_allowed(None, "localhost:8080")
    assert origin_allowed("http://localhost:8080", "localhost:8080")
    assert not origin_allowed("http://localhost:9090", "localhost:8080")
    assert not origin_allowed("https://evil.example.com", "localhost:8080")
    assert not origin_allowed("null", "localhost:8080")
