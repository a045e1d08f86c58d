"""What a CPU runtime of the live network does, whichever library runs it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Protocol

from live.errors import ModelError
from live.frames import FloatArray
from live.render.live_network.config import LiveConfig

Arrays = dict[str, FloatArray]

NAME = "live_pirenderer"


class NetworkRuntime(Protocol):
    """Runs both exported graphs. Used from one thread at a time."""

    name: str
    """Library and number format, for people: "OpenVINO bf16"."""
    config: LiveConfig
    base: bool
    """Whether it runs the base network."""

    def enroll(self, inputs: Arrays) -> None:
        """Encode an avatar from `tensors.ENROLL_INPUTS`; later frames belong to it."""
        ...

    def frame(self, inputs: Arrays) -> Arrays:
        """Run one frame: `tensors.FRAME_INPUTS` → `tensors.FRAME_OUTPUTS`; without the base network its inputs are not
        read and only `tensors.DETAIL_OUTPUTS` are given. The result is valid until the next call."""
        ...

    def close(self) -> None:
        """Free the compiled graphs."""
        ...


def shipped_weights() -> Path:
    """Folder of the graphs that ship with the package; `graph_files` says whether they are there."""
    return Path(str(resources.files("live") / "assets" / "weights"))


def graph_files(folder: Path) -> tuple[Path, Path]:
    """Enrolment and frame graph in `folder`. Raises `ModelError` if one is missing."""
    paths = folder / f"{NAME}.enroll.onnx", folder / f"{NAME}.frame.onnx"
    for path in paths:
        if not path.is_file():
            raise ModelError(
                f"The network file {path} is missing.",
                "Use `--backend geometric`, or export weights with `python -m training.renderer export`.",
            )
    return paths
