"""The graphs of ``onnx_graphs`` for files: the same model, for many windows at once that nobody waits for.

What a window says must not hang on those beside it, so activations get a scale per row. What the decoder sees of a
window is in 8 bits, with a scale per head and number: reading it is most of the work, and so it is a quarter. The
encoder's attention works in blocks that fit the processor's caches.
"""

import numpy as np
from onnx import TensorProto, helper

from stt_transcriber.engines.ct2_weights import Weights, as_float
from stt_transcriber.engines.onnx_nodes import LEAST, MICROSOFT, Graph, Shape, shape_of

_STEP = np.float32(1 / 127)
_SHARE_STEP = np.float32(1 / 255)


def encoder_graph(weights: Weights) -> bytes:
    """The encoder, and what the decoder's attention makes of its output and of the silence behind it.

    In: ``mel`` float32 [1, mels, 2 n]; ``sk{i}``, ``sv{i}`` float32 [1, heads, m, head_width]: silence. Out: ``ck{i}``
    int8 [1, heads, head_width, n + m] and ``cv{i}`` int8 [1, heads, n + m, head_width], to be multiplied by ``ks{i}``
    and ``vs{i}``, float32 [1, heads, 1, head_width]; ``fk{i}``, ``fv{i}`` float32 [1, heads, n, head_width] without
    the silence; i counting the decoder's layers.
    """
    shape = shape_of(weights)
    graph = Graph(weights)
    x = graph.sound(shape)
    for i in range(shape.encoder_layers):
        layer = f"encoder/layer_{i}"
        h = graph.norm(x, f"{layer}/self_attention/layer_norm")
        attended = _blocked_attention(graph, graph.linear(h, f"{layer}/self_attention/linear_0"), shape)
        x = graph.node("Add", [x, graph.linear(attended, f"{layer}/self_attention/linear_1")])
        x = graph.feed_forward(x, layer)
    states = graph.norm(x, "encoder/layer_norm")
    for i in range(shape.decoder_layers):
        pair = graph.heads_of(graph.linear(states, f"decoder/layer_{i}/attention/linear_1"), 2, shape)
        for of, own in zip("kv", pair, strict=True):
            silence = graph.input(f"s{of}{i}", [1, shape.heads, "m", shape.head_width])
            graph.node("Identity", [own], name=f"f{of}{i}")
            rounded = _rounded(graph, graph.node("Concat", [own, silence], axis=2), f"{of}s{i}")
            turned = [0, 1, 3, 2] if of == "k" else [0, 1, 2, 3]
            graph.node("Transpose", [rounded], name=f"c{of}{i}", perm=turned)
            sizes: list[int | str] = [1, shape.heads, "n_and_m", shape.head_width]
            graph.output(f"f{of}{i}", [1, shape.heads, "n", shape.head_width])
            graph.output(f"{of}s{i}", [1, shape.heads, 1, shape.head_width])
            graph.output(f"c{of}{i}", [sizes[axis] for axis in turned], TensorProto.INT8)
    return graph.build("encoder")


