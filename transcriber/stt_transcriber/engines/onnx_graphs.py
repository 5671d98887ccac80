"""Builds ONNX graphs of Whisper's encoder and decoder from a model's own weights, in 8 bits, without PyTorch.

The decoder keeps its attention cache outside: what went through once goes in again as ``pk``, ``pv``. Linear layers are
int8 with a scale per output channel; activations get theirs at run time, one per tensor (``DynamicQuantizeMatMul``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stt_transcriber.engines.ct2_weights import Weights, as_float

_OPSET = 17
_IR_VERSION = 9
_MICROSOFT = "com.microsoft"


@dataclass(frozen=True)
class Shape:
    """The sizes of one Whisper model."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    mels: int
    vocabulary: int

    @property
    def head_width(self) -> int:
        """Numbers of one head."""
        return self.width // self.heads


def shape_of(weights: Weights) -> Shape:
    """Reads the sizes off the weights."""
    width = weights["decoder/embeddings/weight"].shape[1]
    return Shape(
        width=width,
        heads=int(weights["decoder/num_heads"]),
        encoder_layers=_layers(weights, "encoder"),
        decoder_layers=_layers(weights, "decoder"),
        mels=weights["encoder/conv1/weight"].shape[1],
        vocabulary=weights["decoder/embeddings/weight"].shape[0],
    )


def encoder_graph(weights: Weights) -> bytes:
    """The encoder, and what the decoder's attention makes of its output.

    In: ``mel`` float32 [1, mels, 2 n]. Out: ``ck{i}`` float32 [1, heads, head_width, n] and ``cv{i}`` float32
    [1, heads, n, head_width], i counting the decoder's layers.
    """
    shape = shape_of(weights)
    graph = _Graph(weights)
    graph.input("mel", [1, shape.mels, "frames"])
    x = graph.gelu(graph.convolution("mel", "encoder/conv1", stride=1))
    x = graph.gelu(graph.convolution(x, "encoder/conv2", stride=2))
    x = graph.node("Transpose", [x], perm=[0, 2, 1])
    places = graph.constant(as_float(weights, "encoder/position_encodings/encodings"))
    count = graph.node("Slice", [graph.node("Shape", [x]), *(graph.constant([i]) for i in (1, 2))])
    x = graph.node("Add", [x, graph.node("Slice", [places, graph.constant([0]), count, graph.constant([0])])])
    for i in range(shape.encoder_layers):
        layer = f"encoder/layer_{i}"
        h = graph.norm(x, f"{layer}/self_attention/layer_norm")
        q, k, v = graph.heads_of(graph.linear(h, f"{layer}/self_attention/linear_0"), 3, shape)
        attended = graph.attention(q, graph.turned(k), v, shape)
        x = graph.node("Add", [x, graph.linear(attended, f"{layer}/self_attention/linear_1")])
        x = graph.feed_forward(x, layer)
    states = graph.norm(x, "encoder/layer_norm")
    for i in range(shape.decoder_layers):
        k, v = graph.heads_of(graph.linear(states, f"decoder/layer_{i}/attention/linear_1"), 2, shape)
        graph.turned(k, name=f"ck{i}")
        graph.node("Identity", [v], name=f"cv{i}")
        graph.output(f"ck{i}", [1, shape.heads, shape.head_width, "n"])
        graph.output(f"cv{i}", [1, shape.heads, "n", shape.head_width])
    return graph.build("encoder")


