"""Building blocks of ONNX graphs for Whisper: a model's sizes, and its layers as nodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stt_transcriber.engines.onnx.ct2_weights import Weights, as_float

_OPSET = 17
_IR_VERSION = 9
LEAST = np.float32(1e-9)
"""Value added to divisors, against division by zero."""
MICROSOFT = "com.microsoft"
"""Domain of ONNX Runtime's own operators."""


@dataclass(frozen=True)
class Shape:
    """Sizes of one Whisper model."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    mels: int
    vocabulary: int

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


@dataclass(frozen=True)
class Layer:
    """Linear layer: ``weight`` float32 [out, in], ``bias`` float32 [out]."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def split(self, parts: int) -> "list[Layer]":
        """Split the outputs into ``parts`` equal layers."""
        pairs = zip(np.split(self.weight, parts), np.split(self.bias, parts), strict=True)
        return [Layer(*pair) for pair in pairs]

    def with_last(self, value: float, shape: Shape) -> "Layer":
        """Append one more output to each head, which is always ``value``."""
        weight = self.weight.reshape(shape.heads, shape.head_width, -1)
        bias = self.bias.reshape(shape.heads, shape.head_width)
        return Layer(
            np.pad(weight, ((0, 0), (0, 1), (0, 0))).reshape(-1, self.weight.shape[1]),
            np.pad(bias, ((0, 0), (0, 1)), constant_values=value).reshape(-1),
        )


def shape_of(weights: Weights) -> Shape:
    """Read the sizes from the weights."""
    width = weights["decoder/embeddings/weight"].shape[1]
    return Shape(
        width=width,
        heads=int(weights["decoder/num_heads"]),
        encoder_layers=_layers(weights, "encoder"),
        decoder_layers=_layers(weights, "decoder"),
        mels=weights["encoder/conv1/weight"].shape[1],
        vocabulary=weights["decoder/embeddings/weight"].shape[0],
    )


