"""Avatars, renderers and drivers by name, and the commands built on them, from a photo to a film."""

from __future__ import annotations

import io
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from live.capture.media import probe, read_media
from live.cli.main import main
from live.errors import LiveError, PortraitError
from live.frames import AudioChunk, VideoFrame
from live.protocols import Driver, Renderer
from live.studio import LocalStudio
from live.transport.studio import DRIVER_KINDS

PHOTO = Path(str(resources.files("live") / "assets" / "portraits" / "collins.jpg"))


@pytest.fixture
def short_speech(tmp_path: Path, spoken_wav: Path) -> Path:
    """The first 1.2 s of the spoken sentence."""
    import wave

    path = tmp_path / "short.wav"
    with wave.open(str(spoken_wav)) as whole, wave.open(str(path), "wb") as short:
        short.setparams(whole.getparams())
        short.writeframes(whole.readframes(round(1.2 * whole.getframerate())))
    return path


def film(path: Path) -> tuple[list[VideoFrame], list[AudioChunk]]:
    items = list(read_media(path))
    return [i for i in items if isinstance(i, VideoFrame)], [i for i in items if isinstance(i, AudioChunk)]


def mouth_motion(pictures: list[VideoFrame]) -> float:
    """How much the lower half of the picture changes over time, grey levels."""
    lower = np.stack([p.image[p.image.shape[0] // 2 :].mean(-1) for p in pictures])
    return float(lower.std(0).max())


def test_the_default_portrait_is_first_and_fitted_once(equipped_home: Path) -> None:
    studio = LocalStudio(backend="geometric", size=(128, 128))
    first = studio.avatars()[0]
    assert first.sample
    avatar = studio.load(None)
    assert avatar.name == first.name
    assert len(list((equipped_home / "samples").iterdir())) == 1
    again = studio.load(first.id)
    assert again.rest.rotation == pytest.approx(avatar.rest.rotation)
    with PillowImage.open(io.BytesIO(studio.picture(first.id))) as picture:
        assert picture.format == "JPEG" and picture.size == (512, 512)


def test_add_find_remove(equipped_home: Path) -> None:
    studio = LocalStudio(backend="geometric", size=(128, 128))
    entry = studio.add_avatar(PHOTO.read_bytes(), "Commander")
    assert studio.find("Commander") == studio.find("commander") == entry
    opened = studio.open_avatar(entry.id)
    assert isinstance(opened.renderer, Renderer)
    assert opened.renderer.size == (128, 128)
    for kind in DRIVER_KINDS:
        driver = studio.open_driver(kind, opened.rest)
        assert isinstance(driver, Driver)
        driver.close()
    opened.renderer.close()
    studio.remove("Commander")
    with pytest.raises(LiveError, match="neither an avatar nor a photo"):
        studio.find("Commander")
    with pytest.raises(LiveError, match="comes with the engine"):
        studio.remove(studio.avatars()[0].id)


def test_uploads_are_limited_and_remove_nothing(equipped_home: Path) -> None:
    photo = PHOTO.read_bytes()
    studio = LocalStudio(backend="geometric", max_avatars=2)
    studio.add_avatar(photo, "one")
    studio.add(PHOTO, "two")
    with pytest.raises(PortraitError, match="no room for another portrait: 2 are kept") as caught:
        studio.add_avatar(photo, "three")
    assert "live avatar rm" in caught.value.hint and "--max-avatars" in caught.value.hint
    studio.add(PHOTO, "by its owner")
    assert [entry.name for entry in studio.avatars() if not entry.sample] == ["by its owner", "one", "two"]
    with pytest.raises(PortraitError, match=r"which take [1-9][0-9]* MB") as caught:
        LocalStudio(backend="geometric", max_avatar_bytes=1_000_000).add_avatar(photo, "four")
    assert "--max-avatar-space" in caught.value.hint
    studio.remove("one")
    studio.remove("two")
    assert studio.add_avatar(photo, "three").name == "three"


def test_a_photo_is_kept_once(equipped_home: Path, tmp_path: Path) -> None:
    studio = LocalStudio(backend="geometric", size=(128, 128))
    photo = tmp_path / "me.jpg"
    photo.write_bytes(PHOTO.read_bytes())
    count = len(studio.avatars())
    assert studio.find(str(photo)) == studio.find(str(photo))
    assert len(studio.avatars()) == count + 1
    with PillowImage.open(PHOTO) as picture:
        picture.crop((2, 0, picture.width, picture.height)).save(photo, quality=95)
    assert studio.find(str(photo)).id == "me-2", "another photo of the same name is another avatar"


def test_avatar_commands(equipped_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["avatar", "add", str(PHOTO), "--name", "Me"]) == 0
    assert "--portrait me" in capsys.readouterr().out
    assert main(["avatar", "list"]) == 0
    assert "Me" in capsys.readouterr().out
    drawn = tmp_path / "fit.png"
    assert main(["avatar", "show", "me", "-o", str(drawn)]) == 0
    assert "landmarks are met to" in capsys.readouterr().out
    with PillowImage.open(drawn) as picture:
        assert picture.size == (512, 512)
    assert main(["avatar", "rm", "me"]) == 0
    assert main(["avatar", "rm", "me"]) == 2
    assert "neither an avatar nor a photo" in capsys.readouterr().err


def test_a_photo_without_a_face_is_explained(
    equipped_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wall = tmp_path / "wall.png"
    PillowImage.new("RGB", (400, 400), (120, 130, 140)).save(wall)
    assert main(["avatar", "add", str(wall)]) == 2
    assert "face" in capsys.readouterr().err


def test_render_speech_makes_a_film_in_sync_and_always_the_same(
    equipped_home: Path, tmp_path: Path, short_speech: Path
) -> None:
    outputs = [tmp_path / "one.mp4", tmp_path / "two.mp4"]
    for output in outputs:
        words = ["render", "--drive", str(short_speech), "-o", str(output), "--size", "128", "--backend", "geometric"]
        assert main([*words, "--quiet"]) == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    pictures, sound = film(outputs[0])
    assert len(pictures) == 30
    assert pictures[0].image.shape == (128, 128, 3)
    assert mouth_motion(pictures) > 10, "the mouth moves"
    spoken = np.concatenate([i.samples for i in read_media(short_speech) if isinstance(i, AudioChunk)])
    heard = np.concatenate([c.samples for c in sound])[: len(spoken)]
    assert np.corrcoef(spoken[: len(heard)], heard)[0, 1] > 0.9, "the sound is the recording's, in place"


def test_run_plays_a_file_into_a_film(
    equipped_home: Path, tmp_path: Path, short_speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run.mp4"
    words = ["run", "--source", str(short_speech), "--sink", str(output), "--size", "128", "--backend", "geometric"]
    assert main(words) == 0
    pictures, sound = film(output)
    assert len(pictures) >= 3
    assert sum(int(np.abs(c.samples.astype(int)).max() > 1000) for c in sound) > 20, "the speech is in it"
    said = capsys.readouterr().err
    assert "has ended" in said and "pictures" in said


def test_run_ends_at_its_time(equipped_home: Path, tmp_path: Path, short_speech: Path) -> None:
    output = tmp_path / "loop.mp4"
    words = ["run", "--source", str(short_speech), "--loop", "--seconds", "1.5", "--sink", str(output)]
    assert main([*words, "--size", "128", "--backend", "geometric", "--quiet"]) == 0
    assert probe(output).duration > 0.5


def test_what_cannot_be_rendered_is_said(
    equipped_home: Path, tmp_path: Path, short_speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def error(*words: str) -> str:
        assert main(["render", "--quiet", *words]) == 2
        return capsys.readouterr().err

    out = str(tmp_path / "out.mp4")
    assert "no pictures to follow" in error("--drive", str(short_speech), "--driver", "face", "-o", out)
    assert "would replace" in error("--drive", str(short_speech), "-o", str(short_speech))
    assert "is not a film" in error("--drive", str(short_speech), "-o", str(tmp_path / "out.gif"))
    assert "neither an avatar nor a photo" in error("--drive", str(short_speech), "-o", out, "--portrait", "nobody")
    assert "no renderer" in error("--drive", str(short_speech), "-o", out, "--backend", "magic")