def decoder_graph(weights: Weights, alignment_heads: list[tuple[int, int]]) -> bytes:
    """The decoder without its vocabulary: in and out as in ``onnx_graphs``, but for ``ck{i}``, ``cv{i}``, ``ks{i}``,
    ``vs{i}``, which are B of what the encoder gives."""
    shape = shape_of(weights)
    graph = Graph(weights)
    x = graph.tokens(shape)
    attended: list[str] = []
    for i in range(shape.decoder_layers):
        layer = f"decoder/layer_{i}"
        cache: list[int | str] = ["B", shape.heads, "past", shape.head_width]
        h = graph.norm(x, f"{layer}/self_attention/layer_norm")
        qkv = _linear(graph, weights, h, f"{layer}/self_attention/linear_0", shape)
        q, k, v = graph.heads_of(qkv, 3, shape)
        keys = graph.node("Concat", [graph.input(f"pk{i}", cache), k], name=f"k{i}", axis=2)
        values = graph.node("Concat", [graph.input(f"pv{i}", cache), v], name=f"v{i}", axis=2)
        scores = graph.node("FusedMatMul", [q, keys], domain=MICROSOFT, transB=1)
        shares = graph.node("Softmax", [graph.node("Add", [scores, "mask"])], axis=-1)
        mixed = graph.join_heads(graph.node("MatMul", [shares, values]), shape)
        x = graph.node("Add", [x, _linear(graph, weights, mixed, f"{layer}/self_attention/linear_1")])

        h = graph.norm(x, f"{layer}/attention/layer_norm")
        (q,) = graph.heads_of(_linear(graph, weights, h, f"{layer}/attention/linear_0", shape), 1, shape)
        shares = graph.node("Softmax", [graph.node("Add", [_scores(graph, q, i, shape), "weight"])], axis=-1)
        heads = [head for of, head in alignment_heads if of == i]
        if heads:
            attended.append(graph.node("Gather", [shares, graph.constant(heads)], axis=1))
        mixed = graph.join_heads(_mixed(graph, shares, i, shape), shape)
        x = graph.node("Add", [x, _linear(graph, weights, mixed, f"{layer}/attention/linear_2")])

        h = graph.norm(x, f"{layer}/ffn/layer_norm")
        h = graph.gelu(_linear(graph, weights, h, f"{layer}/ffn/linear_0"))
        x = graph.node("Add", [x, _linear(graph, weights, h, f"{layer}/ffn/linear_1")])
    return graph.decoder(x, attended, shape)


def _blocked_attention(graph: Graph, qkv: str, shape: Shape) -> str:
    """[1, n, 3 width] -> [1, n, width]."""
    parts = [graph.name() for _ in range(3)]
    graph.nodes.append(helper.make_node("Split", [qkv], parts, axis=-1))
    return graph.node("MultiHeadAttention", parts, domain=MICROSOFT, num_heads=shape.heads)


def _linear(graph: Graph, weights: Weights, x: str, at: str, asks: Shape | None = None) -> str:
    """With a scale for each row. ``asks``: the first outputs are queries, scaled for the heads of this shape."""
    weight, bias = (as_float(weights, f"{at}/{part}").copy() for part in ("weight", "bias"))
    if asks is not None:
        for array in (weight, bias):
            array[: asks.width] *= np.float32(asks.head_width**-0.5)
    return graph.product_by_row(x, weight, bias)


def _scores(graph: Graph, q: str, i: int, shape: Shape) -> str:
    """[B, heads, n, T]."""
    graph.input(f"ck{i}", ["B", shape.heads, shape.head_width, "T"], TensorProto.INT8)
    q = graph.node("Mul", [q, graph.input(f"ks{i}", ["B", shape.heads, 1, shape.head_width])])
    rounded, highest, step, zero = graph.rounded_by_row(q)
    inputs = [rounded, f"ck{i}", step, graph.constant(np.float32(1)), zero]
    return graph.node("Mul", [graph.node("MatMulIntegerToFloat", inputs, domain=MICROSOFT), highest])


def _mixed(graph: Graph, shares: str, i: int, shape: Shape) -> str:
    """[B, heads, n, head_width]."""
    graph.input(f"cv{i}", ["B", shape.heads, "T", shape.head_width], TensorProto.INT8)
    highest = graph.node("ReduceMax", [shares], axes=[-1], keepdims=1)
    step, zero = graph.constant(_SHARE_STEP), graph.constant(np.uint8(0))
    rounded = graph.node("QuantizeLinear", [graph.node("Div", [shares, highest]), step, zero])
    inputs = [rounded, f"cv{i}", step, graph.constant(np.float32(1)), zero]
    mixed = graph.node("Mul", [graph.node("MatMulIntegerToFloat", inputs, domain=MICROSOFT), highest])
    return graph.node("Mul", [mixed, graph.input(f"vs{i}", ["B", shape.heads, 1, shape.head_width])])


def _rounded(graph: Graph, x: str, scale: str) -> str:
    """float32 [1, heads, T, head_width] -> int8, and what to multiply it by under the name ``scale``."""
    highest = graph.node("ReduceMax", [graph.node("Abs", [x])], axes=[2], keepdims=1)
    graph.node("Add", [graph.node("Mul", [highest, graph.constant(_STEP)]), graph.constant(LEAST)], name=scale)
    return graph.node(
        "QuantizeLinear", [graph.node("Div", [x, scale]), graph.constant(np.float32(1)), graph.constant(np.int8(0))]
    )
