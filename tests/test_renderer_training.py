"""Pieces of the live network's training: losses, sample storage, settings, face alignment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import training.renderer  # noqa: E402
from live.motion.face_model import FaceModel  # noqa: E402
from live.render.live_network.config import LiveConfig  # noqa: E402
from training.renderer import trainer, travel  # noqa: E402
from training.renderer.cache import CachedSamples, pack_value, recolour, unpack_value  # noqa: E402
from training.renderer.face_features import INPUT, TEMPLATE, FaceFeatures, align  # noqa: E402
from training.renderer.losses import PatchDiscriminator, gradient_loss, regional_l1  # noqa: E402
from training.renderer.mirroring import mirror_samples, motion_mirror  # noqa: E402
from training.renderer.pack import choose_frames  # noqa: E402
from training.renderer.pack_format import SIDE, SOURCE_SIDE, PackedData, decode, encode  # noqa: E402
from training.renderer.settings import Settings  # noqa: E402


def test_small_regions_count_as_much_as_large_ones() -> None:
    target = torch.zeros(1, 3, 64, 64)
    regions = torch.zeros(1, 2, 64, 64)
    regions[:, 0, 20:28, 20:28] = 1
    regions[:, 1] = 1 - regions[:, 0]
    wrong = target + regions[:, :1]
    losses = regional_l1(wrong, target, regions)
    torch.testing.assert_close(losses, torch.tensor([1.0, 0.0]))
    assert regional_l1(wrong, target, torch.zeros_like(regions)).sum() == 0


def test_gradient_loss_ignores_brightness_but_not_blur() -> None:
    torch.manual_seed(0)
    target, weight = torch.rand(2, 3, 32, 32), torch.ones(2, 1, 32, 32)
    assert gradient_loss(target + 0.3, target, weight) < 1e-6
    blurred = torch.nn.functional.avg_pool2d(target, 3, 1, 1)
    assert gradient_loss(blurred, target, weight) > 0.05
    assert gradient_loss(blurred, target, weight * 0) == 0


def test_discriminator_judges_patches() -> None:
    score, features = PatchDiscriminator(2)(torch.rand(2, 3, 96, 96), torch.rand(2, 2, 96, 96))
    assert score.shape == (2, 1, 12, 12)
    assert len(features) == 3


@pytest.mark.parametrize(
    ("name", "low", "tolerance"), [("target", -1, 0.005), ("regions", 0, 0.003), ("prior", -1, 0.001)]
)
def test_samples_survive_storage(name: str, low: float, tolerance: float) -> None:
    value = np.random.default_rng(0).uniform(low, 1, (3, 8, 8)).astype(np.float32)
    again = unpack_value(name, torch.from_numpy(pack_value(name, value)))
    assert np.abs(again.numpy() - value).max() < tolerance


def test_the_motion_of_a_mirrored_face() -> None:
    """The mirrored motion must move the mesh as the mirror shows it."""
    model, random = FaceModel.load(), np.random.default_rng(0)
    motion = np.zeros(74, np.float32)
    motion[:51] = random.uniform(0, 0.7, 51)
    motion[52:58] = random.normal(0, 0.2, 6)
    mirrored = motion_mirror(model).numpy() @ motion
    np.testing.assert_allclose(mirrored[52:58], motion[52:58] * [1, -1, -1, -1, 1, 1])
    across = np.array([-1, 1, 1])
    rest = model.landmarks_mean
    twin = np.linalg.norm((rest * across)[:, None] - rest[None], axis=2).argmin(1)

    def moved(vector: np.ndarray) -> np.ndarray:
        residual = np.tensordot(vector[58:], model.landmarks_residual, 1)
        return np.asarray(np.tensordot(vector[:52], model.landmarks_expression, 1) + residual)

    wanted = moved(motion)[twin] * across
    assert np.abs(moved(mirrored) - wanted).mean() < 0.1 * np.abs(wanted).mean()
    motion = np.zeros(74, np.float32)
    motion[58:68] = random.normal(0, 1, 10)
    wanted = moved(motion)[twin] * across
    assert np.abs(moved(motion_mirror(model).numpy() @ motion) - wanted).mean() < 0.3 * np.abs(wanted).mean()


def test_mirrored_samples() -> None:
    torch.manual_seed(0)
    shapes = {"portrait": (3, 8, 8), "portrait_mouth": (3, 6, 6), "portrait_eyes": (2, 3, 4, 4)}
    shapes |= {"composite": (3, 8, 8), "prior": (8, 8, 8), "window": (74, 6), "mouth": (9, 6, 6), "eyes": (2, 9, 4, 4)}
    shapes |= {"target": (3, 8, 8), "target_mouth": (3, 6, 6), "target_eyes": (2, 3, 4, 4), "regions": (4, 8, 8)}
    shapes |= {"mouth_regions": (3, 6, 6), "eyes_regions": (2, 3, 4, 4), "five_points": (5, 2)}
    batch = {name: torch.rand(2, *shape) for name, shape in shapes.items()}
    before = {name: value.clone() for name, value in batch.items()}
    motion = motion_mirror(FaceModel.load())
    mirror_samples(batch, torch.tensor([False, True]), motion)
    for name, value in batch.items():
        assert torch.equal(value[0], before[name][0]), name
        assert not torch.equal(value[1], before[name][1]), name
    assert torch.equal(batch["prior"][1, 1], before["prior"][1, 1].flip(-1))
    assert torch.equal(batch["prior"][1, 0], -before["prior"][1, 0].flip(-1))
    assert torch.equal(batch["eyes"][1, 0, :7], before["eyes"][1, 1, :7])
    mirror_samples(batch, torch.tensor([False, True]), motion)
    for name in batch.keys() - {"window"}:  # the residual's mirror is an approximation
        torch.testing.assert_close(batch[name], before[name])


def test_recolouring_changes_all_pictures_alike_and_no_guides() -> None:
    torch.manual_seed(0)
    picture = torch.rand(2, 3, 8, 8) * 2 - 1
    guide = torch.rand(2, 6, 8, 8)
    batch = {n: picture.clone() for n in ("portrait", "portrait_mouth", "composite", "target", "target_mouth")}
    batch |= {n: torch.stack([picture, picture], 1) for n in ("portrait_eyes", "target_eyes")}
    batch |= {"mouth": torch.cat([picture, guide], 1), "window": torch.zeros(2, 74, 6)}
    batch["eyes"] = torch.stack([batch["mouth"]] * 2, 1)
    recolour(batch)
    assert not torch.allclose(batch["target"], picture)
    assert batch["target"].abs().max() <= 1
    torch.testing.assert_close(batch["target"], batch["portrait"])
    torch.testing.assert_close(batch["mouth"][:, :3], batch["target"])
    torch.testing.assert_close(batch["mouth"][:, 3:], guide)
    torch.testing.assert_close(batch["eyes"][:, 1, :3], batch["target"])


def test_empty_cache_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"training\.renderer\.cache"):
        next(CachedSamples(tmp_path, 0).batches(2))


def test_jpeg_pack_keeps_colours() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32] = (200, 30, 90)
    again = decode(np.frombuffer(encode(image), np.uint8))
    assert np.abs(again[:, 4:28].astype(int) - image[:, 4:28]).max() < 6


def test_frame_choice_favours_open_mouths() -> None:
    landmarks = np.zeros((100, 478, 3), np.float32)
    landmarks[:, 308, 0] = 10  # the other mouth corner
    lower = [95, 88, 178, 87, 14, 317, 402, 318, 324]
    landmarks[60:70, lower, 1] = 5
    chosen = choose_frames(landmarks, np.ones(100, np.bool_), 20)
    assert len(chosen) == 20
    assert np.isin(np.arange(60, 70), chosen).all()
    valid = np.zeros(100, np.bool_)
    valid[3:7] = True
    assert choose_frames(landmarks, valid, 20).tolist() == [3, 4, 5, 6]


def test_alignment_puts_the_points_on_the_template() -> None:
    angle, scale = 0.3, 0.5
    turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=torch.float32)
    points = (TEMPLATE / INPUT - 0.5) @ turn.T * scale + torch.tensor([0.55, 0.45])
    side = 200
    picture = torch.zeros(1, 3, side, side)
    for x, y in (points * side).tolist():
        picture[:, :, round(y - 0.5) - 2 : round(y - 0.5) + 3, round(x - 0.5) - 2 : round(x - 0.5) + 3] = 1
    face = align(picture, points[None])
    assert face.shape == (1, 3, INPUT, INPUT)
    for x, y in TEMPLATE.tolist():
        assert face[0, 0, round(y - 0.5), round(x - 0.5)] > 0.9


def made_up_pack(folder: Path, clips: int, frames: int) -> PackedData:
    """Noise in the pack's format; every third frame is a portrait."""
    random = np.random.default_rng(0)
    count = clips * frames
    pictures = [encode(random.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)) for _ in range(count)]
    portraits = np.arange(0, count, 3)
    large = [encode(random.integers(0, 256, (SOURCE_SIDE, SOURCE_SIDE, 3)).astype(np.uint8)) for _ in portraits]
    index = {
        "frame_start": np.cumsum([0, *map(len, pictures)]), "source_start": np.cumsum([0, *map(len, large)]),
        "clip_start": np.arange(0, 2 * count + 1, 2 * frames), "frame_row": np.arange(0, 2 * count, 2),
        "frame_landmarks": random.random((count, 478, 3)).astype(np.float32), "source_frame": portraits,
        "expression": random.random((2 * count, 52)).astype(np.float32), "identity": random.random((clips, 50)),
        "residual": random.random((2 * count, 16)).astype(np.float32),
    }  # fmt: skip
    folder.mkdir()
    np.savez(folder / "index.npz", **index)
    (folder / "frames.bin").write_bytes(b"".join(pictures))
    (folder / "sources.bin").write_bytes(b"".join(large))
    return PackedData.open(folder)


