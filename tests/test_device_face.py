"""The geometric picture on the device against the processor's: the same motion must give the same picture."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from live.bench.sample_avatar import sample_avatar  # noqa: E402
from live.frames import MotionFrame  # noqa: E402
from live.motion.arkit import ARKIT_INDEX  # noqa: E402
from live.render.avatar import Avatar  # noqa: E402
from live.render.cuda.device import ComputeDevice, cuda_obstacle, open_device  # noqa: E402
from live.render.cuda.device_face import DeviceFace, FacePicture  # noqa: E402
from live.render.cuda.face_arrays import model_arrays, motion_values, portrait_arrays  # noqa: E402
from live.render.cuda.fused_live import box_numbers  # noqa: E402
from live.render.geometric import GeometricRenderer  # noqa: E402
from live.render.kernels.host import host_compiler  # noqa: E402
from live.render.live_network.composition import Composer, Composition  # noqa: E402
from tests.faces import made_up_avatar  # noqa: E402

SMALL = 128


def device(name: str) -> ComputeDevice:
    """`cpu` or `cuda`; skips the test with the reason if it cannot be had."""
    if name == "cpu":
        if host_compiler() is None:
            pytest.skip("no C++ compiler (install g++)")
        return open_device("cpu")
    if (obstacle := cuda_obstacle()) is not None:
        pytest.skip(obstacle)
    return open_device("cuda")


DEVICES = [pytest.param("cpu", id="host"), pytest.param("cuda", id="gpu", marks=pytest.mark.gpu)]


@cache
def avatar(name: str) -> Avatar:
    return {"collins": sample_avatar, "smiling": lambda: made_up_avatar(seed=1, mouthSmileLeft=0.6, jawOpen=0.4)}[
        name
    ]()


@cache
def geometric(name: str, side: int = SMALL) -> GeometricRenderer:
    return GeometricRenderer(avatar(name), (side, side))


@cache
def face(where: str, side: int = SMALL) -> DeviceFace:
    """Both portraits: the sample in place 2, the made-up one in place 0."""
    made = DeviceFace(model_arrays(geometric("collins", side)), device(where), side=side, portraits=3)
    for slot, name in ((2, "collins"), (0, "smiling")):
        made.enroll(slot, *(torch.from_numpy(part) for part in portrait_arrays(geometric(name, side)).parts))
    return made


SLOTS = {"collins": 2, "smiling": 0}


def moved(
    name: str, *, rotation: tuple[float, float, float] = (0, 0, 0), shift: tuple[float, float, float] = (0, 0, 0),
    **expression: float,
) -> MotionFrame:  # fmt: skip
    """The photo's own motion with changes."""
    rest = geometric(name).rest
    weights = rest.expression.copy()
    for coefficient, value in expression.items():
        weights[ARKIT_INDEX[coefficient]] = value
    turned = (rest.rotation + np.array(rotation)).astype(np.float32)
    return replace(rest, expression=weights, rotation=turned, translation=np.array(shift, np.float32))


def motions(name: str) -> dict[str, MotionFrame]:
    return {
        "rest": moved(name),
        "open": moved(name, jawOpen=0.8, mouthFunnel=0.3),
        "turned": moved(name, rotation=(0.15, 0.45, 0.2), jawOpen=0.2),
        "other way": moved(name, rotation=(-0.2, -0.4, -0.3), mouthSmileLeft=0.9, mouthSmileRight=0.9),
        "blink": moved(name, eyeBlinkLeft=1, eyeBlinkRight=1),
        "look": moved(name, eyeLookInLeft=0.8, eyeLookOutRight=0.8, eyeLookUpLeft=0.4, eyeLookUpRight=0.4),
        "pucker": moved(name, mouthPucker=0.9, jawOpen=0.1),
        "near": moved(name, shift=(2, -1, 0.25), eyeWideLeft=0.7, eyeWideRight=0.7),
        "half out": moved(name, shift=(14, 9, 0.1), jawOpen=0.5),
    }


def drawn(where: str, frames: list[tuple[str, MotionFrame]], side: int = SMALL) -> FacePicture:
    at = device(where).torch_device
    values = torch.from_numpy(np.stack([motion_values(motion) for _, motion in frames])).to(at)
    slots = torch.tensor([SLOTS[name] for name, _ in frames], dtype=torch.int32, device=at)
    with torch.inference_mode():
        picture, prior, boxes = face(where, side).draw(values, slots)
    return FacePicture(picture.cpu(), prior.cpu(), boxes.cpu())


