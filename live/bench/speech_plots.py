"""Pictures for `live bench speech --plots`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from live.bench.alignment import Phones
from live.bench.lips import CLOSED
from live.bench.speech_metrics import Curve
from live.bench.speech_reference import LipReference


def plot_clip(
    path: Path,
    name: str,
    reference: LipReference | None,
    phones: Phones | None,
    curves: dict[str, tuple[Curve, Curve]],
) -> None:
    """Draw the mouth opening over time, tracked and predicted, with the phones above.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(14, 4))
    if reference is not None:
        axes.plot(reference.pts, reference.opening, "k.-", label="tracked face", linewidth=2)
    for system, (times, opening) in curves.items():
        if "," not in system:
            axes.plot(times, opening, label=system, linewidth=2 if system == "network" else 1)
    axes.axhline(CLOSED, color="gray", linewidth=0.5)
    top = axes.get_ylim()[1]
    for start, end, phone in phones or []:
        if phone in {"P", "B", "M"}:
            axes.axvspan(start, end, color="tab:red", alpha=0.15)
        axes.text((start + end) / 2, top, phone, ha="center", va="bottom", fontsize=7)
    axes.set_xlabel("s")
    axes.set_ylabel("mouth opening, pupil distances")
    axes.set_ylim(min(-0.08, float(np.min([c[1].min() for c in curves.values()]))), top)
    axes.legend(loc="upper right", fontsize=8)
    axes.set_title(name, y=1.06)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
