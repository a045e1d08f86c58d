"""The portrait that ships, as an avatar without a tracker: what was found in it is kept beside it.

Benchmarks and tests draw it on machines that have neither MediaPipe nor a network, such as a bare GPU server.
`python -m live.bench.sample_avatar` finds and fits the face again, which must be done when the face model changes.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np

from live.errors import PortraitError
from live.motion.fitting import FaceFit
from live.render.avatar import Avatar
from live.render.portrait import CropBox, crop, read_photo

_VALUES: Final = ("scale", "landmark_error", "depth_offset")
_ARRAYS: Final = ("identity", "expression", "residual", "rotation", "offset")


def sample_avatar() -> Avatar:
    """The avatar. Raises `PortraitError` when a file is missing or damaged."""
    folder = _folder()
    original = read_photo(folder / "collins.jpg")
    try:
        with np.load(folder / "collins-fit.npz", allow_pickle=False) as data:
            arrays = {name: np.asarray(data[name], np.float32) for name in data.files}
        fit = FaceFit(
            **{name: arrays[name] for name in _ARRAYS},  # type: ignore[arg-type]
            **{name: float(arrays[name]) for name in _VALUES},  # type: ignore[arg-type]
        )
        landmarks, (left, top, side) = arrays["landmarks"], (float(v) for v in arrays["box"])
    except (OSError, ValueError, KeyError) as error:
        raise PortraitError(f"The sample portrait's fit cannot be read: {error}.", "Reinstall the package.") from error
    box = CropBox(left, top, side)
    return Avatar("collins", crop(original, box), original, box, landmarks, fit)


def _folder() -> Path:
    return Path(str(resources.files("live") / "assets" / "portraits"))


def main() -> None:
    """Find and fit the face, and keep the result."""
    avatar = Avatar.create(_folder() / "collins.jpg")
    box = np.array([avatar.box.left, avatar.box.top, avatar.box.side], np.float64)
    values: dict[str, Any] = {name: np.asarray(getattr(avatar.fit, name)) for name in (*_ARRAYS, *_VALUES)}
    np.savez(_folder() / "collins-fit.npz", landmarks=avatar.landmarks, box=box, **values)


if __name__ == "__main__":
    main()
