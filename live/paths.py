"""Where the engine keeps what belongs to the user: models, avatars, recordings."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

HOME_VARIABLE = "LIVE_HOME"
"""Environment variable that moves the whole data folder, for portable installs and tests."""


def data_dir() -> Path:
    """The user's data folder: `$LIVE_HOME`, or the platform's usual place (`~/.local/share/live` on Linux).

    The folder is not created here; whoever writes creates what it needs.
    """
    override = os.environ.get(HOME_VARIABLE)
    return Path(override).expanduser() if override else platformdirs.user_data_path("live", appauthor=False)


def models_dir() -> Path:
    """Folder of the downloaded model files."""
    return data_dir() / "models"


def avatars_dir() -> Path:
    """Folder of the user's avatars."""
    return data_dir() / "avatars"


def cache_dir() -> Path:
    """Folder of what can be made again: compiled networks."""
    return data_dir() / "cache"
