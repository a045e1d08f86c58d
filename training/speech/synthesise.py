"""Speech with exact phone times from espeak-ng and flite: `python -m training.speech.synthesise --data DIR --work DIR`.

Texts are the transcripts of the recorded corpora (English) and short public-domain or own sentences (other languages).
Output: `<work>/tts/<name>.npz` with `samples` int16 48 kHz, `phones` (n,) str (IPA or ARPAbet), `starts` (n,) s.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly
from tqdm import tqdm

from training.speech.media import RATE
from training.speech.sentences import SENTENCES

ENGLISH_VOICES = (
    "en-us", "en", "en-gb-scotland", "en-us+f2", "en+f3", "en-us+m3", "en+m5", "en-us+f4", "en-us+m7",
    "en-gb-x-rp+f5", "en-us+klatt2", "en+croak", "en-us+whisper", "en-us+whisperf", "en-029+m1", "en-us+klatt4",
)  # fmt: skip
FLITE_VOICES = ("slt", "rms", "awb", "kal16")


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
_PHONEME_EVENT = 7

Spoken = tuple[NDArray[np.int16], list[str], list[float]]


class Espeak:
    """espeak-ng through its C library: the command line does not tell phone times."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        # synchronous retrieval, 100 ms buffers, default data; phoneme events (1) with IPA names (2)
        self._rate = self._library.espeak_Initialize(2, 100, None, 3)
        if self._rate <= 0:
            raise OSError("espeak-ng could not start; install the package espeak-ng")
        self._callback = _CALLBACK(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if count > 0:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != 0:
            if events[index].type == _PHONEME_EVENT:
                # `string` reads up to the first zero byte of the eight that hold the name
                self._phones.append(events[index].id.string.decode("utf-8", "ignore"))
                self._starts.append(events[index].sample / self._rate)
            index += 1
        return 0

    def speak(self, text: str, voice: str, speed: int = 165, pitch: int = 50) -> Spoken:
        """Samples at 48 kHz, phone names and their start times (s)."""
        self._parts: list[NDArray[np.int16]] = []
        self._phones: list[str] = []
        self._starts: list[float] = []
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"no voice {voice}")
        self._library.espeak_SetParameter(1, speed, 0)
        self._library.espeak_SetParameter(3, pitch, 0)
        data = text.encode() + b"\0"
        self._library.espeak_Synth(data, len(data), 0, 0, 0, 1, None, None)
        self._library.espeak_Synchronize()
        samples = np.concatenate(self._parts) if self._parts else np.zeros(0, np.int16)
        return to_48k(samples, self._rate), self._phones, self._starts


def to_48k(samples: NDArray[np.int16], rate: int) -> NDArray[np.int16]:
    """Resample int16 mono from `rate` Hz."""
    divisor = int(np.gcd(rate, RATE))
    wide = resample_poly(samples.astype(np.float64), RATE // divisor, rate // divisor)
    return np.clip(np.rint(wide), -32768, 32767).astype(np.int16)


def flite(text: str, voice: str) -> Spoken:
    """The same from flite, which prints `phone:end` pairs."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = ["flite", "-voice", voice, "-psdur", "-t", text, "-o", file.name]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        with wave.open(file.name) as reader:
            samples = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
            rate = reader.getframerate()
    phones, starts, begin = [], [], 0.0
    for item in printed.split():
        name, end = item.rsplit(":", 1)
        phones.append(name.upper())
        starts.append(begin)
        begin = float(end)
    return to_48k(samples, rate), phones, starts


def main() -> None:
    """Synthesise everything that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("training/work/speech"))
    parser.add_argument("--english", type=int, default=480)
    parser.add_argument("--other", type=int, default=480)
    options = parser.parse_args()
    target = options.work / "tts"
    target.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    texts = [path.read_text().strip() for path in sorted((options.data / "speech" / "kathleen").glob("*.txt"))]
    espeak = Espeak()
    for i in tqdm(range(options.english + options.other), mininterval=10):
        output = target / f"{i:05d}.npz"
        speed, pitch = int(random.integers(130, 210)), int(random.integers(20, 80))
        text = texts[int(random.integers(len(texts)))]
        if i < options.english:
            language = "en"
            voices = ENGLISH_VOICES + tuple(f"flite:{name}" for name in FLITE_VOICES for _ in range(3))
            voice = voices[i % len(voices)]
        else:
            language = sorted(SENTENCES)[i % len(SENTENCES)]
            text = " ".join(random.permutation(SENTENCES[language])[:2])
            variant = ("", "+f2", "+m3", "+f4", "+m5", "+f3", "+m7", "+klatt2")[int(random.integers(8))]
            voice = language + variant
        if output.exists():
            continue
        if voice.startswith("flite:"):
            samples, phones, starts = flite(text, voice.removeprefix("flite:"))
            alphabet = "arpabet"
        else:
            samples, phones, starts = espeak.speak(text, voice, speed, pitch)
            alphabet = "ipa"
        if len(samples) < RATE // 4 or not phones:
            continue
        np.savez_compressed(
            output, samples=samples, phones=phones, starts=starts, alphabet=alphabet, voice=voice, language=language
        )


if __name__ == "__main__":
    main()
