"""A worse network between the benchmark's browser and the server: netem in a network namespace, or a UDP relay."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import os
import random
import re
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, Route

BROWSER_SIDE: Final = "10.213.77.2"
SERVER_SIDE: Final = "10.213.77.1"
BUFFER: Final = 0.2
"""Seconds of packets that wait in front of the relay's rate limit before it drops."""


@dataclass(frozen=True, slots=True)
class Impairment:
    """What the network does to each packet, independently, in both directions.

    Attributes:
        loss: share of packets lost, 0..1.
        jitter_ms: every packet is delayed by a random time, uniform between 0 and this.
        rate_kbit: bits per second of the link / 1000; 0 = unlimited.
    """

    loss: float = 0.0
    jitter_ms: float = 0.0
    rate_kbit: float = 0.0

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return self.loss > 0 or self.jitter_ms > 0 or self.rate_kbit > 0

    def netem(self) -> list[str]:
        """Arguments of `tc qdisc add dev X root netem`."""
        words = []
        if self.jitter_ms:
            half = f"{self.jitter_ms / 2:g}ms"
            words += ["delay", half, half]  # uniform between 0 and jitter_ms
        if self.loss:
            words += ["loss", f"{self.loss * 100:g}%"]
        if self.rate_kbit:
            words += ["rate", f"{self.rate_kbit:g}kbit"]
        return words


@dataclass(slots=True)
class Network:
    """Where server and browser run.

    Attributes:
        kind: "direct", "netem" or "relay".
        host: address on which the server listens.
        executable: the browser to start.
        relay: set for "relay"; to be installed in the page.
    """

    kind: str
    host: str
    executable: str
    relay: UdpRelay | None = None

    def prepare(self, page: Page) -> None:
        """Send the page's media through the relay, if there is one."""
        if self.relay is not None:
            page.route("**/offer", self.relay.answer)


@contextmanager
def open_network(impairment: Impairment, executable: str, folder: Path) -> Iterator[Network]:
    """The network for a run; everything it set up is removed at the end.

    Network namespaces need root and the kernel's netem; where they cannot be had, the relay does it.
    """
    with contextlib.ExitStack() as stack:
        if not impairment.any:
            yield Network("direct", "127.0.0.1", executable)
        elif namespace := _open_namespace(stack, impairment):
            wrapper = folder / "browser-in-namespace"
            wrapper.write_text(f'#!/bin/sh\nexec ip netns exec {namespace} {executable} "$@"\n')
            wrapper.chmod(0o755)
            yield Network("netem", SERVER_SIDE, str(wrapper))
        else:
            yield Network("relay", "127.0.0.1", executable, stack.enter_context(UdpRelay(impairment)))


def _open_namespace(stack: contextlib.ExitStack, impairment: Impairment) -> str | None:
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("tc"):
        return None
    name = f"live-bench-{os.getpid()}"
    ours, theirs = f"lb{os.getpid() % 100000}a", f"lb{os.getpid() % 100000}b"
    inside = ["ip", "netns", "exec", name]
    steps = [
        ["ip", "netns", "add", name],
        ["ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name],
        ["ip", "address", "add", f"{SERVER_SIDE}/30", "dev", ours],
        ["ip", "link", "set", ours, "up"],
        [*inside, "ip", "address", "add", f"{BROWSER_SIDE}/30", "dev", theirs],
        [*inside, "ip", "link", "set", theirs, "up"],
        [*inside, "ip", "link", "set", "lo", "up"],
        ["tc", "qdisc", "add", "dev", ours, "root", "netem", *impairment.netem()],
        [*inside, "tc", "qdisc", "add", "dev", theirs, "root", "netem", *impairment.netem()],
    ]
    for step in steps:
        if subprocess.run(step, capture_output=True, timeout=10).returncode != 0:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=10)
            return None
        if step is steps[0]:
            # deleting the namespace deletes its end of the pair, and with it ours
            stack.callback(subprocess.run, ["ip", "netns", "delete", name], capture_output=True, timeout=10)
    return name


@dataclass(order=True)
class _Waiting:
    due: float
    number: int
    data: bytes = field(compare=False)
    to_server: bool = field(compare=False)


