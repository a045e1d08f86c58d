from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from live import models
from live.motion.face_networks import FILES, load_face_networks
from live.openvino_core import new_core


@pytest.fixture(scope="module")
def task() -> Path:
    if not models.is_intact(models.FACE_LANDMARKER):
        pytest.skip("face_landmarker.task is not on this machine yet; `live doctor` fetches it")
    return models.FACE_LANDMARKER.path


def test_the_landmark_network_answers_as_published(task: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(5).integers(0, 255, (1, 256, 256, 3)).astype(np.uint8)
    _, landmarks, _ = load_face_networks(task, 1)
    assert landmarks.input.shape == picture.shape and landmarks.input.dtype == np.uint8
    landmarks.input[...] = picture
    points, presence, _ = (output.copy() for output in landmarks.run())
    with zipfile.ZipFile(task) as archive:
        core = new_core()
        model = core.read_model(archive.extract(FILES[1], tmp_path))
    model.reshape([1, 256, 256, 3])
    plain = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    expected = plain([picture.astype(np.float32) / 255])
    assert np.abs(points - expected[0]).max() < 0.01  # pixels
    assert presence.item() == pytest.approx(expected[1].item(), abs=1e-3)


def test_inputs_and_outputs_stay_in_place(task: Path) -> None:
    draw = np.random.default_rng(6)
    for network in load_face_networks(task, 1):
        one, other = (draw.integers(0, 255, network.input.shape).astype(network.input.dtype) for _ in range(2))
        network.input[...] = one
        before = [output.copy() for output in network.run()]
        network.input[...] = other
        assert any((a != b).any() for a, b in zip(before, network.run(), strict=True))
        network.input[...] = one
        for a, b in zip(before, network.run(), strict=True):
            np.testing.assert_array_equal(a, b)
