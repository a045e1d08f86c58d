"""`live bench sessions`: how many sessions of 25 frames/s one machine carries with p95 below 40 ms.

Each session is a thread that wants a frame every 40 ms, starting at a moment of its own, and skips what it is too late
for, as a live session does. A frame's latency counts from the moment it was due until its picture is there.

`--device cuda` shares one card through the batcher, as the server does: each session hands in motion, the card draws
the whole frame, and the picture is fetched. `--program` chooses what it draws. The portrait is the one that ships, its
face known beforehand, so that no tracker is needed. `--device cpu` measures the renderers of the processor with all
they do. `--dry` runs the card's code on the processor with a tiny network.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from live.errors import LiveError

PERIOD: Final = 0.04
"""Seconds per frame: 25 frames/s."""

LIMIT_MS: Final = 40.0
"""p95 latency that counts as held."""

MAX_SKIPPED: Final = 0.01
"""Share of frames that may be skipped for being a whole period late."""

CARD_COUNTS: Final = [32, 64, 96, 128, 192]
"""Numbers of sessions that are tried on a card."""

WARM_UP: Final = 5
"""First frames of each session that do not count."""

PROGRAMS: Final = ("network", "geometry", "session-geometry")
_PROGRAM_HELP: Final = (
    "the card draws whole frames with the live network (default), or by geometry alone; or sessions draw the geometry "
    "on the processor and the card runs the network"
)

DrawFrame = Callable[[int], object]
"""Renders a session's frame of that number and returns when it is there."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a number of sessions got.

    Attributes:
        sessions: how many there were.
        frames: frames that counted.
        skipped: share of frames that were not drawn because the session was more than a period late.
        p50_ms, p95_ms, worst_p95_ms: latency over all frames, and the worst session's p95.
        fps: frames per second of all sessions together.
        held: whether p95 stayed below the limit and next to nothing was skipped.
        card: of the same frames on a shared card, medians over its sessions (`card_report`); empty elsewhere.
    """

    sessions: int
    frames: int
    skipped: float
    p50_ms: float
    p95_ms: float
    worst_p95_ms: float
    fps: float
    held: bool
    card: dict[str, float] = field(default_factory=dict)


def carry(draws: list[DrawFrame], seconds: float, *, seed: int = 0) -> Outcome:
    """Run sessions at 25 frames/s for `seconds`, each with its own phase.

    Args:
        draws: one per session; called from a thread of its own.
        seconds: how long.
        seed: of the phases.

    Raises:
        LiveError: no session drew anything, e.g. because every frame failed.
    """
    phases = random.Random(seed)
    start = time.perf_counter() + 0.1
    frames = max(int(seconds / PERIOD), WARM_UP + 1)
    latencies: list[list[float]] = [[] for _ in draws]
    skipped = [0] * len(draws)
    errors: list[str] = []

    def live(number: int, draw: DrawFrame, phase: float) -> None:
        for i in range(frames):
            due = start + phase + i * PERIOD
            now = time.perf_counter()
            if now < due:
                time.sleep(due - now)
            elif now > due + PERIOD:
                skipped[number] += i >= WARM_UP
                continue
            try:
                draw(i)
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")
                return
            if i >= WARM_UP:
                latencies[number].append((time.perf_counter() - due) * 1e3)

    threads = [
        threading.Thread(target=live, args=(i, draw, phases.random() * PERIOD), daemon=True)
        for i, draw in enumerate(draws)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = np.concatenate([np.array(times) for times in latencies]) if draws else np.zeros(0)
    if errors or not len(every):
        raise LiveError(f"Sessions failed: {errors[0] if errors else 'no frame was drawn'}.")
    p50, p95 = (float(x) for x in np.percentile(every, (50, 95)))
    worst = max(float(np.percentile(times, 95)) for times in latencies if times)
    share = sum(skipped) / (len(every) + sum(skipped))
    held = p95 < LIMIT_MS and share <= MAX_SKIPPED
    rate = len(every) / ((frames - WARM_UP) * PERIOD)
    return Outcome(len(draws), len(every), share, p50, p95, worst, rate, held)


def most_sessions(attempt: Callable[[int], Outcome], counts: list[int]) -> Iterator[tuple[int, Outcome]]:
    """Try growing numbers of sessions until one is not held, then the middle between the last two.

    Yields after every attempt the largest number that held so far (0: none), and the outcome.
    """
    best = 0
    for count in counts:
        outcome = attempt(count)
        if outcome.held:
            best = count
            yield best, outcome
            continue
        yield best, outcome
        middle = (best + count) // 2
        if best < middle < count:
            outcome = attempt(middle)
            yield middle if outcome.held else best, outcome
        return


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("--device", default="cpu", help="cpu (the default), cuda or cuda:N")
    parser.add_argument("--backend", default="auto", help="with --device cpu: which renderer (default: auto)")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures, pixels (default: 256)")
    parser.add_argument("--counts", default="", help="numbers of sessions to try, e.g. 1,2,4 (default: by device)")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long to run each number (default: 6)")
    parser.add_argument("--program", choices=PROGRAMS, default="network", help="with --device cuda: " + _PROGRAM_HELP)
    parser.add_argument("--dry", action="store_true", help="the card's code on the processor, tiny; times mean nothing")
    parser.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help="write JSON and Markdown into this folder"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print and write. Raises `LiveError` where the device is missing."""
    on_card = args.dry or args.device.startswith("cuda")
    default = ([1, 2] if args.dry else CARD_COUNTS) if on_card else [1, 2, 3, 4, 6, 8, 12, 16]
    counts = [int(n) for n in args.counts.split(",") if n] or default
    name, facts, attempt, close = _card(args, max(counts)) if on_card else _processor(args)
    outcomes: list[Outcome] = []
    data: dict[str, Any] = {"what": name, **facts, "limit_ms": LIMIT_MS, "held": 0, "error": "", "outcomes": []}
    stem = f"{facts['slug']}-sessions" + ("" if args.program == "network" else f"-{args.program}")
    try:
        for best, outcome in most_sessions(attempt, counts):
            outcomes.append(outcome)
            data |= {"held": best, "outcomes": [asdict(o) for o in outcomes]}
            _write(args.out, stem, data, outcomes)  # what there is so far is safe
    except LiveError as error:
        data["error"] = error.message
        _write(args.out, stem, data, outcomes)
    finally:
        close()
    print(_markdown(data, outcomes))
    return 1 if data["error"] else 0


