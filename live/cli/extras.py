"""Clear words when an optional part is not installed."""

from __future__ import annotations

import importlib.util

from live.errors import LiveError


def need_torch(purpose: str) -> None:
    """Check that torch is installed.

    Raises:
        LiveError: it is not.
    """
    if importlib.util.find_spec("torch") is None:
        raise LiveError(f"For {purpose} PyTorch is needed.", "Install it: pip install 'live-avatar[gpu]'.")
