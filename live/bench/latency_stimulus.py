"""What the benchmark's browser sees and hears: a film of a face whose mouth jumps, and speech with silences."""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from live.errors import LiveError
from live.frames import AUDIO_RATE, Image, MotionFrame
from live.motion.arkit import ARKIT_INDEX
from live.motion.landmark_groups import LIPS
from live.motion.retargeted import speaking_rest
from live.render.avatar import Avatar
from live.render.geometric import GeometricRenderer

WIDTH: Final = 640
HEIGHT: Final = 480
FILM_SECONDS: Final = 12.0
SPEECH_SECONDS: Final = 24.0
OPEN_JAW: Final = 0.8
"""ARKit `jawOpen` of the film's open mouth."""

REFERENCE_JAW: Final = 0.3
"""By how much more `jawOpen` the avatar's opening counts as 1."""

PITCHES: Final = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0)
"""Degrees by which the speaking avatar's head is bowed in the references; speech moves it by up to 9."""

YAWS: Final = (-12.0, -6.0, 0.0, 6.0, 12.0)
"""Degrees by which it is turned."""

HOLD: Final = (0.48, 1.08)
"""Shortest and longest time between two jumps, seconds; the shortest is far above any latency looked for."""

NOISE: Final = 1.5
"""Standard deviation of the film's sensor noise, grey levels."""

UTTERANCES: Final = ("ah", "our", "actors", "I am", "are you out", "eye", "apples", "eyes", "add an hour", "and I")
"""They begin with open, unrounded vowels, so that the first sound already opens the mouth as far as it will go."""

SILENCE: Final = (0.55, 1.0)
"""Shortest and longest silence between utterances, seconds."""

HISS: Final = 12.0
"""Standard deviation of the noise under everything, 16-bit levels (about -69 dBFS): a microphone is never silent."""


@dataclass(frozen=True, slots=True)
class Box:
    """A region of a picture as fractions of its width and height."""

    left: float
    top: float
    width: float
    height: float

    def as_list(self) -> list[float]:
        """left, top, width, height."""
        return [self.left, self.top, self.width, self.height]


@dataclass(frozen=True, slots=True)
class Stimulus:
    """The files for the browser's fake devices, and where to look for the mouth.

    Attributes:
        film: y4m file.
        speech: wav file, 48 kHz mono.
        film_mouth: around the mouth in the film.
        avatar_mouth: around the mouth in the avatar's pictures; larger, because the head may move.
        film_faces: the face in the film with its mouth closed and open, uint8 (480, 640, 3).
        avatar_faces: the avatar at rest and with its jaw `REFERENCE_JAW` wider, uint8 (512, 512, 3).
        speaking_faces: such pairs with the mouth relaxed, as it is while it speaks, one for each of `turned_heads`.
    """

    film: Path
    speech: Path
    film_mouth: Box
    avatar_mouth: Box
    film_faces: tuple[Image, Image]
    avatar_faces: tuple[Image, Image]
    speaking_faces: list[tuple[Image, Image]]


def make_stimulus(folder: Path, avatar: Avatar, fps: int, seed: int = 1) -> Stimulus:
    """Write film and speech into `folder`.

    Raises:
        LiveError: there is no speech synthesiser.
    """
    rng = np.random.default_rng(seed)
    states = mouth_states(round(FILM_SECONDS * fps), fps, rng)
    film, speech = folder / "camera.y4m", folder / "microphone.wav"
    closed, opened, mouth = _faces(avatar)
    write_film(film, [(opened if state else closed) for state in states], fps, rng)
    write_wav(speech, speech_with_silences(list(_utterances(folder)), SPEECH_SECONDS, rng))
    pad = (WIDTH - HEIGHT) / 2
    in_film = Box((mouth.left * HEIGHT + pad) / WIDTH, mouth.top, mouth.width * HEIGHT / WIDTH, mouth.height)
    renderer = GeometricRenderer(avatar)
    faces = reference_faces(renderer, avatar.rest)
    speaking = [reference_faces(renderer, turned) for turned in turned_heads(speaking_rest(avatar.rest))]
    renderer.close()
    return Stimulus(film, speech, in_film, avatar_box(mouth), (closed, opened), faces, speaking)


def turned_heads(rest: MotionFrame) -> Iterator[MotionFrame]:
    """`rest` with the head turned to every combination of `PITCHES` and `YAWS`."""
    for pitch in PITCHES:
        for yaw in YAWS:
            turn = np.radians(np.array([pitch, yaw, 0.0], np.float32))
            yield replace(rest, rotation=np.asarray(rest.rotation + turn, np.float32))


def mouth_box(avatar: Avatar) -> Box:
    """Lips and chin in the square portrait."""
    lips = avatar.landmarks[list(LIPS), :2] / avatar.image.shape[0]
    (left, top), (right, bottom) = lips.min(0), lips.max(0)
    return Box(float(left), float(top), float(right - left), float(bottom - top + 0.6 * (right - left)))


def avatar_box(mouth: Box) -> Box:
    """Where the mouth is while the head moves."""
    return Box(mouth.left - 0.03, mouth.top - 0.06, mouth.width + 0.06, mouth.height + 0.08)