def _write(folder: Path | None, stem: str, data: dict[str, Any], outcomes: list[Outcome]) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{stem}.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        (folder / f"{stem}.md").write_text(_markdown(data, outcomes), encoding="utf-8")


Prepared = tuple[str, dict[str, Any], Callable[[int], Outcome], Callable[[], None]]
"""What is measured, facts for the report, the measurement for a number of sessions, and how to end."""


def _card(args: argparse.Namespace, most: int) -> Prepared:
    from live.bench.network_cases import sample_geometric
    from live.bench.render_cuda import describe
    from live.render.cuda.card import MAX_BATCH, SharedCard
    from live.render.cuda.device import open_device
    from live.render.cuda.engine import Engine
    from live.render.cuda.renderer import CudaRenderer

    device = open_device("cpu" if args.dry else args.device)
    program = _card_program(args, device, most)
    card = SharedCard(Engine(program, max_batch=2 if args.dry else MAX_BATCH))
    geometric = sample_geometric(program.size[0])
    done = {
        "network": "whole frames with the live network",
        "geometry": "whole frames by geometry",
        "session-geometry": "the live network on the card, geometry by the sessions",
    }[args.program]
    what = f"{done}, {program.size[0]}², coefficients to RGB, batches up to {card.engine.max_batch}"
    facts = describe(device.name, dry=args.dry)
    return what, facts, _with_renderers(lambda: CudaRenderer(geometric, card), args.seconds), card.close


