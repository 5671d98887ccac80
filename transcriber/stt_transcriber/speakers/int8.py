"""A network of convolutions, sums and rectifiers in integers of 8 bits.

Weights have 7 bits: products of two neighbours are summed in 16 bits on processors without VNNI, and may not overflow.
So all processors compute the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Ranges = Mapping[str, Sequence[float]]
"""Least and greatest number that each tensor has, by its name."""

_WEIGHT_LIMIT = 64
_LEVELS = 255
_DOMAIN = "com.microsoft"


def in_int8(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """Return the network with every tensor of ``ranges`` as uint8, and with what is computed from such tensors alone.

    The others remain float32. A convolution or sum with a rectifier behind it has the range of that.
    """
    return _Converter(model, ranges).converted()


class _Converter:
    def __init__(self, model: onnx.ModelProto, ranges: Ranges) -> None:
        self._model = model
        self._ranges = ranges
        self._weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._rectified = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "Relu"}
        self._nodes: list[onnx.NodeProto] = []
        self._scales: dict[str, np.float32] = {}

    def converted(self) -> onnx.ModelProto:
        for node in self._model.graph.node:
            self._convert(node)
        graph = self._model.graph
        used = {name for node in self._nodes for name in node.input}
        constants = [numpy_helper.from_array(value, name) for name, value in self._weights.items() if name in used]
        made = helper.make_graph(self._nodes, graph.name, graph.input, graph.output, constants)
        opsets = [*self._model.opset_import]
        if _DOMAIN not in {opset.domain for opset in opsets}:
            opsets.append(helper.make_opsetid(_DOMAIN, 1))
        return helper.make_model(made, opset_imports=opsets, ir_version=self._model.ir_version)

    def _convert(self, node: onnx.NodeProto) -> None:
        match node.op_type:
            case "Conv" if node.input[0] in self._scales:
                self._convolve(node)
            case "Add" if set(node.input) <= set(self._scales):
                inputs = [name for tensor in node.input for name in self._parts(tensor)]
                result = self._result(node)
                self._emit("QLinearAdd", [*inputs, *self._parts(result)[1:]], result, domain=_DOMAIN)
            case "Relu" if node.output[0] in self._scales:
                pass  # Its range begins at zero, so what is below has become zero.
            case _:
                self._leave(node)

    def _convolve(self, node: onnx.NodeProto) -> None:
        source, weight, bias = node.input
        result = self._result(node)
        kernels = self._weights[weight]
        scales = np.maximum(np.abs(kernels).max(axis=(1, 2, 3)) / _WEIGHT_LIMIT, 1e-9).astype(np.float32)
        small = np.round(kernels / scales[:, None, None, None]).astype(np.int8)
        offsets = np.round(self._weights[bias] / (scales * self._scales[source])).astype(np.int32)
        parts = [
            self._constant(f"{weight}/int8", small),
            self._constant(f"{weight}/scale", scales),
            self._constant(f"{weight}/zero", np.zeros(len(scales), np.int8)),
        ]
        inputs = [*self._parts(source), *parts, *self._parts(result)[1:], self._constant(f"{bias}/int32", offsets)]
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        self._emit("QLinearConv", inputs, result, **attributes)

    def _leave(self, node: onnx.NodeProto) -> None:
        for tensor in set(node.input) & set(self._scales):
            if not any(tensor in other.output for other in self._nodes):
                self._nodes.append(helper.make_node("DequantizeLinear", self._parts(tensor), [tensor]))
        self._nodes.append(node)
        for tensor in set(node.output) & set(self._ranges):
            self._scale(tensor)
            inputs = [tensor, *self._parts(tensor)[1:]]
            self._nodes.append(helper.make_node("QuantizeLinear", inputs, [self._parts(tensor)[0]]))

    def _result(self, node: onnx.NodeProto) -> str:
        output: str = node.output[0]
        tensor: str = self._rectified.get(output, output)
        self._scale(tensor)
        return tensor

    def _scale(self, tensor: str) -> None:
        low, high = self._ranges[tensor]
        scale = np.float32((high - low) / _LEVELS)
        self._scales[tensor] = scale
        self._constant(f"{tensor}/scale", np.array(scale, np.float32))
        self._constant(f"{tensor}/zero", np.array(round(-low / float(scale)), np.uint8))

    def _parts(self, tensor: str) -> list[str]:
        """Return the names of the numbers of a tensor in 8 bits, their scale and their zero."""
        return [f"{tensor}/uint8", f"{tensor}/scale", f"{tensor}/zero"]

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self._weights[name] = value
        return name

    def _emit(self, kind: str, inputs: Sequence[str], result: str, domain: str = "", **attributes: Any) -> None:
        self._nodes.append(helper.make_node(kind, inputs, [self._parts(result)[0]], domain=domain, **attributes))
