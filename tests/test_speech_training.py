"""Pieces of the speech network's training: disguises, labels, splits, losses, and that streaming equals training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from live.motion.speech.features import FEATURES, MELS, mel_centres  # noqa: E402
from live.motion.speech.network import MOUTH_COUNT  # noqa: E402
from live.motion.speech.phone_classes import CLASSES, INDEX  # noqa: E402
from training.speech.batches import Batch, Item, Sampler, attach_phones, warp_matrices  # noqa: E402
from training.speech.splits import held_out, is_held_speaker, speaker  # noqa: E402
from training.speech.stream_net import StreamNet  # noqa: E402
from training.speech.train_mouth import best_shift  # noqa: E402
from training.speech.train_phones import phone_loss  # noqa: E402


def item(name: str = "a", group: str = "grid", count: int = 90) -> Item:
    random = np.random.default_rng(count)
    return Item(
        name,
        group,
        random.normal(0, 0.5, (count, 2 * FEATURES)).astype(np.float16),
        random.integers(0, len(CLASSES), count).astype(np.int8),
        (0.02 * np.arange(count)).astype(np.float32),
        np.zeros((count, MOUTH_COUNT), np.float16),
        np.ones(count, np.float16),
    )


def test_vocal_tract_warps_keep_the_ends_and_move_the_formants() -> None:
    matrices = warp_matrices(31)
    assert np.allclose(matrices.sum(2), 1.0)
    assert np.allclose(matrices[15], np.eye(MELS), atol=1e-5)
    formant = np.exp(-0.5 * ((np.arange(MELS) - 20.0) / 1.5) ** 2)
    moved = [float(mel_centres()[int((m @ formant).argmax())]) for m in matrices]
    assert moved == sorted(moved, reverse=True)
    assert moved[0] / moved[-1] == pytest.approx(1.25 / 0.8, rel=0.15)


def test_crops_are_full_and_keep_their_labels() -> None:
    sampler = Sampler(
        [item("a", "grid", 90), item("b", "librispeech", 50)], {"grid": 0.5, "librispeech": 0.5}, 70, 6, 0
    )
    batch = sampler.draw()
    assert batch.features.shape == (6, 70, 2 * FEATURES) and batch.phones.shape == (6, 70)
    assert torch.isfinite(batch.features).all()
    assert batch.decoded.any() and not batch.decoded.all()


def test_files_that_nobody_hears_lose_their_phones(tmp_path: Path) -> None:
    (tmp_path / "align").mkdir()
    for name in ("good", "bad"):
        (tmp_path / "align" / f"{name}.json").write_text(json.dumps([[0.0, 0.5, "SIL"], [0.5, 1.0, "M"]]))
    (tmp_path / "agreement.json").write_text(json.dumps({"good": 0.8, "bad": 0.1}))
    items = [item("good", "librispeech"), item("bad", "librispeech")]
    attach_phones(items, tmp_path)
    assert items[0].phones[10] == INDEX["SIL"] and items[0].phones[40] == INDEX["M"]
    assert (items[1].phones == -1).all()


def test_no_speaker_is_on_both_sides() -> None:
    names = [f"train-clean-100_{n}-1-{k:04d}" for n in range(100) for k in range(2)]
    held = held_out([item(n, "librispeech") for n in names])
    people = {speaker(n) for n in names if n in held}
    assert 2 <= len(people) <= 20
    assert all((n in held) == (speaker(n) in people) for n in names)
    assert is_held_speaker("test-other_2414-128291-0001")


def test_a_sure_network_may_doubt_decoded_phones_only() -> None:
    phones = torch.full((1, 4), 3)
    logits = torch.zeros(1, 4, len(CLASSES))
    logits[..., 5] = 12.0
    decoded = torch.tensor([[True, True, True, False]])
    batch = Batch(torch.zeros(1, 4, 86), phones, torch.zeros(1, 4, 19), torch.zeros(1, 4), decoded)
    last = Batch(batch.features, torch.tensor([[-1, -1, -1, 3]]), batch.mouth, batch.mouth_weight, decoded)
    assert phone_loss(logits, batch, doubt=True) == pytest.approx(float(phone_loss(logits, last, doubt=False)))
    assert torch.isfinite(phone_loss(logits, batch, doubt=False))


def test_streaming_equals_training() -> None:
    torch.manual_seed(0)
    net = StreamNet().eval()
    features = torch.randn(1, 12, 2 * FEATURES)
    with torch.no_grad():
        mouth, logits, _ = net(features)
        state, steps = net.first_state(), []
        for k in range(12):
            one, _, state = net(features[:, k : k + 1], state)
            steps.append(one)
        heard, again, _ = net.hear(features, net.first_state())
        alone, _ = net.move(heard, again, net.first_state())
    assert torch.allclose(torch.cat(steps, 1), mouth, atol=1e-5)
    assert torch.equal(again, logits) and torch.equal(alone, mouth)


def test_sound_that_is_late_is_found() -> None:
    clip = item("v", "video", 200)
    curve = np.sin(5.0 * clip.times) + np.sin(13.0 * clip.times)
    pts = np.arange(0.5, 3.4, 0.04)
    tracked = {"pts": pts, "opening": np.interp(pts + 0.11, clip.times, curve)}
    shift, score = best_shift(clip, curve.astype(np.float32), tracked)
    assert shift == pytest.approx(0.11, abs=0.011) and score > 0.98