def reference_faces(renderer: GeometricRenderer, rest: MotionFrame) -> tuple[Image, Image]:
    """The face as `rest` has it, and with its jaw `REFERENCE_JAW` wider."""
    wider = rest.expression.copy()
    wider[ARKIT_INDEX["jawOpen"]] += REFERENCE_JAW
    return renderer.render(rest), renderer.render(replace(rest, expression=wider))


def luma_crop(picture: Image, box: Box, columns: int, rows: int) -> NDArray[np.uint8]:
    """`uint8 (rows, columns)`: the luma of a box, as the probe in the browser takes it."""
    height, width = picture.shape[:2]
    left, right = round(box.left * width), round((box.left + box.width) * width)
    top, bottom = round(box.top * height), round((box.top + box.height) * height)
    grey = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def mouth_states(frames: int, fps: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """`bool (frames,)`: is the mouth open? Jumps at pseudo-random instants, closed at both ends (the film loops)."""
    states = np.zeros(frames, np.bool_)
    position = round(1.0 * fps)
    last = frames - round(HOLD[1] * fps)
    opened = True
    while position < last:
        hold = round(float(rng.uniform(*HOLD)) * fps)
        end = min(position + hold, last)
        states[position:end] = opened
        position, opened = end, not opened
    return states


def write_film(path: Path, pictures: list[Image], fps: int, rng: np.random.Generator) -> None:
    """Write uint8 (H, W, 3) RGB pictures as y4m, with sensor noise."""
    height, width = pictures[0].shape[:2]
    grains = [rng.normal(0.0, NOISE, (height * 3 // 2, width)) for _ in range(5)]
    planes: dict[tuple[int, int], NDArray[np.uint8]] = {}
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
        for index, picture in enumerate(pictures):
            key = id(picture), index % len(grains)
            if key not in planes:
                yuv = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).astype(np.float64)
                planes[key] = np.clip(np.rint(yuv + grains[index % len(grains)]), 16, 240).astype(np.uint8)
            file.write(b"FRAME\n")
            file.write(planes[key].tobytes())


def speech_with_silences(
    utterances: list[NDArray[np.int16]], seconds: float, rng: np.random.Generator
) -> NDArray[np.int16]:
    """`int16 (n,)` of about `seconds`: the utterances in turn, with pseudo-random silences, over a faint hiss."""
    pieces: list[NDArray[np.int16]] = [np.zeros(AUDIO_RATE, np.int16)]
    length, index = AUDIO_RATE, 0
    while True:
        utterance = utterances[index % len(utterances)]
        silence = np.zeros(round(float(rng.uniform(*SILENCE)) * AUDIO_RATE), np.int16)
        if length + len(utterance) + len(silence) > seconds * AUDIO_RATE:
            break
        pieces += [utterance, silence]
        length += len(utterance) + len(silence)
        index += 1
    sound = np.concatenate(pieces).astype(np.float64) + rng.normal(0.0, HISS, length)
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


def trim(samples: NDArray[np.int16], share: float = 0.06) -> NDArray[np.int16]:
    """Cut what is quieter than `share` of the peak at both ends, and set the peak to 60 % of full scale."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > share * np.abs(samples.astype(np.int32)).max())
    cut = samples[loud[0] : loud[-1] + 1].astype(np.float64)
    return np.asarray(np.rint(cut * (0.6 * 32767 / np.abs(cut).max())), np.int16)


def write_wav(path: Path, samples: NDArray[np.int16]) -> None:
    """Write 48 kHz mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(AUDIO_RATE)
        file.writeframes(samples.tobytes())


def _faces(avatar: Avatar) -> tuple[Image, Image, Box]:
    """The face with its mouth closed and open, as camera pictures, and the mouth's box in the square portrait."""
    renderer = GeometricRenderer(avatar, (HEIGHT, HEIGHT))
    rest = avatar.rest
    opened = rest.expression.copy()
    opened[ARKIT_INDEX["jawOpen"]] = OPEN_JAW
    pictures = [renderer.render(rest), renderer.render(replace(rest, expression=opened))]
    renderer.close()
    pad = (WIDTH - HEIGHT) // 2
    framed = [cv2.copyMakeBorder(p, 0, 0, pad, pad, cv2.BORDER_REPLICATE) for p in pictures]
    return np.ascontiguousarray(framed[0], np.uint8), np.ascontiguousarray(framed[1], np.uint8), mouth_box(avatar)


def _utterances(folder: Path) -> Iterator[NDArray[np.int16]]:
    espeak, flite = shutil.which("espeak-ng"), shutil.which("flite")
    if espeak is None and flite is None:
        raise LiveError(
            "The benchmark needs a speech synthesiser and finds neither espeak-ng nor flite.",
            "Install one, e.g.: sudo apt install espeak-ng",
        )
    for number, text in enumerate(UTTERANCES):
        path = folder / f"utterance{number}.wav"
        command = (
            [espeak, "-v", "en-us", "-s", "150", "-w", str(path), text] if espeak else [str(flite), text, str(path)]
        )
        subprocess.run(command, check=True, capture_output=True, timeout=20)
        with wave.open(str(path), "rb") as file:
            rate = file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)[:: file.getnchannels()]
        yield trim(np.clip(resample_poly(samples.astype(np.float64), AUDIO_RATE, rate), -32768, 32767).astype(np.int16))
