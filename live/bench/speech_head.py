"""Whether the head moves like that of people who speak: range, speed, blinks, and nods that fall on stressed syllables.

The driver hears the clips' own sound and is compared with the tracked faces. Both are measured alike, at the shift
within ±200 ms that suits them best, because clips from the web need not have their own sound in sync.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from live.bench.speech_metrics import Curve
from live.bench.speech_reference import LipReference
from live.frames import FloatArray
from live.motion.arkit import ARKIT_INDEX
from live.motion.speech.blinks import THRESHOLD
from live.motion.speech.features import MELS, FeatureExtractor
from live.motion.speech.offline import motion_for

FPS: Final = 25
SEEDS: Final = 5
"""Runs of the driver per clip: it is random."""
SMOOTHING_S: Final = 0.04
"""Of tracked rotations, against the tracker's noise, as in the driver's training; what the driver makes has none."""
STRESS_SMOOTHING_S: Final = 0.06
STRESS_PROMINENCE: Final = 0.15
"""How far (in units of 20 dB) a peak of loudness stands out to count as a stressed syllable."""
STRESS_WINDOW_S: Final = 0.1
SPEECH_LOUDNESS: Final = -0.25
"""Loudness (level over the speech level, offset as in `features`) above which somebody speaks."""
LONGEST_SHIFT_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class HeadFigures:
    """What a head does in a clip.

    Attributes:
        spread: (3,) standard deviations of pitch, yaw and roll, degrees.
        speed: (3,) root mean square of their speeds, degrees per second.
        blinks: per minute.
        nod: mean speed of pitch around stressed syllables, relative to its mean while speaking, at the best shift; 1 =
            nods do not care. Not a number with fewer than four stressed syllables.
        coupling: correlation of the speed of pitch with loudness while speaking, at the best shift.
    """

    spread: NDArray[np.float64]
    speed: NDArray[np.float64]
    blinks: float
    nod: float
    coupling: float


def loudness(samples: NDArray[np.int16]) -> tuple[Curve, Curve]:
    """Times (n,) s and the level feature of each 10 ms, smoothed over a syllable."""
    rows = FeatureExtractor().push(samples)
    smooth = np.asarray(gaussian_filter1d(rows[:, MELS].astype(np.float64), STRESS_SMOOTHING_S / 0.01))
    # A row's window of 25 ms ends with its hop.
    return np.asarray(0.01 * np.arange(1, len(rows) + 1) - 0.0125), smooth


def stressed(times: Curve, loud: Curve) -> Curve:
    """Instants (s) of the peaks of loudness that stand out."""
    peaks, _ = find_peaks(loud, height=SPEECH_LOUDNESS, prominence=STRESS_PROMINENCE)
    return np.asarray(times[peaks])


def head_figures(
    pts: Curve, rotation: FloatArray, lids: FloatArray, samples: NDArray[np.int16], smoothing: float = 0.0
) -> HeadFigures:
    """Figures of a head.

    Args:
        pts: (n,) s, about evenly spaced.
        rotation: (n, 3) radians, pitch, yaw, roll.
        lids: (n,) how far the lids are closed, 0..1.
        samples: the sound, int16 mono 48 kHz, from time 0.
        smoothing: seconds, of a Gaussian over the rotation.
    """
    grid = np.arange(pts[0], pts[-1], 1.0 / FPS)
    even = np.stack([np.interp(grid, pts, column) for column in rotation.T], 1)
    even = np.degrees(gaussian_filter1d(even, smoothing * FPS, axis=0) if smoothing else even)
    speed = np.gradient(even, 1.0 / FPS, axis=0)
    shut = lids - np.median(lids) > THRESHOLD
    blinks = int((np.diff(shut.astype(int)) == 1).sum())
    times, loud = loudness(samples)
    nods = [_nod(grid + s, np.abs(speed[:, 0]), times, loud) for s in _shifts()]
    couplings = [_coupling(grid + s, np.abs(speed[:, 0]), times, loud) for s in _shifts()]
    return HeadFigures(
        even.std(0),
        np.sqrt((speed**2).mean(0)),
        60.0 * blinks / max(float(pts[-1] - pts[0]), 1e-6),
        _largest(nods),
        _largest(couplings),
    )


def _shifts() -> Curve:
    return np.arange(-LONGEST_SHIFT_S, LONGEST_SHIFT_S + 1e-9, 1.0 / FPS)


def _largest(values: list[float]) -> float:
    finite = [v for v in values if np.isfinite(v)]
    return max(finite) if finite else float("nan")


def _nod(grid: Curve, speed: Curve, times: Curve, loud: Curve) -> float:
    peaks = stressed(times, loud)
    speaking = np.interp(grid, times, loud) > SPEECH_LOUDNESS
    near = np.zeros(len(grid), bool)
    count = 0
    for peak in peaks:
        window = np.abs(grid - peak) <= STRESS_WINDOW_S
        count += bool(window.any())
        near |= window
    if count < 4 or not speaking.any():
        return float("nan")
    return float(speed[near].mean() / max(speed[speaking].mean(), 1e-9))


def _coupling(grid: Curve, speed: Curve, times: Curve, loud: Curve) -> float:
    level = np.interp(grid, times, loud)
    speaking = level > SPEECH_LOUDNESS - 0.5
    if speaking.sum() < FPS or speed[speaking].std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(speed[speaking], level[speaking])[0, 1])


def tracked_figures(reference: LipReference, samples: NDArray[np.int16]) -> HeadFigures:
    """Of the tracked face of a clip."""
    return head_figures(reference.pts, reference.rotation, reference.lids, samples, SMOOTHING_S)


def chance_figures(reference: LipReference, samples: NDArray[np.int16]) -> HeadFigures:
    """Of the same face under the second half of its sound and then the first: what stress looks like by chance."""
    return tracked_figures(reference, np.roll(samples, len(samples) // 2))


def driver_figures(samples: NDArray[np.int16], seeds: int = SEEDS) -> list[HeadFigures]:
    """Of what the driver makes of a clip's sound, one per seed.

    Raises:
        ModelError: the package's weights are missing or damaged.
    """
    found = []
    lids = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
    for seed in range(seeds):
        frames = motion_for(samples, FPS, seed)
        pts = np.array([frame.pts for frame in frames])
        rotation = np.stack([frame.rotation for frame in frames])
        shut = np.stack([frame.expression[lids].mean() for frame in frames])
        found.append(head_figures(pts, rotation, shut, samples))
    return found


ROWS: Final[tuple[tuple[str, Callable[[HeadFigures], float]], ...]] = (
    ("pitch range °", lambda f: float(f.spread[0])),
    ("yaw range °", lambda f: float(f.spread[1])),
    ("roll range °", lambda f: float(f.spread[2])),
    ("pitch speed °/s", lambda f: float(f.speed[0])),
    ("yaw speed °/s", lambda f: float(f.speed[1])),
    ("roll speed °/s", lambda f: float(f.speed[2])),
    ("blinks per minute", lambda f: f.blinks),
    ("nod at stress", lambda f: f.nod),
    ("nod-loudness r", lambda f: f.coupling),
)


def compare(
    tracked: list[HeadFigures], driver: list[HeadFigures], chance: list[HeadFigures]
) -> list[dict[str, object]]:
    """One row per figure: medians, the tracked people's 10th and 90th percentile, and whether the driver is within."""
    rows: list[dict[str, object]] = []
    for name, figure in ROWS:
        real = np.array([figure(f) for f in tracked], np.float64)
        made = np.array([figure(f) for f in driver], np.float64)
        real, made = real[np.isfinite(real)], made[np.isfinite(made)]
        if not len(real) or not len(made):
            continue
        lucky = np.array([figure(f) for f in chance], np.float64)
        low, middle, high = np.quantile(real, (0.1, 0.5, 0.9))
        ours = float(np.median(made))
        rows.append(
            {
                "figure": name,
                "tracked": round(float(middle), 2),
                "tracked_low": round(float(low), 2),
                "tracked_high": round(float(high), 2),
                "chance": round(float(np.nanmedian(lucky)), 2) if np.isfinite(lucky).any() else None,
                "driver": round(ours, 2),
                "within": bool(low <= ours <= high),
            }
        )
    return rows


def head_report(rows: list[dict[str, object]], clips: int) -> str:
    """The table in Markdown."""
    lines = [
        "",
        "## Head, on the sound of the talkers from the web",
        "",
        f"{clips} clips, the driver with {SEEDS} seeds each; medians over clips, and the 10th to 90th percentile of "
        "the tracked people. Range: standard deviation within a clip. Nod at stress: speed of pitch within "
        f"{1000 * STRESS_WINDOW_S:.0f} ms of peaks of loudness relative to its mean while speaking; nod-loudness r: "
        "correlation of the speed of pitch with loudness; both at the best shift within "
        f"±{1000 * LONGEST_SHIFT_S:.0f} ms, tracked faces and driver alike. Chance: tracked faces "
        "whose sound was cut in two and put together the other way round.",
        "",
        "| | tracked | 10-90 % | chance | driver | within |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        spread = f"{row['tracked_low']} to {row['tracked_high']}"
        within = "yes" if row["within"] else "no"
        cells = (row["figure"], row["tracked"], spread, row["chance"], row["driver"], within)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"
