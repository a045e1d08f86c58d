"""MediaPipe's face networks in OpenVINO: detector, landmarks, blendshapes, each with its input kept in place."""

from __future__ import annotations

import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from live.frames import FloatArray
from live.openvino_core import new_core, openvino

FILES: Final = ("face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite")

_KERNELS: Final = ",".join(f"cpu:jit_{isa}{kind}" for isa in ("avx512", "avx2") for kind in ("_1x1", "", "_dw"))
"""OpenVINO takes kernels built on matrix products where it can. In the landmark network most layers have 8 to 32
channels, too few for them: with these kernels, which keep channels in blocks of a vector's width, it takes two thirds
of the time. Names that a processor does not know are passed over."""

_CONVOLUTION: Final = re.compile(
    r'(<layer [^>]*type="(?:Group)?Convolution"[^>]*>\s*<data [^>]*/>\s*)(<rt_info>)?', re.DOTALL
)
"""The beginning of a convolution in OpenVINO's XML, up to its notes, if it has any."""


class FaceNetwork:
    """One compiled network of one input. Not for two threads at a time.

    Args:
        compiled: an `openvino.CompiledModel`.

    Attributes:
        input: uint8 or float32, of the network's shape; write the next input here.
    """

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        tensor = self._request.get_input_tensor(0)
        self.input: NDArray[Any] = tensor.data
        self._outputs: list[FloatArray] = [
            self._request.get_output_tensor(i).data for i in range(len(compiled.outputs))
        ]

    def run(self) -> list[FloatArray]:
        """The network's outputs for what is in `input`; overwritten by the next run."""
        self._request.infer(share_outputs=True)
        return self._outputs


def load_face_networks(path: Path, threads: int) -> tuple[FaceNetwork, FaceNetwork, FaceNetwork]:
    """Compile the networks of a `.task` file, which is a zip of networks.

    Returns:
        detector, float32 (1, 128, 128, 3) in −1…1 → regressors, scores; landmarks, uint8 (1, 256, 256, 3) → landmarks,
        logit of presence, logit of tongue out; blendshapes, float32 (1, 146, 2) → 52 weights.

    Raises:
        FileNotFoundError, OSError, KeyError, RuntimeError, zipfile.BadZipFile: the file is missing or damaged.
    """
    core = new_core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        # bf16 would move landmarks by a pixel and is hardly faster for networks this small.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    networks = []
    # OpenVINO reads this format from files only.
    with tempfile.TemporaryDirectory(prefix="live-", ignore_cleanup_errors=True) as name, zipfile.ZipFile(path) as z:
        folder = Path(name)
        for file in FILES:
            model = core.read_model(z.extract(file, folder))
            shape = model.inputs[0].partial_shape
            model.reshape([1, *(int(d.get_length()) for d in list(shape)[1:])])
            if file == FILES[1]:
                model = _with_kernels(core, _of_bytes(model), folder)
            networks.append(FaceNetwork(core.compile_model(model, "CPU", settings)))
    detector, landmarks, blendshapes = networks
    return detector, landmarks, blendshapes


def _of_bytes(model: Any) -> Any:
    """The model (an `openvino.Model` of pictures in 0…1) with uint8 input: its own conversion costs no copy."""
    openvino()
    from openvino import Type
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(Type.u8)
    steps.input().preprocess().convert_element_type(Type.f32).scale(255.0)
    return steps.build()


def _with_kernels(core: Any, model: Any, folder: Path) -> Any:
    """The model with `_KERNELS` asked for in every convolution. Its file format alone can say so."""
    file, weights = folder / "model.xml", folder / "model.bin"
    openvino().serialize(model, file, weights)
    note = f'<attribute name="primitives_priority" version="0" value="{_KERNELS}"/>'
    text = _CONVOLUTION.sub(
        lambda found: f"{found[1]}<rt_info>{note}{'' if found[2] else '</rt_info>'}", file.read_text(encoding="utf-8")
    )
    return core.read_model(text.encode(), weights.read_bytes())
