"""From a photo file to a square crop: reading, finding the face, cropping with room for hair and shoulders."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from live.errors import PortraitError
from live.frames import FloatArray, Image
from live.motion.tracker import TrackedFace
from live.motion.trackers import LandmarkTracker

PORTRAIT_SIDE: Final = 512
"""Side of the crop that avatars are made of, pixels."""
FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
"""What is read. Pillow knows more, for example EPS, which is a program that Ghostscript would run: not from uploads."""
FACE_SHARE: Final = 0.47
"""Height of the face (hairline to chin) in the crop, share of its side."""
FACE_CENTRE: Final = 0.485
"""Height of the face's middle in the crop, share of its side from the top."""
LARGEST_SIDE: Final = 4096
"""Larger photos are reduced to this."""
SMALLEST_FACE: Final = 48.0
"""Pixels of face height below which a photo has too little detail."""
BYSTANDER: Final = 0.4
"""A second face smaller than this share of the first is taken for part of the background."""
_CHIN: Final = 152
_FOREHEAD: Final = 10


@dataclass(frozen=True, slots=True)
class CropBox:
    """A square of a photo: `left`, `top` and `side` in pixels of the photo; may reach beyond its edges."""

    left: float
    top: float
    side: float


def read_photo(source: Path | bytes) -> Image:
    """A photo as uint8 (H, W, 3) RGB, upright (EXIF orientation applied), transparency on white.

    Raises:
        PortraitError: the file is missing, empty, cut off, or no picture.
    """
    name = str(source) if isinstance(source, Path) else "the upload"
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
    except OSError as error:
        raise PortraitError(
            f"The photo {name} cannot be opened: {error.strerror or error}.", "Check the path."
        ) from error
    if not data:
        raise PortraitError(f"The photo {name} is empty.", "Choose another file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PillowImage.DecompressionBombWarning)
            with PillowImage.open(io.BytesIO(data), formats=FORMATS) as opened:
                opened.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))
                opened.load()
                return _upright_rgb(opened)
    except UnidentifiedImageError as error:
        raise PortraitError(f"{name} is not a picture that can be read.", "Use a JPEG, PNG or WebP photo.") from error
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise PortraitError(f"The photo {name} is too large.", "Scale it down to 4096 pixels or less.") from error
    except Exception as error:  # the decoders raise whatever a damaged file provokes
        raise PortraitError(
            f"The photo {name} is damaged or incomplete: {error}.", "Copy or download it again, or use another photo."
        ) from error


def _upright_rgb(opened: PillowImage.Image) -> Image:
    upright = ImageOps.exif_transpose(opened)
    if upright.mode.startswith("I;16"):  # Pillow would clip 16 bits to 8, which is white
        upright = PillowImage.fromarray((np.asarray(upright).astype(np.uint16) >> 8).astype(np.uint8))
    if max(upright.size) > LARGEST_SIDE:
        upright.thumbnail((LARGEST_SIDE, LARGEST_SIDE), PillowImage.Resampling.LANCZOS)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        layers = upright.convert("RGBA")
        upright = PillowImage.alpha_composite(PillowImage.new("RGBA", layers.size, "white"), layers)
    return np.ascontiguousarray(np.asarray(upright.convert("RGB"), np.uint8))


