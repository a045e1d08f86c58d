"""`live bench latency`: from the camera and the microphone of a real browser to the picture and sound it presents."""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import live
from live.bench.latency_analysis import WARM_UP_MS, Run, account_for_lips, analyse, merge
from live.bench.latency_browser import AvatarPage, Record, find_chromium, open_browser
from live.bench.latency_disturbances import Disturber, disturbances_markdown
from live.bench.latency_lips import lip_timing
from live.bench.latency_network import Impairment, Network, open_network
from live.bench.latency_plots import plot
from live.bench.latency_report import machine_name, markdown, write
from live.bench.latency_server import ServerOptions, ServerProcess
from live.bench.latency_soak import resource_trends, soak_markdown
from live.bench.latency_stimulus import Stimulus, make_stimulus
from live.errors import LiveError

TAKE_INTERVAL: Final = 60.0
"""Seconds after which the page's record is fetched, so that it stays small there."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--seconds", type=float, default=32.0, help="measured time per driver (default: 32)")
    parser.add_argument("--size", type=int, default=256, help="side of the avatar's picture (default: 256)")
    parser.add_argument("--fps", type=int, default=25, help="pictures per second of camera and speech (default: 25)")
    parser.add_argument("--backend", default="auto", help="renderer (default: auto)")
    parser.add_argument("--codec", choices=("VP8", "H264"), default="VP8", help="video codec (default: VP8)")
    parser.add_argument("--driver", choices=("both", "webcam", "microphone"), default="both", help="what to measure")
    parser.add_argument("--compare", action="store_true", help="also measure a stock aiortc pipeline in the same run")
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES", help="one long run; watches for leaks")
    parser.add_argument(
        "--disturb",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="every so often pause, take another microphone, or let a program speak and interrupt it, in turn",
    )
    parser.add_argument("--loss", type=float, default=0.0, metavar="PERCENT", help="packets lost, each direction")
    parser.add_argument("--jitter", type=float, default=0.0, metavar="MS", help="random extra delay, 0 to MS")
    parser.add_argument("--rate", type=float, default=0.0, metavar="KBIT", help="link rate, kbit/s")
    parser.add_argument("--browser", help="executable of Chromium or Chrome (default: the first on the PATH)")
    parser.add_argument(
        "--hear",
        action="store_true",
        help="play the avatar's sound on the page, which then holds the picture back for lip-sync",
    )
    parser.add_argument("--screenshot", action="store_true", help="save what the page looked like, too")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="where the results go")


def run(args: argparse.Namespace) -> int:
    """Measure, print and write the results.

    Raises:
        LiveError: no browser, no speech synthesiser, or the page does not work.
    """
    from live.studio import LocalStudio

    seconds = _seconds(args)
    if args.disturb and (args.compare or seconds < 2 * args.disturb):
        raise LiveError(
            f"--disturb {args.disturb:g} needs a run of at least {2 * args.disturb:g} s, without --compare.",
            "For example: live bench latency --hear --disturb 30 --seconds 200",
        )
    impairment = Impairment(args.loss / 100, args.jitter, args.rate)
    executable = args.browser or find_chromium()
    name = "-".join(["latency", machine_name(), *_suffixes(args)])
    with tempfile.TemporaryDirectory(prefix="live-latency-") as temporary:
        folder = Path(temporary)
        print("Making the film and the speech …", flush=True)
        avatar = LocalStudio().load(None)
        stimulus = make_stimulus(folder, avatar, args.fps)
        with open_network(impairment, executable, folder) as network:
            conditions = _conditions(args, impairment, network)
            runs: list[Run] = []
            trends: dict[str, Any] = {}
            for pipeline in ("live", "stock") if args.compare else ("live",):
                measured, trends[pipeline] = _measure(args, pipeline, stimulus, network)
                runs += measured
        spoken = [run for run in runs if run.driver == "microphone"]
        if spoken:
            print("Timing the mouth against the sound offline …", flush=True)
            timing, missed = lip_timing(stimulus, avatar, args.fps)
            for run in spoken:
                account_for_lips(run, timing, missed)
    extra = ""
    if args.soak:
        extra = soak_markdown(args.soak, trends["live"], runs[0].figures["drift_ms"])
    if args.disturb:
        extra += "".join(disturbances_markdown(run.driver, run.figures["after_disturbances"]) for run in runs)
    text = markdown("Latency, judged in the browser", conditions, runs, extra)
    print(text)
    write(args.output, name, text, conditions, runs, resources=trends)
    plot(args.output / f"{name}.png", f"live {live.__version__} on {machine_name()}", runs)
    print(f"Written: {args.output / name}.md, .json, .png")
    return 0


def _measure(
    args: argparse.Namespace, pipeline: str, stimulus: Stimulus, network: Network
) -> tuple[list[Run], dict[str, Any]]:
    options = ServerOptions(pipeline == "stock", network.host, args.size, args.backend, args.fps, args.codec)
    drivers = ["webcam", "microphone"] if args.driver == "both" else [args.driver]
    if args.soak:
        drivers = drivers[:1]
    runs = []
    began = float("inf")
    with (
        ServerProcess(options) as server,
        open_browser(stimulus, server.url, network.executable) as browser,
    ):
        for driver in drivers:
            print(f"Measuring {pipeline}, {driver} …", flush=True)
            try:
                page = AvatarPage(
                    browser, server.url, stimulus, driver, stock=pipeline == "stock", prepare=network.prepare
                )
                try:
                    if args.hear:
                        page.hear()
                    began = min(began, time.monotonic())
                    disturber = Disturber(page, stimulus.speech)
                    record = merge(_watch(page, _seconds(args), args.disturb, disturber))
                    if args.screenshot:
                        args.output.mkdir(parents=True, exist_ok=True)
                        page.screenshot(args.output / f"latency-page-{pipeline}-{driver}.png")
                finally:
                    page.close()
            except LiveError as error:
                said = " ".join(server.errors)[-400:]
                raise LiveError(f"{error.message} The server said: {said or 'nothing'}", error.hint) from error
            runs.append(analyse(record, stimulus, pipeline, driver, disturber.done))
        # one machine, one monotonic clock: only what the server used while it was measured
        return runs, resource_trends([report for report in server.reports if report["t"] >= began])


def _seconds(args: argparse.Namespace) -> float:
    """How long each driver is measured."""
    return float(args.soak * 60 if args.soak else args.seconds)


def _watch(page: AvatarPage, seconds: float, disturb_every: float, disturber: Disturber) -> list[Record]:
    """Run for `seconds` plus the warm-up, fetching the record now and then, and disturbing if wished."""
    page.wait(WARM_UP_MS / 1e3)
    begin = time.monotonic()
    end, next_one = begin + seconds, begin + (disturb_every or float("inf"))
    while (left := end - time.monotonic()) > 0:
        page.wait(max(0.0, min(left, TAKE_INTERVAL, next_one - time.monotonic())))
        if time.monotonic() >= next_one and left > disturb_every:
            disturber.disturb()
            next_one = time.monotonic() + disturb_every
        else:
            disturber.records.append(page.take())
            if left <= disturb_every:
                next_one = float("inf")
    return disturber.records


def _suffixes(args: argparse.Namespace) -> list[str]:
    named = (
        (args.loss, f"loss{args.loss:g}"),
        (args.jitter, f"jitter{args.jitter:g}"),
        (args.rate, f"rate{args.rate:g}"),
        (args.soak, f"soak{args.soak:g}"),
        (args.size != 256, f"{args.size}px"),
        (args.backend != "auto", args.backend),
        (args.codec != "VP8", args.codec.lower()),
        (args.driver != "both", args.driver),
        (args.hear, "hear"),
        (args.disturb, "disturbed"),
    )
    return [text for wanted, text in named if wanted]


def _conditions(args: argparse.Namespace, impairment: Impairment, network: Network) -> dict[str, Any]:
    load = Path("/proc/loadavg")
    described = "none"
    if impairment.any:
        described = (
            f"loss {args.loss:g} %, jitter 0 to {args.jitter:g} ms, rate "
            f"{args.rate or 'unlimited'} kbit/s, each direction, by {network.kind}"
        )
    return {
        "engine": live.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine_name(),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "picture": f"{args.size}², {args.fps} pictures/s, {args.codec}, renderer {args.backend}",
        "sound": "played on the page, lip-synced" if args.hear else "not played on the page",
        "network": described,
        "load before": load.read_text().split()[0] if load.exists() else "unknown",
    }