class UdpRelay:
    """Passes UDP between browser and server on the loopback, losing and delaying packets as told.

    The browser's offer loses its candidates and the server's answer gets one, the relay. So every packet goes through
    it: the server learns the relay's other port from the first connectivity check (RFC 8445 §7.3.1.3).

    Args:
        impairment: what to do to packets.
        seed: of the losses and delays.
    """

    def __init__(self, impairment: Impairment, seed: int = 1) -> None:
        self._impairment = impairment
        self._random = random.Random(seed)
        self._browser_socket = self._bind()
        self._server_socket = self._bind()
        self._browser: tuple[str, int] | None = None
        self._server: tuple[str, int] | None = None
        self._queue: list[_Waiting] = []
        self._numbers = itertools.count()
        self._link_free = {True: 0.0, False: 0.0}
        self._closed = threading.Event()
        self.dropped = 0
        self.passed = 0
        self._thread = threading.Thread(target=self._run, name="live-bench-relay", daemon=True)

    def __enter__(self) -> UdpRelay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(2.0)
        self._browser_socket.close()
        self._server_socket.close()

    @property
    def port(self) -> int:
        """Where the browser sends."""
        return int(self._browser_socket.getsockname()[1])

    def answer(self, route: Route) -> None:
        """Handle the page's `/offer` request."""
        body = json.loads(route.request.post_data or "{}")
        body["sdp"] = without_candidates(body["sdp"])
        response = route.fetch(post_data=json.dumps(body))
        reply = response.json()
        if "sdp" in reply:
            self._server = first_candidate(reply["sdp"])
            self._browser = None
            reply["sdp"] = with_candidate(reply["sdp"], "127.0.0.1", self.port)
        route.fulfill(response=response, body=json.dumps(reply))

    def connect(self, server: tuple[str, int]) -> None:
        """Send what comes from the browser to `server`."""
        self._server = server

    def delay(self, now: float, size: int, to_server: bool) -> float | None:
        """Seconds that a packet of `size` bytes waits; `None` if it is lost."""
        if self._random.random() < self._impairment.loss:
            return None
        wait = self._random.uniform(0.0, self._impairment.jitter_ms / 1e3)
        if self._impairment.rate_kbit:
            free = max(now, self._link_free[to_server])
            if free - now > BUFFER:
                return None
            self._link_free[to_server] = free + size * 8 / (self._impairment.rate_kbit * 1e3)
            wait += self._link_free[to_server] - now
        return wait

    @staticmethod
    def _bind() -> socket.socket:
        created = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        created.bind(("127.0.0.1", 0))
        created.setblocking(False)
        return created

    def _run(self) -> None:
        while not self._closed.is_set():
            wait = min(0.1, max(0.0, self._queue[0].due - time.monotonic())) if self._queue else 0.1
            for ready in select.select([self._browser_socket, self._server_socket], [], [], wait)[0]:
                self._receive(ready)
            now = time.monotonic()
            while self._queue and self._queue[0].due <= now:
                self._forward(heapq.heappop(self._queue))

    def _receive(self, ready: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            data, sender = ready.recvfrom(65_536)
            to_server = ready is self._browser_socket
            if to_server:
                self._browser = sender
            now = time.monotonic()
            wait = self.delay(now, len(data), to_server)
            if wait is None:
                self.dropped += 1
            else:
                heapq.heappush(self._queue, _Waiting(now + wait, next(self._numbers), data, to_server))

    def _forward(self, item: _Waiting) -> None:
        target = self._server if item.to_server else self._browser
        outgoing = self._server_socket if item.to_server else self._browser_socket
        if target is not None:
            with contextlib.suppress(OSError):
                outgoing.sendto(item.data, target)
                self.passed += 1


def without_candidates(sdp: str) -> str:
    """A session description without transport addresses."""
    return "".join(line for line in sdp.splitlines(keepends=True) if not line.startswith("a=candidate:"))


def first_candidate(sdp: str) -> tuple[str, int]:
    """Address of a description's first IPv4 UDP candidate."""
    found = re.search(r"^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host", sdp, re.MULTILINE | re.I)
    if found is None:
        raise ValueError("the description has no IPv4 host candidate")
    return found[1], int(found[2])


def with_candidate(sdp: str, host: str, port: int) -> str:
    """A description whose only transport address is `host:port`, in every section."""
    line = f"a=candidate:1 1 udp 2130706431 {host} {port} typ host\r\n"
    return re.sub(r"^(a=ice-ufrag:)", lambda found: line + found[1], without_candidates(sdp), flags=re.MULTILINE)