def find_face(tracker: LandmarkTracker, image: Image) -> TrackedFace:
    """The one face of a photo.

    The detector is made for faces near the camera; when it finds none, overlapping parts of the photo are tried.

    Args:
        tracker: one with `mode="image"` that finds more than one face.
        image: uint8 (H, W, 3).

    Raises:
        PortraitError: no face, several, or one that is too small.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise PortraitError("The photo is no RGB picture.", "Use a JPEG, PNG or WebP photo.")
    if min(image.shape[:2]) < SMALLEST_FACE:
        height, width = image.shape[:2]
        raise PortraitError(
            f"The photo is too small ({width} by {height} pixels).",
            "Use one of at least 256 by 256 pixels.",
        )
    faces = tracker.detect_faces(image) or _search_parts(tracker, image)
    if not faces:
        raise PortraitError(
            "No face was found in the photo.",
            "Use a photo of one person from the front, evenly lit, with eyes and mouth uncovered.",
        )
    if len(faces) > 1 and faces[1].size > BYSTANDER * faces[0].size:
        raise PortraitError("There are several faces in the photo.", "Crop it so that only one person is left.")
    face = faces[0]
    if face_height(face.landmarks) < SMALLEST_FACE:
        raise PortraitError(
            f"The face in the photo is too small ({face_height(face.landmarks):.0f} pixels high).",
            "Use a closer or larger photo; 250 pixels from chin to hairline look good.",
        )
    return face


def face_height(landmarks: FloatArray) -> float:
    """Hairline to chin in the landmarks' unit, 3-D so that a bowed head counts in full."""
    return float(np.linalg.norm(landmarks[_FOREHEAD] - landmarks[_CHIN]))


def crop_box(landmarks: FloatArray, image: Image) -> CropBox:
    """The square around a face: `FACE_SHARE`, moved and shrunk a little where that keeps it within the photo."""
    height, width = image.shape[:2]
    side = face_height(landmarks) / FACE_SHARE
    # Less room around the head is better than an invented background, down to a close-up.
    side = max(min(side, float(min(width, height))), 0.72 * side)
    middle = (landmarks[_FOREHEAD, :2] + landmarks[_CHIN, :2]) / 2
    sideways = (landmarks[:468, 0].min() + landmarks[:468, 0].max()) / 2
    left, top = float(sideways) - side / 2, float(middle[1]) - FACE_CENTRE * side
    reach = 0.1 * side
    left = left + float(np.clip(_back_inside(left, side, width), -reach, reach))
    top = top + float(np.clip(_back_inside(top, side, height), -reach, reach))
    return CropBox(left, top, side)


def crop(image: Image, box: CropBox, side: int = PORTRAIT_SIDE) -> Image:
    """Cut out and resize to uint8 (side, side, 3); beyond the photo's edge its border pixels are repeated."""
    scale = box.side / side
    if scale > 2.0:
        # Area-average first: a bicubic step that skips pixels would alias.
        factor = 2.0 / scale
        small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        ratio_x, ratio_y = small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]
    else:
        small, ratio_x, ratio_y = image, 1.0, 1.0
    matrix = np.array(
        [
            [scale * ratio_x, 0, (box.left + 0.5 * scale) * ratio_x - 0.5],
            [0, scale * ratio_y, (box.top + 0.5 * scale) * ratio_y - 0.5],
        ],
        np.float64,
    )
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(small, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(cut, np.uint8)


def _back_inside(start: float, side: float, length: int) -> float:
    """Shift that brings the interval [start, start + side] into [0, length], or centres it when it is longer."""
    if side >= length:
        return (length - side) / 2 - start
    return float(np.clip(start, 0, length - side)) - start


def _search_parts(tracker: LandmarkTracker, image: Image) -> list[TrackedFace]:
    """Look at five overlapping parts of the photo, enlarged; the same face found twice counts once."""
    height, width = image.shape[:2]
    found: list[TrackedFace] = []
    part_height, part_width = int(height * 0.6), int(width * 0.6)
    for row, column in ((0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.5)):
        top, left = int(row * (height - part_height)), int(column * (width - part_width))
        part = np.ascontiguousarray(image[top : top + part_height, left : left + part_width])
        for face in tracker.detect_faces(part):
            landmarks = face.landmarks + np.array([left, top, 0], np.float32)
            middle = landmarks[:, :2].mean(0)
            if all(np.linalg.norm(other.landmarks[:, :2].mean(0) - middle) > face.size / 2 for other in found):
                found.append(TrackedFace(landmarks, face.blendshapes, face.presence))
    return sorted(found, key=lambda f: -f.size)
