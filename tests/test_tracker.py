from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest

from live import models
from live.errors import ModelError
from live.frames import Image
from live.motion.arkit import ARKIT_INDEX
from live.motion.openvino_tracker import OpenVinoFaceTracker
from live.motion.tracker import FaceTracker, TrackedFace, is_picture
from live.motion.trackers import open_tracker

AnyTracker = FaceTracker | OpenVinoFaceTracker
MakeTracker = Callable[..., AbstractContextManager[AnyTracker]]


@pytest.fixture(scope="module")
def task() -> Path:
    if not models.is_intact(models.FACE_LANDMARKER):
        pytest.skip("face_landmarker.task is not on this machine yet; `live doctor` fetches it")
    return models.FACE_LANDMARKER.path


@pytest.fixture(scope="module")
def portrait() -> Image:
    path = resources.files("live") / "assets" / "portraits" / "collins.jpg"
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


@pytest.fixture(scope="module")
def compiled(task: Path) -> Iterator[dict[str, OpenVinoFaceTracker]]:
    """One tracker per mode: compiling its networks takes a second."""
    trackers = {"video": OpenVinoFaceTracker(task), "image": OpenVinoFaceTracker(task, mode="image")}
    yield trackers
    for tracker in trackers.values():
        tracker.close()


@pytest.fixture(params=[FaceTracker, OpenVinoFaceTracker])
def make(request: pytest.FixtureRequest, task: Path, compiled: dict[str, OpenVinoFaceTracker]) -> MakeTracker:
    kind = request.param

    def build(mode: str = "video", faces: int = 1) -> AbstractContextManager[AnyTracker]:
        if kind is FaceTracker:
            return FaceTracker(task, mode=mode, max_faces=faces)  # type: ignore[arg-type]
        compiled[mode].reset()
        return nullcontext(compiled[mode])

    return build


def check(face: TrackedFace) -> None:
    assert face.landmarks.shape == (478, 3) and face.landmarks.dtype == np.float32
    assert face.blendshapes.shape == (52,) and face.blendshapes.dtype == np.float32
    assert (face.blendshapes >= 0).all() and (face.blendshapes <= 1).all()
    assert face.blendshapes[ARKIT_INDEX["tongueOut"]] == 0
    assert 0.5 <= face.presence <= 1.0


def test_finds_the_face_of_the_portrait(make: MakeTracker, portrait: Image) -> None:
    with make("image") as tracker:
        face = tracker.track(portrait)
    assert face is not None
    check(face)
    left, top, right, bottom = face.box
    assert 150 < left < right < 320 and 20 < top < bottom < 230  # where her face is in the picture
    nose, right_eye, left_eye, chin = face.landmarks[[1, 33, 263, 152]]
    assert right_eye[0] < nose[0] < left_eye[0] and right_eye[1] < nose[1] < chin[1]
    assert nose[2] < right_eye[2]  # nearer to the camera
    smile = face.blendshapes[[ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]]
    assert smile.min() > 0.3  # she smiles


def heads(portrait: Image) -> Image:
    """The upper half of the portrait, mostly head: MediaPipe's detector misses faces that are small in the picture."""
    return np.ascontiguousarray(portrait[:256, 96:352])


def test_two_faces_are_both_found_in_a_still(make: MakeTracker, portrait: Image) -> None:
    head = heads(portrait)
    twice = np.ascontiguousarray(np.hstack([head, head[:, ::-1]]))
    with make("image", 2) as tracker:
        faces = tracker.detect_faces(twice)
        assert len(faces) == 2
        assert faces[0].size >= faces[1].size
        assert {f.box[0] < 256 for f in faces} == {True, False}
        assert len(tracker.detect_faces(np.zeros_like(portrait))) == 0


def test_small_faces_in_stills_are_found_in_parts_of_the_picture(
    compiled: dict[str, OpenVinoFaceTracker], portrait: Image
) -> None:
    crowd = np.zeros((1024, 1024, 3), np.uint8)
    crowd[:512, :512] = portrait
    crowd[512:, 512:] = portrait[:, ::-1]
    assert len(compiled["image"].detect_faces(crowd)) == 2
    assert len(compiled["image"].detect_faces(portrait)) == 1
    compiled["video"].reset()
    assert any(compiled["video"].track(crowd) is not None for _ in range(9))


def test_follows_a_moving_face(make: MakeTracker, portrait: Image) -> None:
    with make() as tracker:
        places = []
        for shift in range(0, 60, 4):
            face = tracker.track(np.ascontiguousarray(np.roll(portrait, shift, axis=1)))
            assert face is not None
            places.append(face.landmarks[:, 0].mean())
    # MediaPipe's own filter trails a little, which is why this is no exact comparison.
    assert places[-1] - places[0] == pytest.approx(56, abs=8)


def test_keeps_to_the_face_it_followed(make: MakeTracker, portrait: Image) -> None:
    head = heads(portrait)
    small = np.zeros_like(head)
    small[30:230, 30:230] = cv2.resize(head, (200, 200))
    both = np.ascontiguousarray(np.hstack([small, head]))
    alone = np.ascontiguousarray(np.hstack([small, np.zeros_like(head)]))
    with make("video", 2) as tracker:
        assert tracker.track(alone) is not None
        face = tracker.track(both)  # a larger face appears beside it
        assert face is not None and face.box[2] < 256
        tracker.reset()
        if isinstance(tracker, OpenVinoFaceTracker):
            face = tracker.track(both)
            assert face is not None and face.box[0] > 256