def decoder_graph(weights: Weights, alignment_heads: list[tuple[int, int]]) -> bytes:
    """The decoder without its vocabulary.

    In: ``x`` float32 [B, n, width]: embedded tokens with their positions; ``mask`` float32 [B, 1, n, past + n], added
    to the scores; ``weight`` float32 [B, 1, 1, T], added to the scores over the encoding; ``pk{i}``, ``pv{i}``
    float32 [B, heads, past, head_width]; ``ck{i}``, ``cv{i}`` as the encoder gives them, B of them.
    Out: ``states`` float32 [B, n, width]; ``attention`` float32 [B, n, T], mean over the alignment heads;
    ``k{i}``, ``v{i}`` of past and new tokens.
    """
    shape = shape_of(weights)
    graph = _Graph(weights)
    graph.input("x", ["B", "n", shape.width])
    graph.input("mask", ["B", 1, "n", "all"])
    graph.input("weight", ["B", 1, 1, "T"])
    x = "x"
    attended: list[str] = []
    for i in range(shape.decoder_layers):
        layer = f"decoder/layer_{i}"
        cache: list[int | str] = ["B", shape.heads, "past", shape.head_width]
        h = graph.norm(x, f"{layer}/self_attention/layer_norm")
        q, k, v = graph.heads_of(graph.linear(h, f"{layer}/self_attention/linear_0"), 3, shape)
        keys = graph.node("Concat", [graph.input(f"pk{i}", cache), k], name=f"k{i}", axis=2)
        values = graph.node("Concat", [graph.input(f"pv{i}", cache), v], name=f"v{i}", axis=2)
        mixed = graph.attention(q, graph.turned(keys), values, shape, added="mask")
        x = graph.node("Add", [x, graph.linear(mixed, f"{layer}/self_attention/linear_1")])

        h = graph.norm(x, f"{layer}/attention/layer_norm")
        (q,) = graph.heads_of(graph.linear(h, f"{layer}/attention/linear_0"), 1, shape)
        graph.input(f"ck{i}", ["B", shape.heads, shape.head_width, "T"])
        graph.input(f"cv{i}", ["B", shape.heads, "T", shape.head_width])
        shares = graph.shares(q, f"ck{i}", shape, added="weight")
        heads = [head for of, head in alignment_heads if of == i]
        if heads:
            attended.append(graph.node("Gather", [shares, graph.constant(heads)], axis=1))
        mixed = graph.join_heads(graph.node("MatMul", [shares, f"cv{i}"]), shape)
        x = graph.node("Add", [x, graph.linear(mixed, f"{layer}/attention/linear_2")])
        x = graph.feed_forward(x, layer)
    graph.node("Identity", [graph.norm(x, "decoder/layer_norm")], name="states")
    graph.output("states", ["B", "n", shape.width])
    everything = attended[0] if len(attended) == 1 else graph.node("Concat", attended, axis=1)
    graph.node("ReduceMean", [everything], name="attention", axes=[1], keepdims=0)
    graph.output("attention", ["B", "n", "T"])
    for i in range(shape.decoder_layers):
        for part in ("k", "v"):
            graph.output(f"{part}{i}", ["B", shape.heads, "past_and_n", shape.head_width])
    return graph.build("decoder")


def words_graph(weights: Weights, end: int, never: Sequence[int]) -> bytes:
    """From the decoder's states to the tokens of a text, 0…``end``, but for those that are ``never`` chosen.

    In: ``states`` float32 [m, width]; ``count`` int64 [1]. Out: ``logprobs`` float32 [m, count], falling, of the
    ``tokens`` int64 [m, count]; ``highest`` float32 [m, 1]: the score of the first of them.
    """
    shape = shape_of(weights)
    graph = _Graph(weights)
    graph.input("states", ["m", shape.width])
    graph.input("count", [1], TensorProto.INT64)
    bias = np.zeros(end + 1, np.float32)
    bias[[token for token in never if token <= end]] = -np.inf
    scores = graph.product("states", as_float(weights, "decoder/projection/weight")[: end + 1], bias)
    shares = graph.node("LogSoftmax", [scores], axis=-1)
    graph.nodes.append(helper.make_node("TopK", [shares, "count"], ["logprobs", "tokens"], axis=-1))
    graph.node("ReduceMax", [scores], name="highest", axes=[1], keepdims=1)
    graph.output("logprobs", ["m", "count"])
    graph.output("tokens", ["m", "count"], TensorProto.INT64)
    graph.output("highest", ["m", 1])
    return graph.build("words")


def marks_graph(weights: Weights, end: int) -> bytes:
    """The scores of the tokens behind ``end``, which are no text: languages, tasks, no speech, times.

    In: ``states`` float32 [m, width]. Out: ``scores`` float32 [m, vocabulary - end - 1].
    """
    shape = shape_of(weights)
    graph = _Graph(weights)
    graph.input("states", ["m", shape.width])
    graph.product("states", as_float(weights, "decoder/projection/weight")[end + 1 :], name="scores")
    graph.output("scores", ["m", shape.vocabulary - end - 1])
    return graph.build("marks")


