"""What microphones, rooms and codecs do to speech: gain, noise, reverberation, band limits, speed, Opus."""

from __future__ import annotations

import io

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from training.speech.media import RATE

Samples = NDArray[np.float64]


def change_speed(samples: Samples, percent: int) -> Samples:
    """Play at `percent` % of the speed, pitch and formants included, like another, bigger or smaller speaker."""
    return np.asarray(resample_poly(samples, 100, percent))


def reverberate(samples: Samples, random: np.random.Generator) -> Samples:
    """A room of exponentially decaying noise; the direct sound stays at its time."""
    decay = random.uniform(0.1, 0.5)
    length = int(decay * RATE)
    tail = random.standard_normal(length) * 10 ** (-3.0 * np.arange(length) / length)
    tail[: int(0.002 * RATE)] = 0.0
    tail *= 10 ** (random.uniform(-15.0, -3.0) / 20.0) / np.linalg.norm(tail)
    tail[0] = 1.0
    return np.asarray(fftconvolve(samples, tail)[: len(samples)])


def noise(count: int, random: np.random.Generator, babble: list[Samples]) -> Samples:
    """White, pink, hum or babble, `count` samples of unit power."""
    kind = random.integers(4)
    if kind == 3 and babble:
        sound = np.zeros(count)
        for _ in range(5):
            other = babble[int(random.integers(len(babble)))]
            sound += np.resize(np.roll(other, int(random.integers(len(other)))), count) / (other.std() + 1.0)
    else:
        shape = np.fft.rfft(random.standard_normal(count))
        frequency = np.fft.rfftfreq(count, 1.0 / RATE) + 20.0
        shape *= frequency ** -(0.0, 0.5, 1.0, 0.7)[kind]
        sound = np.fft.irfft(shape, count)
        if kind == 2:
            time = np.arange(count) / RATE
            hum = random.choice([50.0, 60.0, 120.0])
            sound = sound / sound.std() + sum(np.sin(2 * np.pi * hum * k * time) / k for k in (1, 2, 3, 5))
    return np.asarray(sound / (sound.std() + 1e-9))


def through_opus(samples: Samples, bitrate: int) -> Samples:
    """Encode and decode with Opus, in time."""
    pcm = np.clip(samples, -32768, 32767).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE)
        stream.bit_rate = bitrate
        stream.layout = "mono"
        for start in range(0, len(pcm), 960):
            block = np.zeros(960, np.int16)
            part = pcm[start : start + 960]
            block[: len(part)] = part
            frame = av.AudioFrame.from_ndarray(block[None], format="s16", layout="mono")
            frame.rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    decoded: list[NDArray[np.float64]] = []
    with av.open(file) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        for frame in container.decode(audio=0):
            decoded.extend(out.to_ndarray().reshape(-1).astype(np.float64) for out in resampler.resample(frame))
    joined = np.concatenate(decoded)
    return joined[: len(samples)] if len(joined) >= len(samples) else np.pad(joined, (0, len(samples) - len(joined)))


def augment(samples: Samples, random: np.random.Generator, babble: list[Samples]) -> NDArray[np.int16]:
    """One random recording of `samples`: int16, peak at -30..0 dBFS, same length and timing."""
    if random.random() < 0.4:
        samples = reverberate(samples, random)
    if random.random() < 0.4:
        low, high = random.uniform(60.0, 300.0), random.uniform(3500.0, 12000.0)
        samples = np.asarray(sosfilt(butter(1, [low, high], "band", fs=RATE, output="sos"), samples))
    if random.random() < 0.65:
        loud = np.abs(samples) > 0.1 * np.abs(samples).max()
        power = samples[loud].std() if loud.any() else 1.0
        samples = samples + noise(len(samples), random, babble) * power * 10 ** (-random.uniform(8.0, 40.0) / 20.0)
    samples = samples * 10 ** (random.uniform(-30.0, 0.0) / 20.0) * 32700 / (np.abs(samples).max() + 1.0)
    if random.random() < 0.15:
        samples = through_opus(samples, int(random.choice([12000, 20000, 32000])))
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