def test_a_face_that_leaves_is_lost_and_found_again(make: MakeTracker, portrait: Image) -> None:
    with make() as tracker:
        assert tracker.track(portrait, 0) is not None
        for t in range(40, 200, 40):
            lost = tracker.track(np.full_like(portrait, 90), t)
        assert lost is None
        assert tracker.track(portrait, 240) is not None


BAD_PICTURES = {
    "pixel": np.zeros((1, 1, 3), np.uint8),
    "empty": np.zeros((0, 0, 3), np.uint8),
    "grey": np.zeros((64, 64), np.uint8),
    "rgba": np.zeros((64, 64, 4), np.uint8),
    "float": np.zeros((64, 64, 3), np.float32),
    "sliver": np.zeros((8, 2000, 3), np.uint8),
    "nothing": None,
    "text": "picture",
}


def test_bad_pictures_hold_no_face_and_do_no_harm(make: MakeTracker, portrait: Image) -> None:
    with make() as tracker:
        for name, image in BAD_PICTURES.items():
            assert tracker.track(image) is None, name  # type: ignore[arg-type]
            assert tracker.detect_faces(image) == [], name  # type: ignore[arg-type]
        assert tracker.track(portrait) is not None


def test_timestamps_may_repeat_or_go_back(make: MakeTracker, portrait: Image) -> None:
    with make() as tracker:
        assert all(tracker.track(portrait, t) is not None for t in (1000, 1000, 5))


def test_pictures_with_gaps_between_rows_are_read(make: MakeTracker, portrait: Image) -> None:
    with make("image") as tracker:
        plain, strided = tracker.track(np.ascontiguousarray(portrait[:, ::-1])), tracker.track(portrait[:, ::-1])
    assert plain is not None and strided is not None
    assert np.array_equal(plain.landmarks, strided.landmarks)


@pytest.mark.parametrize("kind", [FaceTracker, OpenVinoFaceTracker])
def test_close_twice(kind: type[AnyTracker], task: Path) -> None:
    tracker = kind(task)
    tracker.close()
    tracker.close()
    assert tracker.track(np.zeros((64, 64, 3), np.uint8)) is None


@pytest.mark.parametrize("kind", [FaceTracker, OpenVinoFaceTracker])
def test_missing_and_damaged_models_say_what_to_do(kind: type[AnyTracker], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"missing.*live doctor"):
        kind(tmp_path / "nothing.task")
    damaged = tmp_path / "face_landmarker.task"
    damaged.write_bytes(b"not a model" * 1000)
    with pytest.raises(ModelError, match=r"cannot be loaded.*live doctor"):
        kind(damaged)


def test_what_is_a_picture() -> None:
    assert is_picture(np.zeros((8, 8, 3), np.uint8))
    assert not is_picture(np.zeros((8, 7, 3), np.uint8))
    assert not is_picture(object())


def test_openvino_agrees_with_mediapipe(task: Path, compiled: dict[str, OpenVinoFaceTracker], portrait: Image) -> None:
    with FaceTracker(task, mode="image") as theirs:
        expected, got = theirs.track(portrait), compiled["image"].track(portrait)
    assert expected is not None and got is not None
    interocular = np.linalg.norm(expected.landmarks[468, :2] - expected.landmarks[473, :2])
    distance = np.linalg.norm((got.landmarks - expected.landmarks)[:, :2], axis=1) / interocular
    assert distance.mean() < 0.03 and distance.max() < 0.10
    assert np.corrcoef(got.landmarks[:, 2], expected.landmarks[:, 2])[0, 1] > 0.98
    assert np.abs(got.blendshapes - expected.blendshapes).mean() < 0.04


@pytest.mark.parametrize(("mode", "faces"), [("video", 1), ("image", 3)])
def test_mediapipe_steps_in_where_openvino_does_not_work(
    task: Path, portrait: Image, monkeypatch: pytest.MonkeyPatch, mode: str, faces: int
) -> None:
    def broken(**_: object) -> None:
        raise ModelError("OpenVINO has no device here.")

    monkeypatch.setattr("live.motion.openvino_tracker.OpenVinoFaceTracker", broken)
    with closing(open_tracker(mode)) as tracker:  # type: ignore[arg-type]
        assert isinstance(tracker, FaceTracker) and (tracker.mode, tracker.max_faces) == (mode, faces)
        check(tracker.detect_faces(portrait)[0])


def test_photos_and_drivers_are_read_by_the_same_tracker(task: Path, portrait: Image) -> None:
    with closing(open_tracker("image")) as photo, closing(open_tracker()) as driver:
        assert type(photo) is type(driver)
        read, driven = photo.detect_faces(portrait)[0], driver.track(portrait)
        assert driven is not None
        assert np.abs(read.blendshapes - driven.blendshapes).mean() < 1e-3
