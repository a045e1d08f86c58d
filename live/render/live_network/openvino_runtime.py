"""The live network in OpenVINO: bf16 where the CPU multiplies it natively, float32 elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from live.errors import ModelError
from live.openvino_core import new_core, openvino
from live.render.live_network.config import LiveConfig
from live.render.live_network.portrait_parts import take_out_portrait
from live.render.live_network.runtime import Arrays, graph_files
from live.render.live_network.tensors import (
    DETAIL_INPUTS,
    DETAIL_OUTPUTS,
    ENROLL_INPUTS,
    FEATURES,
    FRAME_INPUTS,
    FRAME_OUTPUTS,
)


class OpenVinoRuntime:
    """Implements `NetworkRuntime`.

    Args:
        folder: where the exported graphs lie.
        precision: "auto", "f32" or "bf16".
        threads: CPU threads; 0 lets OpenVINO decide (all physical cores).
        base: whether to run the base network; without it, half of the time, only mouth and eyes are repaired.

    Raises:
        ModelError: a graph is missing or cannot be compiled.
    """

    def __init__(self, folder: Path, precision: str = "auto", threads: int = 0, *, base: bool = True) -> None:
        enroll_file, frame_file = graph_files(folder)
        core = new_core()
        self._tensor = openvino().Tensor
        native = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        use_bf16 = precision == "bf16" or (precision == "auto" and native)
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            # Enrolment runs once: full precision costs nothing there.
            self._enroll = core.compile_model(enroll_file, "CPU", {**options, "INFERENCE_PRECISION_HINT": "f32"})
            hint = "bf16" if use_bf16 else "f32"
            frame_model = core.read_model(frame_file)
            config = json.loads(frame_model.get_rt_info(["framework", "config"]).astype(str))
            if not base:
                frame_model = details_only(frame_model)
            inputs = (*FEATURES, *FRAME_INPUTS) if base else DETAIL_INPUTS
            self._needed = tuple(name for name in FEATURES if name in inputs)
            frame_model, portrait_model = take_out_portrait(frame_model, self._needed)
            self._portrait = core.compile_model(portrait_model, "CPU", {**options, "INFERENCE_PRECISION_HINT": "f32"})
            self._frame = core.compile_model(frame_model, "CPU", {**options, "INFERENCE_PRECISION_HINT": hint})
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot run the network: {error}.", "Use `--backend geometric`.") from error
        self.name = f"OpenVINO {hint}"
        self.base = base
        self.config = LiveConfig.from_dict(config)
        self._inputs = [name for name in FRAME_INPUTS if name in inputs]
        self._outputs = FRAME_OUTPUTS if base else DETAIL_OUTPUTS
        self._request = self._frame.create_infer_request()
        self._features: list[Any] = []

    def enroll(self, inputs: Arrays) -> None:
        """See `NetworkRuntime.enroll`."""
        result = self._enroll([inputs[name] for name in ENROLL_INPUTS])
        features: Arrays = {name: np.array(result[name]) for name in self._needed}
        parts = [output.get_any_name() for output in self._portrait.outputs]
        result = self._portrait([features[name] for name in parts])
        features.update({name: np.array(result[name]) for name in parts})
        # The request keeps references to these tensors; nothing is copied per frame.
        self._features = [self._tensor(features[name]) for name in self._needed]
        for name, tensor in zip(self._needed, self._features, strict=True):
            self._request.set_tensor(name, tensor)

    def frame(self, inputs: Arrays) -> Arrays:
        """See `NetworkRuntime.frame`."""
        for name in self._inputs:
            self._request.set_tensor(name, self._tensor(inputs[name], shared_memory=True))
        self._request.infer(share_outputs=True)
        return {name: self._request.get_tensor(name).data for name in self._outputs}

    def close(self) -> None:
        """See `NetworkRuntime.close`."""
        self._features.clear()
        del self._request, self._frame, self._portrait, self._enroll


def details_only(model: Any) -> Any:
    """The frame graph (an `openvino.Model`) without the base network: `DETAIL_INPUTS` → `DETAIL_OUTPUTS`."""
    parameters = [model.input(name).get_node() for name in DETAIL_INPUTS]
    return openvino().Model([model.output(name) for name in DETAIL_OUTPUTS], parameters, "details")