def test_a_small_pack_keeps_pictures_with_their_motion(tmp_path: Path) -> None:
    whole = made_up_pack(tmp_path / "pack", 2, travel.FRAMES_PER_CLIP + 8)
    size = travel.write(whole, tmp_path / "travel")
    small = PackedData.open(tmp_path / "travel")
    assert size < sum(path.stat().st_size for path in (tmp_path / "pack").iterdir())
    rows = small.index["frame_row"]
    assert len(rows) == len(set(rows)) < len(whole.index["frame_row"])
    for i in (0, len(rows) // 2, len(rows) - 1):
        original = int(np.flatnonzero(whole.index["frame_row"] == rows[i])[0])
        landmarks = small.index["frame_landmarks"][i]
        np.testing.assert_allclose(landmarks, whole.index["frame_landmarks"][original], atol=1e-3)
        # noise survives JPEG badly, but its own picture better than another one's
        error = [np.abs(small.frame(i).astype(int) - whole.frame(j)).mean() for j in (original, (original + 1) % 30)]
        assert error[0] < 0.7 * error[1]
    sources = small.index["source_frame"]
    assert len(sources) == 2 * travel.PORTRAITS_PER_CLIP == len(small.index["source_start"]) - 1
    assert set(rows[sources]) <= set(whole.index["frame_row"][whole.index["source_frame"]])
    assert small.source(0).shape == (SOURCE_SIDE, SOURCE_SIDE, 3)


def test_face_features_without_onnx(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    make, random = onnx.helper, np.random.default_rng(0)
    nodes, values, last, channels = [], [], "x", 3
    for i in range(9):
        kernel = random.normal(0, 0.3, (4, channels, 3, 3)).astype(np.float32)
        values += [
            onnx.numpy_helper.from_array(kernel, f"w{i}"),
            onnx.numpy_helper.from_array(np.zeros(4, np.float32), f"b{i}"),
        ]
        nodes += [
            make.make_node("Conv", [last, f"w{i}", f"b{i}"], [f"c{i}"], strides=[1, 1], pads=[1, 1, 1, 1]),
            make.make_node("Relu", [f"c{i}"], [f"r{i}"]),
        ]
        last, channels = f"r{i}", 4
    values.append(onnx.numpy_helper.from_array(np.array([1, -1]), "shape"))
    nodes.append(make.make_node("Reshape", [last, "shape"], ["y"]))
    ends = [make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "xy"]
    onnx.save(make.make_model(make.make_graph(nodes, "g", ends[:1], ends[1:], values)), tmp_path / "net.onnx")
    first = FaceFeatures(tmp_path / "net.onnx")
    first.save(tmp_path / "net.safetensors")
    second = FaceFeatures(tmp_path / "net.safetensors")
    picture = torch.rand(1, 3, 16, 16) * 2 - 1
    assert torch.equal(first.embedding(picture), second.embedding(picture))
    assert all(torch.equal(a, b) for a, b in zip(first.shallow(picture), second.shallow(picture), strict=True))


def made_up_batch(count: int) -> dict[str, torch.Tensor]:
    """Noise of the right shapes."""
    config = LiveConfig()
    pictures = {name: (count, *shape) for name, shape in {
        "portrait": (3, 128, 128), "composite": (3, 128, 128), "target": (3, 128, 128),
        "portrait_mouth": (3, 96, 96), "target_mouth": (3, 96, 96), "mouth": (9, 96, 96),
        "portrait_eyes": (2, 3, 64, 64), "target_eyes": (2, 3, 64, 64), "eyes": (2, 9, 64, 64),
        "prior": (config.prior_channels, 64, 64), "window": (74, 6),
    }.items()}  # fmt: skip
    regions = {"regions": (4, 128, 128), "mouth_regions": (3, 96, 96), "eyes_regions": (2, 3, 64, 64)}
    batch = {name: torch.randn(shape).clamp(-1, 1) * 0.5 for name, shape in pictures.items()}
    return batch | {name: torch.rand(count, *shape) for name, shape in regions.items()}


def test_a_step_against_the_discriminators_moves_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    settings = Settings.read(Path(training.renderer.__file__).with_name("config.toml"))
    stage = replace(settings.stages[-1], perceptual=False, eyes_every=1, base_every=1)
    assert stage.adversarial > 0
    monkeypatch.setattr(trainer, "FaceFeatures", lambda path: torch.nn.Identity())
    learning = trainer.Trainer(replace(settings, folder=tmp_path, bf16=False), tmp_path, "cpu")
    before = {n: p.clone() for n, p in [*learning.model.named_parameters(), *learning.judges.named_parameters()]}
    terms = learning._step(made_up_batch(2), stage, 0)
    for part in ("mouth", "eyes"):
        assert terms[f"{part}/judge"] > 0 and torch.isfinite(terms[f"{part}/adversarial"])
    after = [*learning.model.named_parameters(), *learning.judges.named_parameters()]
    moved = {n.split(".")[0] for n, p in after if not torch.equal(p, before[n])}
    assert moved == {"base", "mouth", "eyes"}
    judges = [n for n, p in learning.judges.named_parameters() if not torch.equal(p, before[n])]
    assert judges


def test_settings_and_stages() -> None:
    settings = Settings.read(Path(training.renderer.__file__).with_name("config.toml"))
    first = settings.stages[0]
    assert settings.stage(0) is first
    assert settings.stage(first.samples) is settings.stages[1]
    assert settings.stage(10**9) is settings.stages[-1]
    assert not first.edit
    assert len(settings.base.regions) == 4
    assert len(settings.mouth.regions) == len(settings.eyes.regions) == 3
