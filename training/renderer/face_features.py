"""Face-recognition features as losses: MobileFaceNet, read from its ONNX file (or what `save` wrote) and run in torch.

Only training uses it; it is not part of the product. Shallow layers serve as perceptual features on any crop, the
embedding as identity.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

TEMPLATE = torch.tensor([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]])
"""Eye centres, nose tip and mouth corners in the 112² input."""
INPUT = 112
SHALLOW = 4
"""Perceptual features are taken at the first convolutions of this many resolutions or blocks."""


class FaceFeatures(nn.Module):
    """Interprets the network's graph, which has convolutions, clips, ReLUs, sums and one final reshape only.

    Args:
        path: `MobileFaceNet.onnx`, or the safetensors that `save` made of it, for machines without `onnx`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.steps: list[tuple[str, list[str], str, dict[str, int]]] = []
        if path.suffix == ".onnx":
            self._read_onnx(path)
        else:
            with safe_open(path, "pt") as file:
                graph = json.loads(file.metadata()["graph"])
                for key in file.keys():  # noqa: SIM118 (the file is no mapping)
                    self.register_buffer(key, file.get_tensor(key))
            self.input, self.steps = graph["input"], [tuple(step) for step in graph["steps"]]
        pointwise = [s for s in self.steps if s[0] in ("Relu", "Clip")]
        self.taps = [pointwise[i][2] for i in (0, 2, 4, 8)]
        mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)

    def save(self, path: Path) -> None:
        """Write graph and weights as safetensors."""
        save_file(self.state_dict(), path, {"graph": json.dumps({"input": self.input, "steps": self.steps})})

    def _read_onnx(self, path: Path) -> None:
        import onnx  # deferred: not where `save`'s file is read

        model = onnx.load(str(path))
        values = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        self.input = model.graph.input[0].name
        for node in model.graph.node:
            out = node.output[0]
            if node.op_type == "Constant":
                values[out] = onnx.numpy_helper.to_array(node.attribute[0].t)
                continue
            options: dict[str, int] = {}
            if node.op_type == "Conv":
                attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
                options = {
                    "stride": attributes["strides"][0],
                    "padding": attributes.get("pads", [0])[0],
                    "groups": attributes.get("group", 1),
                }
                for name in node.input[1:]:
                    key = _key(name)
                    if key not in self._buffers:
                        self.register_buffer(key, torch.from_numpy(np.array(values[name])))
            elif node.op_type == "Clip":
                low, high = (float(values[name]) for name in node.input[1:3])
                assert (low, high) == (0.0, 6.0)
            elif node.op_type not in ("Relu", "Add", "Reshape"):
                raise ValueError(f"{path}: unexpected operation {node.op_type}")
            self.steps.append((node.op_type, list(node.input), out, options))

    def _run(self, images: Tensor, last: str | None) -> dict[str, Tensor]:
        x = ((images + 1) / 2 - self.get_buffer("mean")) / self.get_buffer("deviation")
        known = {self.input: x}
        for kind, inputs, out, options in self.steps:
            a = known[inputs[0]]
            if kind == "Conv":
                known[out] = F.conv2d(a, self.get_buffer(_key(inputs[1])), self.get_buffer(_key(inputs[2])), **options)
            elif kind == "Clip":
                known[out] = a.clamp(0, 6)
            elif kind == "Relu":
                known[out] = a.relu()
            elif kind == "Add":
                known[out] = a + known[inputs[1]]
            else:
                known[out] = a.flatten(1)
            if out == last:
                break
        return known

    def shallow(self, images: Tensor) -> list[Tensor]:
        """Feature maps of `images` (N, 3, H, W; −1…1), each pixel's vector normalised to length 1."""
        known = self._run(images, self.taps[-1])
        return [F.normalize(known[name], dim=1, eps=1e-3) for name in self.taps]

    def embedding(self, faces: Tensor) -> Tensor:
        """Unit vectors (N, 128) of aligned faces (N, 3, 112, 112; −1…1)."""
        return F.normalize(self._run(faces, None)[self.steps[-1][2]], dim=1)


def _key(name: str) -> str:
    return "w_" + "".join(c if c.isalnum() else "_" for c in name)


def align(images: Tensor, points: Tensor) -> Tensor:
    """Cut aligned faces (N, 3, 112, 112) out of `images` (N, 3, S, S).

    Args:
        images: pictures.
        points: (N, 5, 2) eye centres, nose tip, mouth corners; picture sides (0…1).
    """
    template = TEMPLATE.to(points) / INPUT
    # Least-squares similarity template → picture (Umeyama), as complex numbers.
    a = torch.view_as_complex(template.expand_as(points).contiguous())
    b = torch.view_as_complex(points.contiguous())
    a0, b0 = a.mean(1, keepdim=True), b.mean(1, keepdim=True)
    factor = ((a - a0).conj() * (b - b0)).sum(1) / ((a - a0).abs() ** 2).sum(1)
    shift = b0[:, 0] - factor * a0[:, 0]
    # From 0…1 to −1…1 on both sides: p = f·t + s  →  2p − 1 = f·(2t − 1) + (f·(1 + i) + 2s − (1 + i)).
    one = torch.complex(torch.ones_like(factor.real), torch.ones_like(factor.real))
    moved = factor * one + 2 * shift - one
    rows = torch.stack(
        [
            torch.stack([factor.real, -factor.imag, moved.real], -1),
            torch.stack([factor.imag, factor.real, moved.imag], -1),
        ],
        1,
    )
    grid = F.affine_grid(rows.float(), [len(images), 3, INPUT, INPUT], align_corners=False)
    return F.grid_sample(images, grid.to(images.dtype), align_corners=False, padding_mode="border")