class Graph:
    """Collector of nodes; each method adds the nodes that it is named after and returns the name of their result."""

    def __init__(self, weights: Weights) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._weights = weights
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._names = 0

    def name(self) -> str:
        """Return an unused name."""
        self._names += 1
        return f"t{self._names}"

    def input(self, name: str, shape: list[int | str], kind: int = TensorProto.FLOAT) -> str:
        """Declare an input."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, shape: list[int | str], kind: int = TensorProto.FLOAT) -> str:
        """Declare an output."""
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, value: Any) -> str:
        """Add a number or an array."""
        array = np.asarray(value)
        name = self.name()
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str | None = None, domain: str = "", **attributes: Any) -> str:
        """Add an operator with one result."""
        result = name or self.name()
        self.nodes.append(helper.make_node(kind, inputs, [result], domain=domain, **attributes))
        return result

    def heads_of(self, x: str, parts: int, shape: Shape) -> list[str]:
        """Split by head: [B, n, parts * width] -> ``parts`` times [B, heads, n, head_width]."""
        names = [self.name() for _ in range(parts)]
        if parts == 1:
            names = [x]
        else:
            self.nodes.append(helper.make_node("Split", [x], names, axis=-1))
        size = self.constant(np.array([0, 0, shape.heads, shape.head_width]))
        return [self.node("Transpose", [self.node("Reshape", [part, size])], perm=[0, 2, 1, 3]) for part in names]

    def join_heads(self, x: str, shape: Shape) -> str:
        """Join the heads: [B, heads, n, head_width] -> [B, n, width]."""
        turned = self.node("Transpose", [x], perm=[0, 2, 1, 3])
        return self.node("Reshape", [turned, self.constant(np.array([0, 0, shape.width]))])

    def shares(self, scores: str, added: str) -> str:
        """Add the softmax of the scores plus ``added``: [B, heads, n, m]."""
        return self.node("Softmax", [self.node("Add", [scores, added])], axis=-1)

    def norm(self, x: str, at: str) -> str:
        """Add a layer normalisation."""
        gamma, beta = (self.constant(as_float(self._weights, f"{at}/{part}")) for part in ("gamma", "beta"))
        return self.node("LayerNormalization", [x, gamma, beta], axis=-1, epsilon=1e-5)

    def gelu(self, x: str) -> str:
        """Add the activation function."""
        return self.node("Gelu", [x], domain=MICROSOFT)

    def convolution(self, x: str, at: str, stride: int) -> str:
        """Add a convolution over three frames."""
        weight, bias = (self.constant(as_float(self._weights, f"{at}/{part}")) for part in ("weight", "bias"))
        return self.node("Conv", [x, weight, bias], kernel_shape=[3], pads=[1, 1], strides=[stride])

    def feed_forward(self, x: str, layer: str, *, by_row: bool = False) -> str:
        """Add the last part of a layer, with its residual connection."""
        h = self.norm(x, f"{layer}/ffn/layer_norm")
        h = self.gelu(self.linear(h, f"{layer}/ffn/linear_0", by_row=by_row))
        # One scale per tensor is too coarse after a GELU.
        return self.node("Add", [x, self.linear(h, f"{layer}/ffn/linear_1", by_row=True)])

    def linear(self, x: str, at: str, asks: Shape | None = None, *, by_row: bool = False) -> str:
        """Add a linear layer with its bias.

        ``asks``: the first outputs are queries; their weights are scaled for the heads of this shape. A node that
        scaled them would be fused into their product with the keys, which then misses the kernel for one row.
        """
        layer = self.layer(at)
        if asks is not None:
            for array in (layer.weight, layer.bias):
                array[: asks.width] *= np.float32(asks.head_width**-0.5)
        return self.product_by_row(x, layer.weight, layer.bias) if by_row else self.product(x, layer.weight, layer.bias)

    def rounded(self, x: str) -> list[str]:
        """Quantise to uint8 with one step and one zero point, for several products of one ``x``.

        ``product`` does the same first, for a single product.
        """
        names = [self.name() for _ in range(3)]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], names))
        return names

    def linear_parts(self, rounded: Sequence[str], layers: Sequence["Layer"]) -> list[str]:
        """Apply several linear layers to the result of ``rounded``."""
        x, step, zero = rounded
        results = []
        for layer in layers:
            scale, stored = quantised(layer.weight)
            inputs = [x, self.constant(stored), step, self.constant(scale), zero, "", self.constant(layer.bias)]
            results.append(self.node("MatMulIntegerToFloat", inputs, domain=MICROSOFT))
        return results

    def layer(self, at: str) -> "Layer":
        """Return copies of a linear layer's weight and bias."""
        weight, bias = (as_float(self._weights, f"{at}/{part}").copy() for part in ("weight", "bias"))
        return Layer(weight, bias)

    def product_by_row(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """Add a product as in ``product``, with a scale for each row of activations."""
        scale, stored = quantised(weight)
        rounded, highest, step, zero = self.rounded_by_row(x)
        inputs = [rounded, self.constant(stored), step, self.constant(scale), zero]
        result = self.node("Mul", [self.node("MatMulIntegerToFloat", inputs, domain=MICROSOFT), highest])
        return self.node("Add", [result, self.constant(bias)])

    def rounded_by_row(self, x: str) -> tuple[str, str, str, str]:
        """Quantise to uint8, with a scale for each row.

        Returns the rounded values, the factor by which each row of the product is to be multiplied, the step and the
        zero point.
        """
        highest = self.node("ReduceMax", [self.node("Abs", [x])], axes=[-1], keepdims=1)
        highest = self.node("Add", [highest, self.constant(LEAST)])
        step, zero = self.constant(np.float32(1 / 127)), self.constant(np.uint8(128))
        rounded = self.node("QuantizeLinear", [self.node("Div", [x, highest]), step, zero])
        return rounded, highest, step, zero

    def product(
        self,
        x: str,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32] | None = None,
        name: str | None = None,
    ) -> str:
        """Add a product with quantised weights; ``weight``: float32 [out, in]."""
        scale, stored = quantised(weight)
        inputs = [x, self.constant(stored), self.constant(scale), ""]
        if bias is not None:
            inputs.append(self.constant(bias))
        return self.node("DynamicQuantizeMatMul", inputs, name=name, domain=MICROSOFT)

    def sound(self, shape: Shape) -> str:
        """Add the input of the encoder's layers: ``mel`` float32 [1, mels, 2 n] -> [1, n, width]."""
        self.input("mel", [1, shape.mels, "frames"])
        x = self.gelu(self.convolution("mel", "encoder/conv1", stride=1))
        x = self.gelu(self.convolution(x, "encoder/conv2", stride=2))
        x = self.node("Transpose", [x], perm=[0, 2, 1])
        places = self.constant(as_float(self._weights, "encoder/position_encodings/encodings"))
        count = self.node("Slice", [self.node("Shape", [x]), *(self.constant([i]) for i in (1, 2))])
        return self.node("Add", [x, self.node("Slice", [places, self.constant([0]), count, self.constant([0])])])

    def tokens(self, shape: Shape) -> str:
        """Add the inputs of the decoder's layers: ``x``, ``mask`` and ``weight``."""
        x = self.input("x", ["B", "n", shape.width])
        self.input("mask", ["B", 1, "n", "all"])
        self.input("weight", ["B", 1, 1, "T"])
        return x

    def decoder(self, x: str, attended: list[str], shape: Shape) -> bytes:
        """Build the decoder from its last layer's output and the shares of the alignment heads."""
        self.node("Identity", [self.norm(x, "decoder/layer_norm")], name="states")
        self.output("states", ["B", "n", shape.width])
        everything = attended[0] if len(attended) == 1 else self.node("Concat", attended, axis=1)
        self.node("ReduceMean", [everything], name="attention", axes=[1], keepdims=0)
        self.output("attention", ["B", "n", "T"])
        for i in range(shape.decoder_layers):
            for part in ("k", "v"):
                self.output(f"{part}{i}", ["B", shape.heads, "past_and_n", shape.head_width])
        return self.build("decoder")

    def build(self, name: str) -> bytes:
        """Serialise the model for ONNX Runtime."""
        graph = helper.make_graph(self.nodes, name, self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="stt-suite")
        data: bytes = model.SerializeToString()
        return data


def quantised(weight: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Quantise weights: float32 [out, in] -> scale per output [out], int8 [in, out]."""
    scale = np.maximum(np.abs(weight).max(axis=1) / 127, 1e-12).astype(np.float32)
    return scale, np.round(weight / scale[:, None]).astype(np.int8).T


def _layers(weights: Weights, side: str) -> int:
    prefix = f"{side}/layer_"
    return len(
        {name.split("/")[1] for name in weights if name.startswith(prefix) and "layer_norm" not in name.split("/")[1]}
    )
