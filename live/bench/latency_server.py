"""The engine's server in a process of its own, which reports its resources and ends with its parent."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from live.errors import LiveError

START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 10.0
REPORT_INTERVAL: Final = 1.0


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What the benchmark varies.

    Attributes:
        stock: the comparison pipeline instead of the engine's transport.
        host: address to listen on.
        size: side of the pictures, pixels.
        backend: renderer, see `live.render.create_renderer`.
        fps: frame rate.
        codec: video codec.
    """

    stock: bool = False
    host: str = "127.0.0.1"
    size: int = 256
    backend: str = "auto"
    fps: float = 25.0
    codec: str = "VP8"


class ServerProcess:
    """Starts the server and collects what it reports; a context manager that always ends the whole process group.

    Attributes:
        url: where it answers.
        reports: resources once per second: `t` (monotonic s), `rss` (bytes), `threads`, `tasks`, `fds`, `cpu` (s).
        errors: the last lines it wrote to stderr.

    Raises:
        LiveError: it does not start.
    """

    def __init__(self, options: ServerOptions, prefix: tuple[str, ...] = ()) -> None:
        self.url = ""
        self.reports: list[dict[str, float]] = []
        self.errors: deque[str] = deque(maxlen=40)
        arguments = [f"--{key}={value}" for key, value in (
            ("host", options.host), ("size", options.size), ("backend", options.backend), ("fps", options.fps),
            ("codec", options.codec))]  # fmt: skip
        command = [*prefix, sys.executable, "-m", "live.bench.latency_server", *arguments]
        self._process = subprocess.Popen(
            command + (["--stock"] if options.stock else []),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._ready = threading.Event()
        self._readers = [
            threading.Thread(target=target, daemon=True) for target in (self._read_reports, self._read_errors)
        ]
        for reader in self._readers:
            reader.start()
        if not self._ready.wait(START_TIMEOUT) or not self.url:
            self.close()
            raise LiveError("The server did not start: " + " ".join(self.errors)[-600:], "Try `live serve`.")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def close(self) -> None:
        """End it: politely, then not. Safe to call twice."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for reader in self._readers:
            reader.join(2.0)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read_reports(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                report = json.loads(line)
            except ValueError:
                continue
            if "url" in report:
                self.url = report["url"]
                self._ready.set()
            else:
                self.reports.append(report)
        self._ready.set()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.errors.append(line.rstrip())


def resources(tasks: int) -> dict[str, float]:
    """This process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if sys.platform == "linux" else 0
    descriptors = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0  # noqa: PTH208
    return {
        "t": round(time.monotonic(), 3),
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
        "threads": threading.active_count(),
        "tasks": tasks,
        "fds": descriptors,
        # Walking all objects (`gc.get_objects`) would stop every thread for tens of milliseconds: seen in the figures.
        "blocks": sys.getallocatedblocks(),
        "cpu": round(time.process_time(), 3),
    }


def print_line(report: dict[str, Any]) -> None:
    """One JSON line for the parent."""
    print(json.dumps(report), flush=True)


async def report_resources(parent: int) -> None:
    """Print them once per second, and end this process when `parent` is gone."""
    while True:
        await asyncio.sleep(REPORT_INTERVAL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        print_line(resources(len(asyncio.all_tasks())))


async def _serve(args: argparse.Namespace) -> None:
    from live.studio import LocalStudio
    from live.transport.config import ServerConfig
    from live.transport.server import serve

    studio = LocalStudio(args.backend, (args.size, args.size), args.fps)
    config = ServerConfig(host=args.host, port=0, fps=args.fps, codec=args.codec)

    def ready(url: str) -> None:
        print_line({"url": url})

    reporter = asyncio.create_task(report_resources(os.getppid()))
    try:
        if args.stock:
            from live.bench.stock_pipeline import serve_stock

            await serve_stock(config, studio, ready)
        else:
            await serve(config, studio, ready)
    finally:
        reporter.cancel()


def main() -> None:
    """Run the server of the command line's options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--host", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--fps", type=float, required=True)
    parser.add_argument("--codec", required=True)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
