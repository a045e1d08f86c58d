"""Reading photos and cutting out the square; no face tracker needed."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from live.errors import PortraitError
from live.frames import FloatArray
from live.motion.tracker import TrackedFace
from live.render.portrait import FACE_SHARE, CropBox, crop, crop_box, face_height, find_face, read_photo


class Finds:
    """Stands for a tracker: finds the same faces in every picture."""

    def __init__(self, *faces: TrackedFace) -> None:
        self._faces = list(faces)

    def detect_faces(self, image: object) -> list[TrackedFace]:
        return self._faces


def face(left: float, top: float, height: float) -> TrackedFace:
    random = np.random.default_rng(0)
    landmarks: FloatArray = (random.random((478, 3)) * height * [0.75, 1, 0]).astype(np.float32)
    landmarks[10], landmarks[152] = (0.375 * height, 0, 0), (0.375 * height, height, 0)
    return TrackedFace(landmarks + np.array([left, top, 0], np.float32), np.zeros(52, np.float32), 1.0)


def jpeg(image: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"not a picture at all", "not a picture"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "not a picture|damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n", "not a picture"),
    ],
)
def test_files_that_are_no_pictures(data: bytes, says: str) -> None:
    with pytest.raises(PortraitError, match=says) as caught:
        read_photo(data)
    assert caught.value.hint


def test_a_truncated_photo_is_refused(noise: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "half.jpg"
    data = jpeg(noise)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(PortraitError, match="damaged or incomplete") as caught:
        read_photo(path)
    assert "half.jpg" in str(caught.value)


def test_a_missing_photo(tmp_path: Path) -> None:
    with pytest.raises(PortraitError, match="cannot be opened"):
        read_photo(tmp_path / "none.jpg")


def test_exif_orientation_is_applied(noise: np.ndarray) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # turned by 90°
    assert read_photo(jpeg(noise, exif=exif)).shape == (80, 60, 3)


def test_transparency_becomes_white() -> None:
    clear = np.zeros((16, 16, 4), np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(clear).save(buffer, "PNG")
    assert (read_photo(buffer.getvalue()) == 255).all()


def test_grey_and_palette_pictures_are_read() -> None:
    for mode in ("L", "P", "1", "CMYK"):
        buffer = io.BytesIO()
        PillowImage.new(mode, (20, 20)).save(buffer, "TIFF")
        assert read_photo(buffer.getvalue()).shape == (20, 20, 3)


@pytest.mark.parametrize("width", [64, 4096])
def test_16_bit_pictures_keep_their_greys(width: int) -> None:
    ramp = np.linspace(0, 65_535, width).astype(np.uint16)[None].repeat(48, 0)
    buffer = io.BytesIO()
    PillowImage.fromarray(ramp).save(buffer, "PNG")
    assert read_photo(buffer.getvalue())[20, :, 1].tolist() == (ramp[20] >> 8).tolist()


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_of_a_moving_picture_the_first_is_taken(form: str) -> None:
    first, second = PillowImage.new("RGB", (64, 48), (200, 30, 30)), PillowImage.new("RGB", (64, 48), (30, 30, 200))
    buffer = io.BytesIO()
    first.save(buffer, form, save_all=True, append_images=[second], duration=100)
    assert read_photo(buffer.getvalue())[24, 32] == pytest.approx([200, 30, 30], abs=4)


def test_large_photos_are_reduced() -> None:
    assert max(read_photo(jpeg(np.zeros((10, 6000, 3), np.uint8))).shape) == 4096
    for picture in (np.zeros((2, 30_000, 3), np.uint8), np.zeros((2, 30_000), np.uint16)):
        buffer = io.BytesIO()
        PillowImage.fromarray(picture).save(buffer, "PNG")
        assert read_photo(buffer.getvalue()).shape == (1, 4096, 3)


def test_pictures_that_would_fill_the_memory_are_refused() -> None:
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    with pytest.raises(PortraitError, match="too large"):
        read_photo(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_damaged_pictures_are_read_or_refused_never_worse(noise: np.ndarray, form: str) -> None:
    """Bytes changed at random, most of them in the header."""
    buffer = io.BytesIO()
    PillowImage.fromarray(noise).save(buffer, form)
    random = np.random.default_rng(3)
    for _ in range(250):
        data = bytearray(buffer.getvalue())
        for _ in range(random.integers(1, 6)):
            data[random.integers(min(len(data), random.choice([60, 400, 10_000])))] = random.integers(256)
        if random.random() < 0.2:
            del data[random.integers(len(data)) :]
        try:
            assert read_photo(bytes(data) or b"x").ndim == 3
        except PortraitError as error:
            assert error.hint


def test_which_faces_are_refused() -> None:
    image = np.zeros((600, 800, 3), np.uint8)
    one = face(100, 100, 300)
    assert find_face(Finds(one), image) is one  # type: ignore[arg-type]
    assert find_face(Finds(one, face(600, 10, 60)), image) is one  # type: ignore[arg-type]
    with pytest.raises(PortraitError, match="several faces") as caught:
        find_face(Finds(one, face(450, 100, 250)), image)  # type: ignore[arg-type]
    assert "Crop" in caught.value.hint
    with pytest.raises(PortraitError, match="No face"):
        find_face(Finds(), image)  # type: ignore[arg-type]
    with pytest.raises(PortraitError, match="face in the photo is too small"):
        find_face(Finds(face(10, 10, 30)), image)  # type: ignore[arg-type]
    for tiny in (np.zeros((1, 1, 3), np.uint8), np.zeros((2000, 12, 3), np.uint8)):
        with pytest.raises(PortraitError, match="photo is too small"):
            find_face(Finds(one), tiny)  # type: ignore[arg-type]


def test_the_crop_has_room_around_the_face_and_stays_inside() -> None:
    image = np.zeros((1000, 1000, 3), np.uint8)
    found = face(400, 350, 200)
    box = crop_box(found.landmarks, image)
    assert face_height(found.landmarks) / box.side == pytest.approx(FACE_SHARE)
    assert box.left <= 400 and box.left + box.side >= 550 and box.top < 300
    close = crop_box(face(20, 20, 200).landmarks, image)  # in a corner: moved, not all outside
    assert close.left > -0.2 * close.side and close.top > -0.25 * close.side
    tight = crop_box(face(30, 20, 300).landmarks, np.zeros((340, 300, 3), np.uint8))
    assert 300 / FACE_SHARE * 0.7 < tight.side < 300 / FACE_SHARE


def test_crop_resamples_in_place() -> None:
    rows, columns = np.mgrid[0:200, 0:300]
    image = np.stack([columns * 0.8, rows * 1.2, 0 * rows], -1).astype(np.uint8)
    cut = crop(image, CropBox(50, 20, 100), 50).astype(float)
    x, y = 50 + (np.arange(50) + 0.5) * 2 - 0.5, 20 + (np.arange(50) + 0.5) * 2 - 0.5
    assert np.abs(cut[..., 0] - x * 0.8).max() < 1.5
    assert np.abs(cut[..., 1] - (y * 1.2)[:, None]).max() < 1.5
    assert crop(image, CropBox(-60, -60, 100), 64).shape == (64, 64, 3)