def check(result: FacePicture, i: int, expected: Composition, what: str) -> None:
    difference = np.abs(result.picture[i].numpy().astype(float) - expected.picture)
    assert difference.mean() <= 0.3, what
    # Masks' edges and OpenCV's positions in 1/32 pixel: few pixels differ visibly.
    assert np.percentile(difference, 99.5) <= 12, what
    prior = np.abs(result.prior[i].numpy() - expected.prior)
    assert prior[..., :2].mean() < 1e-3 and prior[..., :2].max() < 0.02, what
    assert (prior[..., 2:4] > 0.01).mean() < 0.002, "skin and hidden: single pixels of the outline"
    assert prior[..., 4:6].mean() < 1e-3 and prior[..., 4:6].max() < 0.3, what
    np.testing.assert_allclose(result.boxes[i].numpy(), box_numbers(expected.regions), atol=1e-5, err_msg=what)


@pytest.mark.parametrize("where", DEVICES)
@pytest.mark.parametrize("name", ["collins", "smiling"])
def test_a_range_of_motions_is_drawn_as_on_the_processor(where: str, name: str) -> None:
    composer = Composer(geometric(name))
    for what, motion in motions(name).items():
        check(drawn(where, [(name, motion)]), 0, composer.compose(motion), what)


@pytest.mark.parametrize("where", DEVICES)
def test_a_batch_of_different_people_is_each_one_alone(where: str) -> None:
    frames = [("collins", motions("collins")["open"]), ("smiling", motions("smiling")["turned"]),
              ("collins", motions("collins")["blink"]), ("smiling", motions("smiling")["rest"]),
              ("collins", motions("collins")["look"])]  # fmt: skip
    together = drawn(where, frames)
    for i, frame in enumerate(frames):
        alone = drawn(where, [frame])
        for one, other in zip(together, alone, strict=True):
            assert torch.equal(one[i], other[0])
    assert not torch.equal(together.picture[0], together.picture[4])


@pytest.mark.parametrize("where", DEVICES)
def test_at_the_portraits_own_size_and_beyond_the_window(where: str) -> None:
    """512 pixels sample the portrait as it is; somebody who comes very close has a mouth larger than its window."""
    composer = Composer(geometric("collins", 512))
    motion = moved("collins", jawOpen=0.7, mouthSmileLeft=0.5)
    check(drawn(where, [("collins", motion)], 512), 0, composer.compose(motion), "512")
    close = drawn(where, [("collins", moved("collins", shift=(0, 0, 1.4), jawOpen=1.0))])
    assert close.picture[0].float().std() > 10


@pytest.mark.parametrize("where", DEVICES)
def test_wild_motion_neither_hangs_the_card_nor_reaches_others(where: str) -> None:
    at, rest = device(where).torch_device, motion_values(geometric("collins").rest)
    wild = np.stack([np.full(74, 1e30), np.full(74, -1e5), rest, np.where(np.arange(74) == 57, 80, rest)])
    wild[0, 52:55] = 1e6
    values = torch.from_numpy(wild.astype(np.float32)).to(at)
    slots = torch.full((4,), 2, dtype=torch.int32, device=at)
    with torch.inference_mode():
        picture = face(where).draw(values, slots).picture[2].cpu()
    assert torch.equal(picture, drawn(where, [("collins", geometric("collins").rest)]).picture[0])


@pytest.mark.parametrize("where", DEVICES)
def test_places_without_a_portrait_draw_something_finite(where: str) -> None:
    """A batch that is not full draws place 0, which may be free."""
    made = DeviceFace(model_arrays(geometric("collins")), device(where), side=SMALL, portraits=2)
    at = device(where).torch_device
    out = made.draw(torch.zeros((1, 74), device=at), torch.zeros(1, dtype=torch.int32, device=at))
    assert torch.isfinite(out.prior).all() and torch.isfinite(out.boxes).all()


@pytest.mark.parametrize("where", DEVICES)
def test_a_portrait_of_another_size_is_refused(where: str) -> None:
    parts = [torch.from_numpy(part) for part in portrait_arrays(geometric("collins", 64)).parts]
    with pytest.raises(ValueError, match="skin must be"):
        face(where).enroll(1, *parts)