class _Graph:
    """Collects nodes; every method adds what it names and returns the name of its result."""

    def __init__(self, weights: Weights) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._weights = weights
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._names = 0

    def name(self) -> str:
        self._names += 1
        return f"t{self._names}"

    def input(self, name: str, shape: list[int | str], kind: int = TensorProto.FLOAT) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, shape: list[int | str], kind: int = TensorProto.FLOAT) -> str:
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, value: Any) -> str:
        array = np.asarray(value)
        name = self.name()
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str | None = None, domain: str = "", **attributes: Any) -> str:
        result = name or self.name()
        self.nodes.append(helper.make_node(kind, inputs, [result], domain=domain, **attributes))
        return result

    def heads_of(self, x: str, parts: int, shape: Shape) -> list[str]:
        """[B, n, parts * width] -> parts times [B, heads, n, head_width]."""
        names = [self.name() for _ in range(parts)]
        if parts == 1:
            names = [x]
        else:
            self.nodes.append(helper.make_node("Split", [x], names, axis=-1))
        size = self.constant(np.array([0, 0, shape.heads, shape.head_width]))
        return [self.node("Transpose", [self.node("Reshape", [part, size])], perm=[0, 2, 1, 3]) for part in names]

    def join_heads(self, x: str, shape: Shape) -> str:
        turned = self.node("Transpose", [x], perm=[0, 2, 1, 3])
        return self.node("Reshape", [turned, self.constant(np.array([0, 0, shape.width]))])

    def turned(self, x: str, name: str | None = None) -> str:
        return self.node("Transpose", [x], name=name, perm=[0, 1, 3, 2])

    def shares(self, q: str, turned_keys: str, shape: Shape, added: str = "") -> str:
        q = self.node("Mul", [q, self.constant(np.float32(shape.head_width**-0.5))])
        scores = self.node("MatMul", [q, turned_keys])
        if added:
            scores = self.node("Add", [scores, added])
        return self.node("Softmax", [scores], axis=-1)

    def attention(self, q: str, turned_keys: str, v: str, shape: Shape, added: str = "") -> str:
        """[B, n, width]; ``added`` to the scores before the softmax."""
        mixed = self.node("MatMul", [self.shares(q, turned_keys, shape, added), v])
        return self.join_heads(mixed, shape)

    def norm(self, x: str, at: str) -> str:
        gamma, beta = (self.constant(as_float(self._weights, f"{at}/{part}")) for part in ("gamma", "beta"))
        return self.node("LayerNormalization", [x, gamma, beta], axis=-1, epsilon=1e-5)

    def gelu(self, x: str) -> str:
        return self.node("Gelu", [x], domain=_MICROSOFT)

    def convolution(self, x: str, at: str, stride: int) -> str:
        weight, bias = (self.constant(as_float(self._weights, f"{at}/{part}")) for part in ("weight", "bias"))
        return self.node("Conv", [x, weight, bias], kernel_shape=[3], pads=[1, 1], strides=[stride])

    def feed_forward(self, x: str, layer: str) -> str:
        h = self.norm(x, f"{layer}/ffn/layer_norm")
        h = self.gelu(self.linear(h, f"{layer}/ffn/linear_0"))
        last = f"{layer}/ffn/linear_1"
        weight, bias = as_float(self._weights, f"{last}/weight"), as_float(self._weights, f"{last}/bias")
        return self.node("Add", [x, self.product_by_row(h, weight, bias)])

    def linear(self, x: str, at: str) -> str:
        return self.product(x, as_float(self._weights, f"{at}/weight"), as_float(self._weights, f"{at}/bias"))

    def product_by_row(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """As ``product``, with a scale for each row of activations: one per tensor is too coarse behind a GELU."""
        scale, stored = _quantised(weight)
        highest = self.node("ReduceMax", [self.node("Abs", [x])], axes=[-1], keepdims=1)
        highest = self.node("Add", [highest, self.constant(np.float32(1e-9))])
        step, zero = self.constant(np.float32(1 / 127)), self.constant(np.uint8(128))
        rounded = self.node("QuantizeLinear", [self.node("Div", [x, highest]), step, zero])
        inputs = [rounded, self.constant(stored), step, self.constant(scale), zero]
        result = self.node("Mul", [self.node("MatMulIntegerToFloat", inputs, domain=_MICROSOFT), highest])
        return self.node("Add", [result, self.constant(bias)])

    def product(
        self,
        x: str,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32] | None = None,
        name: str | None = None,
    ) -> str:
        """``weight`` float32 [out, in]."""
        scale, stored = _quantised(weight)
        inputs = [x, self.constant(stored), self.constant(scale), ""]
        if bias is not None:
            inputs.append(self.constant(bias))
        return self.node("DynamicQuantizeMatMul", inputs, name=name, domain=_MICROSOFT)

    def build(self, name: str) -> bytes:
        graph = helper.make_graph(self.nodes, name, self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="stt-suite")
        data: bytes = model.SerializeToString()
        return data


def _quantised(weight: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """float32 [out, in] -> scale per output [out], int8 [in, out]."""
    scale = np.maximum(np.abs(weight).max(axis=1) / 127, 1e-12).astype(np.float32)
    return scale, np.round(weight / scale[:, None]).astype(np.int8).T


def _layers(weights: Weights, side: str) -> int:
    prefix = f"{side}/layer_"
    return len(
        {name.split("/")[1] for name in weights if name.startswith(prefix) and "layer_norm" not in name.split("/")[1]}
    )
