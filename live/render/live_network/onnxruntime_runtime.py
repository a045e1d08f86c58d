"""The live network in ONNX Runtime, float32: for machines without OpenVINO."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort

from live.errors import ModelError
from live.render.live_network.config import LiveConfig
from live.render.live_network.runtime import Arrays, graph_files
from live.render.live_network.tensors import ENROLL_INPUTS, FEATURES, FRAME_INPUTS, FRAME_OUTPUTS


class OnnxRuntimeRuntime:
    """Implements `NetworkRuntime`.

    Args:
        folder: where the exported graphs lie.
        threads: CPU threads; 0 = all physical cores.

    Raises:
        ModelError: a graph is missing or damaged.
    """

    name = "ONNX Runtime f32"
    base = True

    def __init__(self, folder: Path, threads: int = 0) -> None:
        enroll_file, frame_file = graph_files(folder)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        providers = ["CPUExecutionProvider"]
        try:
            self._enroll = ort.InferenceSession(str(enroll_file), options, providers=providers)
            self._frame = ort.InferenceSession(str(frame_file), options, providers=providers)
        except Exception as error:  # onnxruntime raises many types of its own, without a common base
            raise ModelError(f"ONNX Runtime cannot run the network: {error}.", "Use `--backend geometric`.") from error
        self.config = LiveConfig.from_dict(json.loads(self._frame.get_modelmeta().custom_metadata_map["config"]))
        self._features: Arrays = {}

    def enroll(self, inputs: Arrays) -> None:
        """See `NetworkRuntime.enroll`."""
        outputs = self._enroll.run(list(FEATURES), {name: inputs[name] for name in ENROLL_INPUTS})
        self._features = {n: np.asarray(v, np.float32) for n, v in zip(FEATURES, outputs, strict=True)}

    def frame(self, inputs: Arrays) -> Arrays:
        """See `NetworkRuntime.frame`."""
        feeds = {**self._features, **{name: inputs[name] for name in FRAME_INPUTS}}
        return dict(zip(FRAME_OUTPUTS, self._frame.run(list(FRAME_OUTPUTS), feeds), strict=True))

    def close(self) -> None:
        """See `NetworkRuntime.close`."""
        self._features.clear()
        del self._enroll, self._frame
