"""From a recorded page to the report: joins, clocks, tables."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live.bench.latency_analysis import Run, account_for_lips, analyse, capture_times, merge, well_captured
from live.bench.latency_browser import COLUMNS, ROWS
from live.bench.latency_estimators import Response
from live.bench.latency_plots import plot
from live.bench.latency_report import machine_name, markdown, write
from live.bench.latency_soak import resource_trends, soak_markdown
from live.bench.latency_stimulus import Box, Stimulus
from live.errors import LiveError

VIDEO_MS = 100.0
SOUND_MS = 130.0
CLOCK = 5_000_000.0
"""The server's clock minus the page's."""


def face(opening: float) -> np.ndarray:
    image = np.full((ROWS, COLUMNS), 170.0)
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    image -= 60.0 * np.exp(-(((x - 16) / 10) ** 2 + ((y - 8) / 3) ** 2))
    image -= 110.0 * opening * np.exp(-(((x - 16) / 7) ** 2 + ((y - 19) / 4) ** 2))
    return image.astype(np.uint8)


def stimulus() -> Stimulus:
    whole = Box(0.0, 0.0, 1.0, 1.0)
    faces = tuple(np.repeat(face(o)[:, :, None], 3, 2) for o in (0.0, 1.0))
    return Stimulus(Path(), Path(), whole, whole, faces, faces, [faces])  # type: ignore[arg-type]


def picture(opening: float, **times: Any) -> dict[str, Any]:
    luma = base64.b64encode(face(opening).tobytes()).decode()
    return {"width": 256, "height": 256, "luma": luma, "rtp": None, "received": None} | times


def record(seconds: float = 30.0) -> dict[str, Any]:
    """A page whose avatar answers after 100 ms (plus the wait for the next picture) and whose sound takes 130 ms."""
    rng = np.random.default_rng(7)
    jumps = 500.0 + np.cumsum(rng.uniform(500.0, 1000.0, 60))
    speech = 700.0 + np.cumsum(rng.uniform(1000.0, 1600.0, 30))

    def opening(t: float) -> float:
        return float(np.searchsorted(jumps, t) % 2)

    times = np.arange(0.0, seconds * 1e3, 40.0)
    cameras = [picture(opening(t), tap=0, stamp=t + CLOCK, at=t + 3.0 + i % 5) for i, t in enumerate(times)]
    previews = [{"at": t + 20.0, "captured": t, "media": t} for i, t in enumerate(times) if i % 3]
    avatars = [picture(opening(t - VIDEO_MS), at=t, shown=t, received=t - 15.0, rtp=int(t)) for t in times if t > 200.0]
    frames = [
        {
            "rtp": int(t),
            "capture_ms": t - 80.0 + CLOCK,
            "sent_ms": t - 20.0 + CLOCK,
            "stages": [["track", 0.0, 10.0], ["warp", 15.0, 20.0]],
        }
        for t in times
        if t > 200.0
    ]
    pulls = []
    for name, delay in (("local", 0.0), ("remote", SOUND_MS)):
        t = np.arange(seconds * 1e3)
        since = t[:, None] - delay - speech
        level = np.where(((since >= 0) & (since < 400)).any(1), 0.3, 0.0003)
        for end in range(10, len(t), 10):
            # sound is captured in chunks that are complete at their end, and played from a chunk's arrival on
            at = float(end if name == "local" else end - 10)
            pulls.append(
                {
                    "name": name,
                    "tap": 0,
                    "at": at,
                    "end": float(end),
                    "stamp": at,
                    "bins": level[end - 10 : end].tolist(),
                }
            )
    stats = [{"at": f["rtp"] + 50.0, "frames": [f], "drops": {"driver": i // 100}} for i, f in enumerate(frames)]
    pings = [
        {"sent": 1000.0, "at": 1030.0, "server": 1012.0 + CLOCK},
        {"sent": 2000.0, "at": 2001.0, "server": 2000.5 + CLOCK},
    ]
    return {
        "camera": cameras, "preview": previews,
        "avatar": avatars, "sound": [], "pulls": pulls, "stats": stats, "pings": pings, "messages": [],
        "reports": [{"type": "inbound-rtp", "kind": "video", "framesDecoded": 700, "codecId": "x"}],
        "now": seconds * 1e3, "outputLatency": 0.03,
    }  # fmt: skip


@pytest.fixture(scope="module")
def run() -> Run:
    return analyse(record(), stimulus(), "live", "webcam")


def test_latencies_of_a_known_page(run: Run) -> None:
    figures = run.figures
    assert figures["unanswered"] == 0
    assert figures["answered"] > 25
    assert VIDEO_MS - 40.0 < figures["latency_ms"]["p50"] <= VIDEO_MS + 40.0
    assert figures["sound_latency_ms"]["p50"] == pytest.approx(SOUND_MS, abs=3.0)
    assert figures["skew_ms"]["p50"] == pytest.approx(SOUND_MS - figures["latency_ms"]["p50"], abs=25.0)
    assert figures["avatar_fps"] == pytest.approx(25.0)
    assert figures["camera_fps"] == pytest.approx(25.0)


def test_stages_are_joined_on_the_pages_clock(run: Run) -> None:
    stages = run.figures["stamped"]
    expected = {"track": 10.0, "warp": 20.0, "waiting": 30.0, "network": 5.0, "browser": 15.0, "total": 80.0}
    assert {name: q["p50"] for name, q in stages.items()} == pytest.approx(expected, abs=0.01)
    assert run.figures["clock_error_ms"] == 0.5
    assert run.figures["drops"]["not_presented"] == 0
    assert run.figures["drops"]["engine_driver"] > 0
    assert run.figures["browser"]["inbound-rtp-video"] == {"framesDecoded": 700}


def test_capture_times_are_on_the_pages_clock() -> None:
    known = record(5.0)
    assert capture_times(known) == pytest.approx(np.arange(0.0, 5000.0, 40.0), abs=1e-6)
    assert capture_times(known | {"preview": []}) == pytest.approx(np.arange(0.0, 5000.0, 40.0) + 3.0, abs=1e-6)


def test_events_next_to_a_gap_of_the_camera_do_not_count() -> None:
    captured = np.r_[np.arange(0.0, 4000.0, 40.0), np.arange(4600.0, 9000.0, 40.0)]
    events = np.array([2000.0, 4600.0, 5200.0, 7000.0])
    assert well_captured(captured, events).tolist() == [True, False, False, True]


def test_pictures_that_are_never_presented_count_as_drops() -> None:
    lossy = record()
    lossy["avatar"] = [p for i, p in enumerate(lossy["avatar"]) if i % 10]
    assert analyse(lossy, stimulus(), "live", "webcam").figures["drops"]["share"] == pytest.approx(0.1, abs=0.02)


def test_the_mouths_own_timing_is_taken_out_of_the_skew() -> None:
    talking = record()
    # the mouth answers sound now, not the camera: open while there is sound, 100 ms later
    speech = [p["at"] - 10 for p in talking["pulls"] if p["name"] == "local" and max(p["bins"]) > 0.1]
    loud = np.array(speech)
    talking["avatar"] = [
        picture(float(((p["shown"] - VIDEO_MS - loud >= 0) & (p["shown"] - VIDEO_MS - loud < 12)).any()), **{
            k: p[k] for k in ("at", "shown", "received", "rtp")
        })
        for p in talking["avatar"]
    ]  # fmt: skip
    spoken = analyse(talking, stimulus(), "live", "microphone")
    raw = spoken.figures["skew_ms"]["p50"]
    account_for_lips(spoken, [Response(0.0, 25.0, 40.0, 0)] * 3, 2)
    assert spoken.figures["lip_timing_ms"]["unanswered"] == 2
    assert spoken.figures["answered"] > 10
    assert spoken.figures["latency_ms"]["p50"] == pytest.approx(VIDEO_MS + 20.0, abs=22.0)
    assert spoken.figures["skew_ms"]["p50"] == pytest.approx(raw + 25.0)


def test_an_empty_page_is_an_error() -> None:
    empty = record(2.0) | {"avatar": []}
    with pytest.raises(LiveError, match="only 0 pictures"):
        analyse(empty, stimulus(), "live", "webcam")


def test_records_are_merged_in_order() -> None:
    one, two = record(3.0), record(2.0)
    merged = merge([one, two])
    assert len(merged["avatar"]) == len(one["avatar"]) + len(two["avatar"])
    assert merged["now"] == two["now"]


def test_report(run: Run, tmp_path: Path) -> None:
    stock = Run("stock", "webcam", json.loads(json.dumps(run.figures)), run.series, run.responses)
    stock.figures["latency_ms"] = {k: 2 * v for k, v in stock.figures["latency_ms"].items()}
    text = markdown("Latency", {"machine": "test"}, [run, stock])
    assert "stock / live = 2.00 (p50)" in text
    assert "Slowest stage (webcam): waiting, 30 ms." in text
    assert "| webcam → avatar p50 | 90 |" in text
    write(tmp_path, "latency-test", text, {"machine": "test"}, [run, stock])
    data = json.loads((tmp_path / "latency-test.json").read_text())
    assert [r["pipeline"] for r in data["runs"]] == ["live", "stock"]
    assert len(data["runs"][0]["events"]) == run.figures["answered"]
    assert "NaN" not in (tmp_path / "latency-test.json").read_text()


def test_plot(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot(tmp_path / "latency.png", "test", [run])
    assert (tmp_path / "latency.png").read_bytes().startswith(b"\x89PNG")


def test_machine_name_fits_a_file_name() -> None:
    assert machine_name().replace("-", "").isalnum()


def test_soak_finds_a_leak() -> None:
    base = {"threads": 12.0, "tasks": 19.0, "fds": 20.0, "blocks": 240_000.0}
    reports = [base | {"t": 1000.0 + i, "rss": 4e8 + 5e4 * max(0, i - 60), "cpu": 0.8 * i} for i in range(600)]
    trends = resource_trends(reports)
    assert trends["rss"]["change"] == pytest.approx(5e4 * 539, rel=0.02)
    assert trends["fds"]["change"] == 0.0
    assert trends["cpu"]["cores"] == pytest.approx(0.8)
    text = soak_markdown(10.0, trends, {"latency": 1.25})
    assert "latency +1.2 ms" in text or "latency +1.3 ms" in text
    assert resource_trends(reports[:3]) == {}
