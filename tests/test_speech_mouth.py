"""The mouth follows speech, closes for p, b and m, and rests in silence."""

from __future__ import annotations

import io
import itertools
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly

from live.bench.lips import CLOSED, LipModel
from live.errors import ModelError
from live.frames import AUDIO_RATE
from live.motion.face_model import FaceModel
from live.motion.speech.baselines import EnergyMouth, RuleMouth
from live.motion.speech.mouth import MouthModel, NetworkMouth, SilenceGate, step_time
from live.motion.speech.network import LOOK_AHEAD, MOUTH_COUNT, STEP, SpeechNetwork, mouth_matrix
from tests.speech_sample import phones, samples


def opening(mouth: MouthModel, sound: NDArray[np.int16]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times and lip opening in pupil distances."""
    steps = mouth.push(sound)
    weights = np.stack([s.mouth for s in steps]) @ mouth_matrix()
    return np.array([s.time for s in steps]), LipModel(FaceModel.load()).opening(weights)


@pytest.mark.parametrize("make", [NetworkMouth, RuleMouth, EnergyMouth])
def test_steps_do_not_depend_on_the_chunks(make: type[MouthModel]) -> None:
    sound = samples()[: 2 * AUDIO_RATE]
    whole = make().push(sound)
    random = np.random.default_rng(0)
    mouth, parts, start = make(), [], 0
    while start < len(sound):
        count = int(random.integers(1, 5000))
        parts += mouth.push(sound[start : start + count])
        start += count
    assert len(parts) == len(whole) == len(sound) // round(STEP * AUDIO_RATE)
    for a, b in zip(parts, whole, strict=True):
        assert a.time == b.time and a.speaking == b.speaking
        assert np.array_equal(a.mouth, b.mouth)


def test_reset_forgets_everything() -> None:
    sound = samples()[: 2 * AUDIO_RATE]
    mouth = NetworkMouth()
    first = mouth.push(sound)
    mouth.reset()
    second = mouth.push(sound)
    assert all(np.array_equal(a.mouth, b.mouth) for a, b in zip(first, second, strict=True))


def test_look_ahead_is_as_stated() -> None:
    assert step_time(0) == pytest.approx(STEP - LOOK_AHEAD)
    assert LOOK_AHEAD + STEP <= 0.06 + 1e-9
    # Sound after (time + look-ahead) cannot change a step.
    sound = samples()[: 2 * AUDIO_RATE].copy()
    changed = sound.copy()
    changed[AUDIO_RATE:] = 0
    for a, b in zip(NetworkMouth().push(sound), NetworkMouth().push(changed), strict=True):
        if a.time + LOOK_AHEAD <= 1.0 + 1e-9:
            assert np.array_equal(a.mouth, b.mouth)


@pytest.mark.parametrize("level", [0.0, 3.0, 60.0, 600.0])
def test_silence_keeps_the_mouth_closed(level: float) -> None:
    noise = np.random.default_rng(0).standard_normal(6 * AUDIO_RATE) * level
    steps = NetworkMouth().push(np.rint(noise).astype(np.int16))
    weights = np.stack([s.mouth for s in steps]) @ mouth_matrix()
    assert (LipModel(FaceModel.load()).opening(weights) <= CLOSED).mean() >= 0.99


def test_lips_meet_in_bilabials_and_part_in_open_vowels() -> None:
    times, gap = opening(NetworkMouth(), samples())
    closed = [
        gap[(times >= start - 0.03) & (times <= end + 0.03)].min() <= CLOSED
        for start, end, name in phones()
        if name in {"P", "B", "M"}
    ]
    opened = [
        np.interp((start + end) / 2, times, gap) > CLOSED
        for start, end, name in phones()
        if name in {"AA", "AE", "AY", "AO"}
    ]
    assert len(closed) >= 8 and np.mean(closed) >= 0.8
    assert len(opened) >= 3 and np.mean(opened) >= 0.9


def test_the_mouth_rests_after_the_last_word() -> None:
    end = max(b for _, b, name in phones() if name != "PAU")
    times, gap = opening(NetworkMouth(), samples())
    quiet = times > [start for start, _, name in phones() if name == "PAU"][-1] + 0.25
    assert end > 3.0 and quiet.sum() > 20
    assert (gap[quiet] <= CLOSED).all()


@pytest.mark.parametrize("gain_db", [-30.0, -12.0, 0.0])
def test_gain_hardly_matters(gain_db: float) -> None:
    sound = samples().astype(np.float64)
    scaled = np.rint(sound * 32_767 * 10 ** (gain_db / 20) / np.abs(sound).max()).astype(np.int16)
    _, reference = opening(NetworkMouth(), samples())
    _, gap = opening(NetworkMouth(), scaled)
    assert np.corrcoef(reference, gap)[0, 1] > 0.97


def test_clipping_and_noise_leave_the_movement() -> None:
    sound = samples().astype(np.float64)
    _, reference = opening(NetworkMouth(), samples())
    clipped = np.clip(sound * 4, -32768, 32767).astype(np.int16)
    loud = np.abs(sound) > 0.1 * np.abs(sound).max()
    hiss = np.random.default_rng(0).standard_normal(len(sound)) * sound[loud].std() * 10**-0.5
    noisy = np.clip(np.rint(sound + hiss), -32768, 32767).astype(np.int16)
    assert np.corrcoef(reference, opening(NetworkMouth(), clipped)[1])[0, 1] > 0.8
    assert np.corrcoef(reference, opening(NetworkMouth(), noisy)[1])[0, 1] > 0.6


def test_weights_stay_in_range() -> None:
    for step in NetworkMouth().push(samples()):
        assert step.mouth.shape == (MOUTH_COUNT,)
        assert (step.mouth >= 0.0).all() and (step.mouth <= 1.0).all()
        assert 0.0 <= step.speaking <= 1.0


def test_gate_opens_at_once_and_closes_softly() -> None:
    gate = SilenceGate()
    assert gate.update(0.1) == 0.0
    assert [gate.update(p) for p in (0.4, 0.9)] == [1.0, 1.0]
    closing = [gate.update(0.0) for _ in range(12)]
    assert closing[SilenceGate.HANG - 2] == 1.0 and closing[-1] == 0.0
    assert all(0.0 <= a - b <= 0.2 + 1e-9 for a, b in itertools.pairwise(closing))


def test_gate_drops_what_was_no_speech() -> None:
    gate = SilenceGate()
    assert [gate.update(p) for p in (0.5, 0.1, 0.1, 0.1)] == [1.0, 0.5, 0.0, 0.0]
    # what an earlier word confirmed does not count for the next suspicion
    for p in (0.9, *[0.0] * 12):
        gate.update(p)
    assert [gate.update(p) for p in (0.5, 0.1, 0.1)] == [1.0, 0.5, 0.0]


@pytest.mark.parametrize("gain", [1.0, 0.03])
def test_the_mouth_opens_with_the_first_sound(gain: float) -> None:
    """The word begins with a breathed h; when its voice sets in, with the second phone, the mouth is open."""
    first, second = [start for start, _, name in phones() if name != "PAU"][:2]
    hush = np.random.default_rng(1).normal(0.0, 6.0, len(samples()))
    times, gap = opening(NetworkMouth(), np.rint(gain * (samples() + hush)).astype(np.int16))
    peak = gap[(times > first) & (times < second + 0.4)].max()
    assert peak > 2.0 * CLOSED
    assert np.abs(gap[times < first - 0.2]).max() < 0.01
    assert np.interp(first + 0.02, times, gap) > 0.25 * peak
    assert np.interp(second, times, gap) > 0.6 * peak


def test_a_damaged_model_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "speech.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match="speech model"):
        SpeechNetwork(path)
    with pytest.raises(ModelError):
        SpeechNetwork(tmp_path / "missing.onnx")


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_a_whisper_moves_the_mouth_as_the_voice_does() -> None:
    """The same synthesiser and text, so that both take the same time; a whisper has no voice, only breath."""

    def said(voice: str) -> NDArray[np.int16]:
        text = "Please bring my paper boat back home before the storm."
        command = ["espeak-ng", "-v", voice, "-s", "150", "--stdout", text]
        with wave.open(io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout)) as reader:
            sound = np.frombuffer(reader.readframes(reader.getnframes()), np.int16).astype(np.float64)
            spoken = resample_poly(sound, AUDIO_RATE, reader.getframerate())
        pause = np.zeros(AUDIO_RATE)
        return np.clip(np.concatenate([pause, spoken, pause]), -32768, 32767).astype(np.int16)

    _, voiced = opening(NetworkMouth(), said("en-us"))
    _, whispered = opening(NetworkMouth(), said("en-us+whisper"))
    length = min(len(voiced), len(whispered))
    assert np.corrcoef(voiced[:length], whispered[:length])[0, 1] > 0.8
    assert whispered.max() > 0.6 * voiced.max()
