"""The geometric renderer on the device: coefficients in, picture, prior and crops out, many portraits at once.

The twin of `live.render.geometric` and `live_network.composition`, which stay the reference and the fallback. Two steps
are equivalent rather than exact: distances to the mesh are Euclidean, not OpenCV's 5×5 chamfer, and the openings' masks
come from the distance to their outline, not from OpenCV's scan conversion.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from live.render.cuda.branches import Branches
from live.render.cuda.device import ComputeDevice
from live.render.cuda.face_arrays import ModelArrays, PortraitArrays, patch_values, portrait_side
from live.render.cuda.program import OutputFormat
from live.render.geometric import FLOW_GRID
from live.render.kernels import face_layers, openings, posing, priors
from live.render.kernels.extension import pyramid_sizes
from live.render.kernels.tables import AVATAR, EDGES, FRAME, LAYER, OUTLINES
from live.render.live_network.config import PRIOR_SIZE

PORTRAIT_PARTS: Final = tuple(field.name for field in fields(PortraitArrays))
"""What `DeviceFace.enroll` takes, in this order."""


class FacePicture(NamedTuple):
    """What geometry says about a batch.

    Attributes:
        picture: uint8 (N, S, S, 3), or as it was to be packed.
        prior: float32 (N, 64, 64, 8), as `inputs.pack_prior`.
        boxes: float32 (N, 3, 6).
    """

    picture: Tensor
    prior: Tensor
    boxes: Tensor


class DeviceFace:
    """Draws enrolled portraits.

    Args:
        model: of the face model, the same for every portrait.
        device: where to run.
        side: of the pictures, pixels; even.
        portraits: how many can be enrolled at once.
    """

    def __init__(self, model: ModelArrays, device: ComputeDevice, *, side: int, portraits: int) -> None:
        self.device = device
        self.side = side
        self._branches = Branches(device, 2)
        self._windows = openings.WindowSides.for_picture(side)
        where = device.torch_device
        self._model = {
            field.name: torch.from_numpy(np.ascontiguousarray(getattr(model, field.name))).to(where)
            for field in fields(model)
        }
        size = portrait_side(side)
        eye_values, teeth_values = patch_values(size)
        points, used, vertices = model.moves.shape[1], len(model.mouth_used), len(model.uv)
        shapes = {
            "row": (AVATAR.size,), "rest": (points,), "source": (vertices, 3), "skin": (size, size, 3),
            "portrait": (size, size, 3), "eyes": (2, eye_values), "teeth": (teeth_values,), "albedo": (used, 3),
        }  # fmt: skip
        dtypes = {"skin": torch.uint8, "portrait": torch.uint8, "eyes": torch.float16, "teeth": torch.float16}
        self._banks = {
            name: torch.zeros((portraits, *shape), dtype=dtypes.get(name, torch.float32), device=where)
            for name, shape in shapes.items()
        }
        # A place without a portrait may be drawn, by what a batch leaves empty: its numbers must stay finite.
        for part in ("scale", "source_scale", "source_rotation", "lips_span"):
            self._banks["row"][:, AVATAR.places[part]] = 1.0

    @property
    def portraits(self) -> int:
        """How many portraits can be enrolled at once."""
        return len(self._banks["row"])

    def enroll(self, slot: int, *parts: Tensor) -> None:
        """Give a portrait to the device: `PORTRAIT_PARTS` of a `PortraitArrays` as tensors anywhere.

        Raises `ValueError`, and changes nothing, when it is of another size or model.
        """
        given = dict(zip(PORTRAIT_PARTS, parts, strict=True))
        for name, bank in self._banks.items():
            if given[name].shape != bank.shape[1:] or given[name].dtype != bank.dtype:
                raise ValueError(f"the portrait's {name} must be {bank.dtype} {tuple(bank.shape[1:])}")
        for name, bank in self._banks.items():
            bank[slot].copy_(given[name])

    def draw(
        self, motion: Tensor, slots: Tensor, picture: Tensor | None = None, output: OutputFormat | None = None
    ) -> FacePicture:
        """Draw a batch; only enqueues device work, so that it can be captured in a graph.

        Args:
            motion: float32 (N, 74), finite; see `face_arrays.motion_values`.
            slots: int32 (N,).
            picture: memory for the result's, C-contiguous; default: new.
            output: how the picture is packed; default: RGB.
        """
        kernels, view = self.device.kernels, self.device.view
        model = {name: view(array) for name, array in self._model.items()}
        banks = {name: view(array) for name, array in self._banks.items()}
        batch, used, stacked = len(motion), len(self._model["mouth_used"]), self._model["moves"].shape[1] // 3
        coefficients, chosen = view(motion), view(slots)
        stance, moves, frames = (view(self._floats(batch, n)) for n in (3 * stacked, EDGES, FRAME.size))
        boxes, points = self._floats(batch, 3, 6), view(self._floats(batch, stacked, 3))
        posing.pose_shape(kernels, coefficients, chosen, banks["rest"], model["moves"], stance)
        posing.pose_frame(
            kernels,
            coefficients,
            chosen,
            model=model["model"],
            avatars=banks["row"],
            index=model["index"],
            shape=stance,
            moves=moves,
            frames=frames,
            boxes=view(boxes),
        )
        follow = posing.FollowWeights(model["follow_starts"], model["follow_columns"], model["follow_weights"])
        posing.pose_place(kernels, stance, moves, frames, follow, points)
        outlines, layers = view(self._floats(batch, OUTLINES, 2)), view(self._floats(batch, 3, LAYER.size))
        openings.face_outlines(
            kernels,
            points,
            coefficients,
            chosen,
            index=model["index"],
            teeth=model["teeth"],
            avatars=banks["row"],
            frames=frames,
            outlines=outlines,
            layers=layers,
            picture_side=self.side,
            portrait_side=self._banks["skin"].shape[1],
            windows=self._windows,
        )
        packed = self._floats(batch, PRIOR_SIZE, PRIOR_SIZE, 8)
        space = self._prior_space(batch, packed)
        mesh = face_layers.MouthMesh(
            used=model["mouth_used"],
            faces=model["mouth_faces"],
            face_starts=model["mouth_face_starts"],
            around=model["mouth_around"],
            looks=model["mouth_looks"],
            is_tooth=model["mouth_is_tooth"],
        )
        window = 2 * self._windows.mouth
        mouth = face_layers.MouthSpace(
            points=view(self._floats(batch, used, 3)),
            colours=view(self._floats(batch, used, 3)),
            keys=self._keys(batch, window, window),
        )
        masks, blurred = (
            view(self._floats(batch, self._windows.pixels)),
            view(self._floats(batch, self._windows.pixels, 2)),
        )

        def draw_layers() -> None:
            face_layers.draw_mouth(
                kernels,
                points,
                chosen,
                mesh,
                banks["albedo"],
                mouth,
                frames=frames,
                layers=layers,
                picture_side=self.side,
            )
            openings.window_masks(
                kernels, outlines, layers, masks, blurred, picture_side=self.side, windows=self._windows
            )

        def draw_prior() -> None:
            skin = priors.PriorMesh(model["skin_faces"], model["uv"], banks["source"])
            priors.motion_prior(
                kernels, points, chosen, skin, frames=frames, outlines=outlines, layers=layers, space=space
            )

        self._branches.run([draw_layers, draw_prior])
        output = output or OutputFormat()
        if picture is None:
            shape = (batch, *output.pixel_format.shape(self.side, self.side))
            picture = torch.empty(shape, dtype=torch.uint8, device=self.device.torch_device)
        pictures = face_layers.PortraitPictures(
            skins=banks["skin"],
            portraits=banks["portrait"],
            eyes=banks["eyes"],
            teeth=banks["teeth"],
            albedo=banks["albedo"],
        )
        face_layers.face_picture(
            kernels,
            space.displacement,
            chosen,
            pictures,
            mesh,
            mouth,
            blurred=blurred,
            outlines=outlines,
            layers=layers,
            avatars=banks["row"],
            windows=self._windows,
            out=view(picture),
            pixel_format=output.pixel_format,
            matrix=output.matrix,
        )
        return FacePicture(picture, packed, boxes)

    def _prior_space(self, batch: int, packed: Tensor) -> priors.PriorSpace:
        view, grid = self.device.view, (batch, FLOW_GRID, FLOW_GRID)
        levels = [
            (view(self._floats(batch, *size, 2)), view(self._floats(batch, *size)))
            for size in pyramid_sizes(FLOW_GRID, FLOW_GRID)
        ]
        return priors.PriorSpace(
            keys=self._keys(*grid),
            field=view(self._floats(*grid, 2)),
            uv=view(self._floats(*grid, 2)),
            states=view(self._floats(*grid, 2)),
            masks=view(self._floats(*grid, 3)),
            levels=levels,
            distance=view(self._floats(*grid)),
            map=view(self._floats(*grid, 3)),
            blurred=view(self._floats(*grid, 3)),
            displacement=view(self._floats(*grid, 2)),
            packed=view(packed),
        )

    def _floats(self, *shape: int) -> Tensor:
        """Memory, not initialised; within a graph its own for good."""
        return torch.empty(shape, dtype=torch.float32, device=self.device.torch_device)

    def _keys(self, *shape: int) -> object:
        # Keys are unsigned, but torch's support for that is young: the bits are what counts.
        return self.device.view(torch.empty(shape, dtype=torch.int64, device=self.device.torch_device))
