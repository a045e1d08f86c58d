"""An avatar: one photo, where its face is, and the face model laid over it."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image as PillowImage

from live.errors import PortraitError
from live.frames import FloatArray, Image, MotionFrame
from live.motion.face_model import FaceModel
from live.motion.fitting import FaceFit, FrameFitter, IdentityFitter
from live.motion.trackers import LandmarkTracker, open_tracker
from live.render.correction import photo_correction
from live.render.portrait import PORTRAIT_SIDE, CropBox, crop, crop_box, find_face, read_photo
from live.render.posed import FacePoser, PosedFace

FORMAT: Final = 1
"""Version of the folder layout."""
LARGEST_YAW: Final = np.radians(35.0)
LARGEST_PITCH: Final = np.radians(32.0)


@dataclass(frozen=True, slots=True)
class Avatar:
    """A photo that can be driven.

    Attributes:
        name: what the user calls it.
        image: uint8 (512, 512, 3), the square crop that is animated.
        original: uint8 (H, W, 3), the whole photo, for pasting back.
        box: where the crop lies in the original.
        landmarks: float32 (478, 3), tracked in the crop, pixels of the crop.
        fit: the face model in the crop, pixels of the crop.
    """

    name: str
    image: Image
    original: Image
    box: CropBox
    landmarks: FloatArray
    fit: FaceFit

    @staticmethod
    def create(
        photo: Path | bytes | Image,
        name: str = "",
        *,
        model: FaceModel | None = None,
        tracker: LandmarkTracker | None = None,
    ) -> Avatar:
        """Make an avatar from a photo: detect, crop, fit.

        Args:
            photo: a file, the bytes of one, or uint8 (H, W, 3) RGB.
            name: default: the file's name.
            model: default: the one that ships.
            tracker: with `mode="image"`; default: one that is made for the occasion.

        Raises:
            PortraitError: the photo cannot become an avatar; says why and what to do.
            ModelError: the face tracker's or the face model's file is missing.
        """
        original = photo if isinstance(photo, np.ndarray) else read_photo(photo)
        if not name:
            name = photo.stem if isinstance(photo, Path) else "portrait"
        model = model or FaceModel.load()
        used = open_tracker("image") if tracker is None else tracker
        try:
            found = find_face(used, original)
            box = crop_box(found.landmarks, original)
            image = crop(original, box)
            # Tracked again where it will be animated: finer, and free of the detector's framing of the whole photo.
            again = used.detect_faces(image)
        finally:
            if tracker is None:
                used.close()
        if not again:
            raise PortraitError("The face in the photo cannot be followed reliably.", "Use a photo from the front.")
        middle = PORTRAIT_SIDE / 2
        face = min(again, key=lambda f: float(np.abs(f.landmarks[:, :2].mean(0) - middle).sum()))
        landmarks = face.landmarks
        identity = IdentityFitter(model).fit([landmarks], [face.blendshapes])
        fit = FrameFitter(model, identity).fit(landmarks, face.blendshapes)
        if abs(fit.rotation[1]) > LARGEST_YAW or abs(fit.rotation[0]) > LARGEST_PITCH:
            turned = np.degrees(np.abs(fit.rotation[:2])).max()
            raise PortraitError(
                f"The face in the photo is turned away too far ({turned:.0f}°).",
                "Use a photo that looks towards the camera (less than 35° to the side).",
            )
        return Avatar(name, image, original, box, landmarks, fit)

    @property
    def rest(self) -> MotionFrame:
        """The motion that reproduces the photo."""
        still = MotionFrame.neutral()
        return MotionFrame(
            pts=0.0,
            expression=self.fit.expression.copy(),
            rotation=self.fit.rotation.copy(),
            translation=np.zeros(3, np.float32),
            residual=self.fit.residual.copy(),
            confidence=1.0,
            trace=still.trace,
        )

    def poser(self, model: FaceModel | None = None) -> FacePoser:
        """The person's mesh, corrected to meet the photo's landmarks at rest."""
        model = model or FaceModel.load()
        return FacePoser(model, self.fit, photo_correction(model, self.fit, self.landmarks))

    def posed(self, poser: FacePoser, motion: MotionFrame) -> PosedFace:
        """The mesh as a motion wants it. `motion` must be finite."""
        scale = self.fit.scale / PORTRAIT_SIDE
        shift = np.array([motion.translation[0], -motion.translation[1]], np.float32) * np.float32(scale)
        offset = self.fit.offset / np.float32(PORTRAIT_SIDE) + shift
        grown = scale * float(np.exp(motion.translation[2]))
        return poser.pose(motion.expression, motion.residual, motion.rotation, grown, offset)

    def save(self, folder: Path) -> None:
        """Write the avatar into a folder of its own, replacing an older one."""
        temporary = folder.with_name(folder.name + ".partial")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        PillowImage.fromarray(self.image).save(temporary / "portrait.png")
        PillowImage.fromarray(self.original).save(temporary / "original.png", compress_level=1)
        fit = self.fit
        np.savez(
            temporary / "fit.npz",
            landmarks=self.landmarks,
            identity=fit.identity,
            expression=fit.expression,
            residual=fit.residual,
            rotation=fit.rotation,
            offset=fit.offset,
        )
        facts = {
            "format": FORMAT,
            "name": self.name,
            "box": [self.box.left, self.box.top, self.box.side],
            "scale": fit.scale,
            "depth_offset": fit.depth_offset,
            "landmark_error": fit.landmark_error,
        }
        (temporary / "avatar.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)

    @staticmethod
    def load(folder: Path) -> Avatar:
        """Read an avatar that `save` wrote.

        Raises:
            PortraitError: the folder is missing, incomplete, damaged or of another version.
        """
        hint = "Remove it with `live avatar rm` and add the photo again."
        try:
            facts: dict[str, Any] = json.loads((folder / "avatar.json").read_text(encoding="utf-8"))
            if facts["format"] != FORMAT:
                raise PortraitError(f"The avatar {folder.name} was made by another version.", hint)
            with np.load(folder / "fit.npz", allow_pickle=False) as data:
                arrays = {key: np.asarray(data[key], np.float32) for key in data.files}
            image = read_photo(folder / "portrait.png")
            original = read_photo(folder / "original.png")
            left, top, side = (float(v) for v in facts["box"])
            fit = FaceFit(
                identity=arrays["identity"],
                expression=arrays["expression"],
                residual=arrays["residual"],
                rotation=arrays["rotation"],
                scale=float(facts["scale"]),
                offset=arrays["offset"],
                landmark_error=float(facts["landmark_error"]),
                depth_offset=float(facts["depth_offset"]),
            )
            landmarks = arrays["landmarks"]
            name = str(facts["name"])
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise PortraitError(f"The avatar {folder.name} cannot be read: {error}.", hint) from error
        if image.shape != (PORTRAIT_SIDE, PORTRAIT_SIDE, 3) or landmarks.shape != (478, 3):
            raise PortraitError(f"The avatar {folder.name} is damaged.", hint)
        return Avatar(name, image, original, CropBox(left, top, side), landmarks, fit)
