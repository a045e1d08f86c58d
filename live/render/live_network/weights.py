"""Weights of the live network as safetensors: half precision, sizes in the metadata."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from live.errors import ModelError
from live.render.live_network.config import LiveConfig
from live.render.live_network.model import LivePIRenderer

FORMAT = "live-pirenderer-1"
_HINT = "Reinstall the package, or export the weights again with `python -m training.renderer export`."


def save_weights(model: LivePIRenderer, path: Path, notes: dict[str, str] | None = None) -> None:
    """Write `model` to `path` in float16 with its configuration and `notes` (training facts) as metadata."""
    tensors = {name: value.detach().cpu().half().contiguous() for name, value in model.state_dict().items()}
    metadata = {"format": FORMAT, "config": json.dumps(model.config.to_dict()), **(notes or {})}
    temporary = path.with_suffix(path.suffix + ".partial")
    save_file(tensors, temporary, metadata=metadata)
    temporary.replace(path)


def load_weights(path: Path) -> LivePIRenderer:
    """Build the network that `path` describes, float32, in evaluation mode.

    Raises:
        ModelError: the file is missing, damaged, or of another kind.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ModelError(f"{path} holds no weights of the live network.", _HINT)
        config = LiveConfig.from_dict(json.loads(metadata["config"]))
        state = {name: value.float() for name, value in load_file(path).items()}
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"The weights {path} cannot be read: {error}.", _HINT) from error
    model = LivePIRenderer(config)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ModelError(f"The weights {path} do not fit the network: {error}.", _HINT) from error
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise ModelError(f"The weights {path} contain numbers that are not finite.", _HINT)
    return model.eval()
