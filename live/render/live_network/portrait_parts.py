"""Takes out of the frame graph what depends on the portrait alone, so that it is computed once per avatar.

Where a convolution reads features of the frame and of the portrait side by side, it is the sum of two convolutions, one
over each, and the portrait's never changes: a fifth to a third of the work of those layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from live.frames import FloatArray
from live.openvino_core import openvino


def take_out_portrait(model: Any, features: tuple[str, ...]) -> tuple[Any, Any]:
    """Split a frame graph (an `openvino.Model`, changed in place) in two.

    Args:
        model: the graph.
        features: names of the inputs that are the portrait's.

    Returns:
        The graph of a frame: an input that was only read in the way described is now the portrait's part of the sum,
        under the same name. And the graph that makes these parts from the features.
    """
    openvino()
    from openvino import Model, opset13

    inputs = {name: model.input(name).get_node() for name in features}
    parameters, own_inputs, parts = list(model.get_parameters()), [], []
    for name, old in inputs.items():
        readers = [target.get_node() for target in old.output(0).get_target_inputs()]
        joined: Any = readers[0] if len(readers) == 1 else None
        layer = _only_reader(joined, "Concat", "Convolution")
        biased = _only_reader(layer, "Convolution", "Add")
        if layer is None or biased is None or joined.input_value(joined.get_input_size() - 1).get_node() != old:
            continue
        count, weights = old.get_output_shape(0)[1], _values(layer.input_value(1))
        form = layer.get_attributes()
        shape = form["strides"], form["pads_begin"], form["pads_end"], form["dilations"]
        others = [joined.input_value(i) for i in range(joined.get_input_size() - 1)]
        seen = others[0] if len(others) == 1 else opset13.concat(others, 1).output(0)
        frame_layer = opset13.convolution(seen, opset13.constant(weights[:, :-count].copy()), *shape)
        own = opset13.parameter(old.get_output_shape(0), np.float32, name=name)
        part = opset13.convolution(own, opset13.constant(weights[:, -count:].copy()), *shape)
        given = opset13.parameter(part.get_output_shape(0), np.float32, name=name)
        for node in (given, part, own):
            node.output(0).set_names({name if node is not own else f"{name}_portrait"})
        after = list(biased.output(0).get_target_inputs())
        for target in layer.output(0).get_target_inputs():
            target.replace_source_output(frame_layer.output(0))
        total = opset13.add(biased, given)
        for target in after:
            target.replace_source_output(total.output(0))
        parameters = [given if p == old else p for p in parameters]
        own_inputs.append(own)
        parts.append(part.output(0))
    frame = Model([result.input_value(0) for result in model.get_results()], parameters, model.get_friendly_name())
    return frame, Model(parts, own_inputs, "portrait")


def _only_reader(node: Any, kind: str, reader: str) -> Any:
    """Of a node of the given kind, the one node of kind `reader` that reads it (asking its shape is no reading)."""
    if node is None or node.get_type_name() != kind:
        return None
    readers = [target.get_node() for target in node.output(0).get_target_inputs()]
    readers = [other for other in readers if other.get_type_name() != "ShapeOf"]
    return readers[0] if len(readers) == 1 and readers[0].get_type_name() == reader else None


def _values(output: Any) -> FloatArray:
    """A constant, also behind a cast."""
    node = output.get_node()
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return np.asarray(node.data, np.float32)
