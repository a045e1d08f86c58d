"""From the packed data to training samples: pick a portrait and a frame of the same clip, draw the geometric picture.

The geometric renderer and the region crops are the product's own code: training sees what live rendering sees.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from live.frames import FloatArray, Image
from live.motion.face_model import FaceModel
from live.motion.fitting import FaceFit
from live.motion.landmark_groups import INNER_LIP, LEFT_EYE, OUTER_LIP, RIGHT_EYE
from live.render.avatar import Avatar
from live.render.geometric import GeometricRenderer
from live.render.live_network.composition import Composer
from live.render.live_network.config import WINDOW, LiveConfig
from live.render.live_network.inputs import portrait_arrays, shrink, signed
from live.render.live_network.motion_window import MotionWindow
from live.render.live_network.regions import Box
from live.render.opening import gap, opening_mask
from live.render.portrait import CropBox
from training.renderer.pack_format import SIDE, SOURCE_SIDE, PackedData

FIVE_POINTS = ((33, 133), (263, 362), (1,), (61,), (291,))
"""Landmarks whose means are eye centres (image left first), nose tip and mouth corners."""
LARGEST_DISAGREEMENT = 0.2
"""Share of the lips' area over which drawn and tracked mouth opening may differ: a network that is shown one opening
and asked for another learns to grey both."""
KEEP_SCENES = 160
"""Avatars kept ready; about 8 MB each."""


class Scene:
    """One portrait of the pack as an avatar."""

    def __init__(self, data: PackedData, source: int, model: FaceModel) -> None:
        self.frame = int(data.index["source_frame"][source])
        self.row = int(data.index["frame_row"][self.frame])
        clip = int(np.searchsorted(data.index["clip_start"], self.row, side="right")) - 1
        fit = FaceFit(
            identity=data.index["identity"][clip].astype(np.float32),
            expression=data.index["expression"][self.row].astype(np.float32),
            residual=data.index["residual"][self.row].astype(np.float32),
            rotation=data.index["rotation"][self.row].astype(np.float32),
            scale=float(data.index["scale"][self.row]) * SOURCE_SIDE,
            offset=(data.index["offset"][self.row] * SOURCE_SIDE).astype(np.float32),
            landmark_error=0.0,
        )
        image = data.source(source)
        landmarks = data.index["frame_landmarks"][self.frame] * np.float32(SOURCE_SIDE)
        avatar = Avatar("", image, image, CropBox(0, 0, SOURCE_SIDE), landmarks, fit)
        self.composer = Composer(GeometricRenderer(avatar, (SIDE, SIDE), model=model))
        self.first_row = int(data.index["clip_start"][clip])
        self.is_video = str(data.index["clip_name"][clip]).startswith(("video", "grid"))


def recolour(images: list[Image], random: np.random.Generator) -> list[Image]:
    """One random gain and gamma per channel for all images: many lights and skins out of few."""
    gamma = np.exp(random.normal(0, 0.15))
    gain = np.exp(random.normal(0, 0.1, 3) + random.normal(0, 0.1))
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * gain
    table = np.clip(levels * 255 + 0.5, 0, 255).astype(np.uint8)
    return [np.stack([table[:, c][image[..., c]] for c in range(3)], -1) for image in images]


def base_regions(landmarks: FloatArray, skin: FloatArray, size: int) -> FloatArray:
    """(4, S, S): mouth with lips, eyes, the rest of the face, everything else."""
    grid = (SIDE, SIDE)
    mouth = opening_mask(landmarks[list(OUTER_LIP), :2], grid)
    eyes = np.maximum(
        opening_mask(landmarks[list(RIGHT_EYE), :2], grid), opening_mask(landmarks[list(LEFT_EYE), :2], grid)
    )
    mouth = cv2.dilate(mouth, np.ones((7, 7), np.uint8))
    eyes = cv2.dilate(eyes, np.ones((13, 13), np.uint8))
    face = cv2.resize(skin, grid) * (1 - np.maximum(mouth, eyes))
    regions = np.stack([mouth, eyes, face, np.clip(1 - face - mouth - eyes, 0, 1)], -1).astype(np.float32)
    return np.ascontiguousarray(cv2.resize(regions, (size, size), interpolation=cv2.INTER_AREA).transpose(2, 0, 1))


def detail_regions(box: Box, crop: int, opening: FloatArray, ring: FloatArray) -> FloatArray:
    """(3, C, C): opening, what surrounds it (lips, lids), the rest of the crop."""
    cut = box.cut(np.ascontiguousarray(np.stack([opening, np.maximum(ring - opening, 0)], -1)), crop)
    return np.concatenate([cut.transpose(2, 0, 1), np.clip(1 - cut.sum(-1), 0, 1)[None]]).astype(np.float32)


class Samples(IterableDataset[dict[str, FloatArray]]):
    """An endless stream of samples.

    Args:
        folder: of the pack.
        config: network sizes; `size` may be 128 or 256.
        held_out: the people kept for validation instead of the others.
        seed: of the pairs' choice.
        augment: random colours.
    """

    def __init__(self, folder: Path, config: LiveConfig, *, held_out: bool, seed: int, augment: bool) -> None:
        self.folder, self.config, self.held_out, self.seed, self.augment = folder, config, held_out, seed, augment
        self._scenes: OrderedDict[int, Scene] = OrderedDict()

    def _prepare(self) -> None:
        cv2.setNumThreads(1)
        self.data = PackedData.open(self.folder)
        self.model = FaceModel.load()
        index = self.data.index
        frame_clip = self.data.frame_clips
        source_clip = frame_clip[index["source_frame"]]
        self.by_clip: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
        weights = []
        for clip in np.flatnonzero(index["clip_held_out"] == self.held_out):
            frames, sources = np.flatnonzero(frame_clip == clip), np.flatnonzero(source_clip == clip)
            if len(frames) < 2 or not len(sources):
                continue
            self.by_clip.append((frames, sources))
            # Stills show real teeth, but only two expressions each.
            weights.append(len(frames) ** 0.5 * (0.35 if str(index["clip_name"][clip]).startswith("grid") else 1.0))
        self.weights = np.array(weights) / np.sum(weights)
        points = index["frame_landmarks"]
        self.opening = np.array([gap(p, INNER_LIP).mean() for p in points])
        self.lids = np.array([gap(p, RIGHT_EYE).mean() + gap(p, LEFT_EYE).mean() for p in points])

    def _pick(self, random: np.random.Generator) -> tuple[int, int]:
        """A portrait and a frame; closed → open pairs (mouth, eyes) are favoured."""
        frames, sources = self.by_clip[random.choice(len(self.by_clip), p=self.weights)]
        source = int(random.choice(sources))
        portrait = int(self.data.index["source_frame"][source])
        candidates = random.choice(frames, 4)
        draw = random.random()
        if draw < 0.5:
            return source, int(max(candidates, key=lambda f: abs(self.opening[f] - self.opening[portrait])))
        if draw < 0.65:
            return source, int(max(candidates, key=lambda f: abs(self.lids[f] - self.lids[portrait])))
        return source, int(candidates[0])

    def _scene(self, source: int) -> Scene:
        scene = self._scenes.pop(source, None) or Scene(self.data, source, self.model)
        self._scenes[source] = scene
        if len(self._scenes) > KEEP_SCENES:
            self._scenes.popitem(last=False)
        return scene

    def __iter__(self) -> Iterator[dict[str, FloatArray]]:
        worker = get_worker_info()
        random = np.random.default_rng((self.seed, 0 if worker is None else worker.id))
        self._prepare()
        while True:
            sample = self.sample(*self._pick(random), random)
            if sample is not None:
                yield sample

    def sample(self, source: int, frame: int, random: np.random.Generator) -> dict[str, FloatArray] | None:
        """The sample for one portrait and one frame of the same clip; None where the fit misses the mouth."""
        config, scene = self.config, self._scene(source)
        composer = scene.composer
        row = int(self.data.index["frame_row"][frame])
        window = MotionWindow(composer.geometric.rest)
        for step in range(WINDOW if scene.is_video else 1):
            past = max(row - WINDOW + 1 + step, scene.first_row) if scene.is_video else row
            motion = self.data.motion(past, scene.row)
            stacked = window.push(motion)
        composition = composer.compose(motion)
        portrait = composer.geometric.portrait
        target = self.data.frame(frame)
        picture = composition.picture
        if self.augment:
            portrait, picture, target = recolour([portrait, picture, target], random)
        regions = composition.regions
        arrays = replace(composition, picture=picture).arrays(config)
        image, mouth, eyes = portrait_arrays(portrait, composer.rest_regions, config)
        landmarks = self.data.index["frame_landmarks"][frame]
        grid = (SIDE, SIDE)
        inner = opening_mask(landmarks[list(INNER_LIP), :2], grid)
        drawn = cv2.resize(composition.prior[..., 4], grid)
        lips = opening_mask(landmarks[list(OUTER_LIP), :2], grid)
        if np.abs(inner - drawn).sum() > LARGEST_DISAGREEMENT * lips.sum():
            return None
        inner = np.maximum(inner, drawn)
        outer = cv2.dilate(lips, np.ones((7, 7), np.uint8))
        eye_boxes = (regions.right_eye, regions.left_eye)
        eye_regions = []
        for box, ring in zip(eye_boxes, (RIGHT_EYE, LEFT_EYE), strict=True):
            opening = opening_mask(landmarks[list(ring), :2], grid)
            around = cv2.dilate(opening, np.ones((15, 15), np.uint8))
            eye_regions.append(detail_regions(box, config.eyes.crop, opening, around))
        five = np.stack([landmarks[list(group), :2].mean(0) for group in FIVE_POINTS])
        return {
            "portrait": image,
            "portrait_mouth": mouth,
            "portrait_eyes": eyes,
            "composite": arrays.composite,
            "prior": arrays.prior,
            "window": stacked,
            "mouth": arrays.mouth,
            "eyes": arrays.eyes,
            "target": signed(shrink(target, config.size)),
            "target_mouth": signed(regions.mouth.cut(target, config.mouth.crop)),
            "target_eyes": np.stack([signed(box.cut(target, config.eyes.crop)) for box in eye_boxes]),
            "regions": base_regions(landmarks, composition.prior[..., 2], config.size),
            "mouth_regions": detail_regions(regions.mouth, config.mouth.crop, inner, outer),
            "eyes_regions": np.stack(eye_regions),
            "five_points": five.astype(np.float32),
        }
