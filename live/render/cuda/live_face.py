"""The whole frame on the device: motion coefficients in, bytes out, in one graph per batch size.

`FaceProgram` draws by geometry, `LiveFaceProgram` refines that with the live network.
"""

from __future__ import annotations

import torch
from torch import Tensor

from live.render.cuda.device import ComputeDevice
from live.render.cuda.device_face import PORTRAIT_PARTS, DeviceFace
from live.render.cuda.face_arrays import ModelArrays
from live.render.cuda.fused_live import FusedLivePIRenderer
from live.render.cuda.program import InputSpec, OutputFormat
from live.render.kernels.tables import MOTION_VALUES
from live.render.live_network.config import MOTION, WINDOW


class FaceProgram:
    """A `program.Program`: what `GeometricRenderer` draws. Needs no weights.

    Args:
        model: of the face model.
        device: where to run.
        side: of the pictures, pixels; even.
        portraits: how many can be enrolled at once.
        output: how finished pictures are packed.
    """

    def __init__(
        self,
        model: ModelArrays,
        device: ComputeDevice,
        *,
        side: int,
        portraits: int,
        output: OutputFormat | None = None,
    ) -> None:
        self.face = DeviceFace(model, device, side=side, portraits=portraits)
        self.device = device
        self.output = output or OutputFormat()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures."""
        return self.face.side, self.face.side

    @property
    def portraits(self) -> int:
        """How many portraits can be enrolled at once."""
        return self.face.portraits

    @property
    def inputs(self) -> dict[str, InputSpec]:
        """What a frame reads: `motion` float32 (74,), absolute and finite; see `face_arrays.motion_values`."""
        return {"motion": InputSpec((MOTION_VALUES,), torch.float32)}

    def enroll(self, slot: int, *portrait: Tensor) -> None:
        """`PortraitArrays.parts`."""
        self.face.enroll(slot, *portrait)

    def draw(self, inputs: dict[str, Tensor], slots: Tensor, out: Tensor) -> None:
        """Render a batch; see `program.Program.draw`."""
        self.face.draw(inputs["motion"], slots, out, self.output)


class LiveFaceProgram:
    """A `program.Program`: `device_face.DeviceFace` draws, `FusedLivePIRenderer` refines.

    Args:
        network: its device, size, places and output are the program's.
        model: of the face model.
    """

    def __init__(self, network: FusedLivePIRenderer, model: ModelArrays) -> None:
        self.network = network
        self.face = DeviceFace(model, network.device, side=network.size[0], portraits=network.portraits)
        self.device = network.device
        self.output: OutputFormat = network.output

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures."""
        return self.network.size

    @property
    def portraits(self) -> int:
        """How many portraits can be enrolled at once."""
        return self.network.portraits

    @property
    def inputs(self) -> dict[str, InputSpec]:
        """What a frame reads; float32.

        `motion` (74,): `face_arrays.motion_values`, absolute and finite; `window` (74, 6): relative (`MotionWindow`).
        """
        return {
            "motion": InputSpec((MOTION_VALUES,), torch.float32),
            "window": InputSpec((MOTION, WINDOW), torch.float32),
        }

    def enroll(self, slot: int, *portrait: Tensor) -> None:
        """`PortraitArrays.parts`, then what `FusedLivePIRenderer.enroll` takes."""
        self.face.enroll(slot, *portrait[: len(PORTRAIT_PARTS)])
        self.network.enroll(slot, *portrait[len(PORTRAIT_PARTS) :])

    def draw(self, inputs: dict[str, Tensor], slots: Tensor, out: Tensor) -> None:
        """Render a batch; see `program.Program.draw`."""
        drawn = self.face.draw(inputs["motion"], slots)
        frame = {"picture": drawn.picture, "prior": drawn.prior, "window": inputs["window"], "boxes": drawn.boxes}
        self.network.draw(frame, slots, out)
