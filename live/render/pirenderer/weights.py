"""Reading the published checkpoint and our own safetensors copy of it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from live.errors import ModelError
from live.render.pirenderer.config import COEFFICIENT_SPACE, FULL, PIRendererConfig
from live.render.pirenderer.model import PIRenderer

CHECKPOINT_KEY = "net_G_ema"
"""Where the released training checkpoint keeps the averaged generator."""

FORMAT = "pirenderer"
REIMPORT = "Import the checkpoint again: live weights import."


def expected_shapes(config: PIRendererConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter of the architecture."""
    with torch.device("meta"):
        model = PIRenderer(config)
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def check_state(state: Mapping[str, Tensor], config: PIRendererConfig = FULL) -> None:
    """Raise `ModelError` unless `state` has exactly the architecture's names and shapes, all finite floats."""
    expected = expected_shapes(config)
    missing = sorted(expected.keys() - state.keys())
    unexpected = sorted(state.keys() - expected.keys())
    shared = sorted(expected.keys() & state.keys())
    reshaped = [
        f"{name} {tuple(state[name].shape)} instead of {expected[name]}"
        for name in shared
        if tuple(state[name].shape) != expected[name]
    ]
    damaged = [
        name for name in shared if not state[name].is_floating_point() or not bool(torch.isfinite(state[name]).all())
    ]
    problems = [
        _listing("missing", missing),
        _listing("unexpected", unexpected),
        _listing("wrong shape", reshaped),
        _listing("not finite numbers", damaged),
    ]
    if any(problems):
        raise ModelError(
            "These weights do not fit the published architecture: " + "; ".join(filter(None, problems)) + ".",
            "Give the generator checkpoint of the PIRenderer release, unchanged.",
        )


def import_checkpoint(path: Path, destination: Path | None = None) -> Path:
    """Convert the published checkpoint to safetensors, checking every key and shape.

    Args:
        path: the released `.pt`/`.pth` file; its generator weights sit under `net_G_ema`.
        destination: the file to write; default: beside `path`, with the suffix `.safetensors`.

    Returns:
        The written file. Its metadata state the coefficient space (`COEFFICIENT_SPACE`).

    Raises:
        ModelError: unreadable file, code inside the pickle (never executed), or weights of another architecture.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"There is no file {path}.", "Check the path of the checkpoint.") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"{path} is not a checkpoint that can be read safely ({type(error).__name__}).",
            "Only plain tensors are loaded; download the file again from the publication's page.",
        ) from error
    state = checkpoint.get(CHECKPOINT_KEY) if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(
            f"{path} has no generator weights under '{CHECKPOINT_KEY}'.",
            "Give the generator checkpoint of the PIRenderer release, unchanged.",
        )
    check_state(state)
    destination = path.with_suffix(".safetensors") if destination is None else destination
    tensors = {name: value.float().contiguous() for name, value in state.items()}
    try:
        save_file(tensors, destination, metadata={"format": FORMAT, "coefficient_space": COEFFICIENT_SPACE})
    except (OSError, SafetensorError) as error:
        raise ModelError(f"Could not write {destination}: {error}.", "Choose a writable folder.") from error
    return destination


def load_pirenderer(path: Path, config: PIRendererConfig = FULL) -> PIRenderer:
    """Build the network with the weights that `import_checkpoint` wrote; in evaluation mode.

    Raises:
        ModelError: missing, damaged or of another architecture.
    """
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"Could not read {path}: {error}.", REIMPORT) from error
    check_state(state, config)
    with torch.device("meta"):
        model = PIRenderer(config)
    model.load_state_dict({name: value.float() for name, value in state.items()}, assign=True)
    return model.eval()


def coefficient_space(path: Path) -> str:
    """The statement stored with imported weights: what their motion input means. Raises `ModelError` if unreadable."""
    try:
        with safe_open(path, "pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"Could not read {path}: {error}.", REIMPORT) from error
    return metadata.get("coefficient_space", "unknown")


def _listing(what: str, names: list[str], most: int = 8) -> str:
    """`what: a, b, c and 4 more`, or nothing."""
    if not names:
        return ""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} {what}: {', '.join(names[:most])}{more}"