def _card_program(args: argparse.Namespace, device: Any, most: int) -> Any:
    from live.bench import network_cases
    from live.render.cuda.program import OutputFormat

    make = network_cases.face_case if args.program == "geometry" else network_cases.live_frame_case
    case = make(device, small=args.dry, side=args.size, portraits=most, output=OutputFormat())
    if args.program == "session-geometry":
        return case.program.network  # type: ignore[attr-defined]
    return case.program


def _processor(args: argparse.Namespace) -> Prepared:
    from live.render import create_renderer

    make = _renderers(lambda avatar: create_renderer(avatar, args.backend, (args.size, args.size)))
    import platform

    facts = {"device": platform.processor() or platform.machine(), "slug": "cpu", "dry": False}
    what = f"renderer {args.backend}, {args.size}², geometry included"
    return what, facts, _with_renderers(make, args.seconds), lambda: None


def _renderers(make: Callable[[Any], Any]) -> Callable[[], Any]:
    """A function that makes one session's renderer for the portrait that ships."""
    from live.bench.sample_avatar import sample_avatar

    avatar = sample_avatar()
    return lambda: make(avatar)


def _with_renderers(make: Callable[[], Any], seconds: float) -> Callable[[int], Outcome]:
    def attempt(count: int) -> Outcome:
        renderers = [make() for _ in range(count)]
        rng = np.random.default_rng(0)
        try:
            outcome = carry([_speaking(renderer, rng.random() * 10) for renderer in renderers], seconds)
            return replace(outcome, card=card_report(renderers))
        finally:
            for renderer in renderers:
                renderer.close()

    return attempt


def card_report(renderers: list[Any]) -> dict[str, float]:
    """Medians over the sessions of a shared card, of each one's own report (`CudaRenderer.latency`): milliseconds from
    handing in to the start of the batch and to the picture, and frames per batch. Empty without a card."""
    reports = [renderer.latency() for renderer in renderers if hasattr(renderer, "latency")]
    keys = ("wait_p50", "total_p50", "total_p95", "mean_batch") if reports else ()
    return {key: float(np.median([getattr(report, key) for report in reports])) for key in keys}


def _speaking(renderer: Any, offset: float) -> DrawFrame:
    """Frames of somebody who turns his head and opens his mouth."""
    from live.frames import MotionFrame
    from live.motion.arkit import ARKIT_INDEX

    def draw(i: int) -> object:
        motion = MotionFrame.neutral(i * PERIOD)
        t = offset + i * PERIOD
        motion.expression[ARKIT_INDEX["jawOpen"]] = 0.3 + 0.3 * np.sin(9 * t)
        motion.expression[ARKIT_INDEX["mouthPucker"]] = 0.2 + 0.2 * np.sin(5 * t)
        motion.rotation[:] = 0.1 * np.sin(2 * t), 0.2 * np.sin(1.3 * t), 0.05 * np.sin(t)
        return renderer.render(motion)

    return draw


def _markdown(data: dict[str, Any], outcomes: list[Outcome]) -> str:
    lines = [f"# Sessions on {data['device']}", ""]
    if data["dry"]:
        lines += ["**Dry run on the processor with a tiny network: these figures mean nothing.**", ""]
    lines += [f"{data['what']}; 25 frames/s each, p95 below {LIMIT_MS:.0f} ms: **{data['held']} sessions**.", ""]
    lines += [
        "| sessions | frames/s | p50 ms | p95 ms | worst session's p95 | skipped | held "
        "| on the card: waiting, in all p50, p95 ms; frames a batch |",
        "|---" * 8 + "|",
    ]
    for o in outcomes:
        numbers = f"{o.fps:.0f} | {o.p50_ms:.1f} | {o.p95_ms:.1f} | {o.worst_p95_ms:.1f} | {o.skipped:.1%}"
        card = "{wait_p50:.1f}, {total_p50:.1f}, {total_p95:.1f}; {mean_batch:.1f}".format(**o.card) if o.card else "-"
        lines.append(f"| {o.sessions} | {numbers} | {'yes' if o.held else 'no'} | {card} |")
    if data["error"]:
        lines += ["", f"Ended early: {data['error']}"]
    return "\n".join(lines) + "\n"


def main() -> int:
    """`python -m live.bench.sessions`: the same without the command line's other parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
