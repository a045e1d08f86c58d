"""Export of the live network as two ONNX graphs: one run per avatar, one run per frame."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from live.render.live_network.model import Enrolled, FrameInput, LivePIRenderer
from live.render.live_network.tensors import ENROLL_INPUTS, FEATURES, FRAME_INPUTS, FRAME_OUTPUTS, input_shapes

OPSET = 17


class _EnrollGraph(nn.Module):
    def __init__(self, model: LivePIRenderer) -> None:
        super().__init__()
        self.model = model

    def forward(self, portrait: Tensor, mouth: Tensor, eyes: Tensor) -> tuple[Tensor, ...]:
        enrolled = self.model.enroll(portrait, mouth, eyes)
        return (*enrolled.base, *enrolled.mouth, *enrolled.eyes)


class _FrameGraph(nn.Module):
    def __init__(self, model: LivePIRenderer) -> None:
        super().__init__()
        self.model = model

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        features = list(tensors[: len(FEATURES)])
        enrolled = Enrolled(features[:3], features[3:6], features[6:])
        out = self.model(enrolled, FrameInput(*tensors[len(FEATURES) :]))
        base = out.base
        return (base.residual, base.change, out.mouth_rgb, out.mouth_mask, out.eyes_rgb, out.eyes_mask)


def export_onnx(model: LivePIRenderer, folder: Path, name: str = "live_pirenderer") -> tuple[Path, Path]:
    """Write `<name>.enroll.onnx` and `<name>.frame.onnx` into `folder` and return both paths.

    Weights are float32 inside the graphs' arithmetic and stored as float16, which halves the files; the runtimes fold
    the casts away when they load them.
    """
    model = model.eval().float().cpu()
    shapes = input_shapes(model.config)
    example = {key: torch.zeros(shape) for key, shape in shapes.items()}
    paths = folder / f"{name}.enroll.onnx", folder / f"{name}.frame.onnx"
    with torch.inference_mode():
        features = _EnrollGraph(model)(*(example[key] for key in ENROLL_INPUTS))
    folder.mkdir(parents=True, exist_ok=True)
    jobs: list[tuple[nn.Module, tuple[Tensor, ...], tuple[str, ...], tuple[str, ...]]] = [
        (_EnrollGraph(model), tuple(example[key] for key in ENROLL_INPUTS), ENROLL_INPUTS, FEATURES),
        (
            _FrameGraph(model),
            (*(f.clone() for f in features), *(example[key] for key in FRAME_INPUTS)),
            (*FEATURES, *FRAME_INPUTS),
            FRAME_OUTPUTS,
        ),
    ]
    for path, (graph, inputs, names, outputs) in zip(paths, jobs, strict=True):
        with warnings.catch_warnings():
            # The tracing exporter is deprecated in favour of one whose graphs the runtimes optimise less well so far.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph,
                inputs,
                path,
                input_names=list(names),
                output_names=list(outputs),
                opset_version=OPSET,
                dynamo=False,
            )
        proto = onnx.load(path)
        store_half(proto)
        entry = proto.metadata_props.add()
        entry.key, entry.value = "config", json.dumps(model.config.to_dict())
        onnx.checker.check_model(proto)
        onnx.save(proto, path)
    return paths


def store_half(proto: onnx.ModelProto, smallest: int = 256) -> None:
    """Store float32 initialisers of at least `smallest` numbers as float16 behind a cast to float32, in place."""
    graph = proto.graph
    casts = []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if tensor.data_type != onnx.TensorProto.FLOAT or values.size < smallest:
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype("float16"), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
