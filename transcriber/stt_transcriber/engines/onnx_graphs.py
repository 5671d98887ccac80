"""Builds ONNX graphs of Whisper's encoder and decoder from a model's own weights, in 8 bits, without PyTorch.

The decoder keeps its attention cache outside: what went through once goes in again as ``pk``, ``pv``. Linear layers are
int8 with a scale per output channel; activations get theirs at run time, one per tensor (``DynamicQuantizeMatMul``).
"""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper

from stt_transcriber.engines.ct2_weights import Weights, as_float
from stt_transcriber.engines.onnx_nodes import Graph, shape_of


def encoder_graph(weights: Weights) -> bytes:
    """The encoder, and what the decoder's attention makes of its output.

    In: ``mel`` float32 [1, mels, 2 n]. Out: ``ck{i}`` float32 [1, heads, head_width, n] and ``cv{i}`` float32
    [1, heads, n, head_width], i counting the decoder's layers.
    """
    shape = shape_of(weights)
    graph = Graph(weights)
    x = graph.sound(shape)
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
    graph = Graph(weights)
    x = graph.tokens(shape)
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
    return graph.decoder(x, attended, shape)


def words_graph(weights: Weights, end: int, never: Sequence[int], *, by_row: bool = False) -> bytes:
    """From the decoder's states to the tokens of a text, 0…``end``, but for those that are ``never`` chosen.

    In: ``states`` float32 [m, width]; ``count`` int64 [1]. Out: ``logprobs`` float32 [m, count], falling, of the
    ``tokens`` int64 [m, count]; ``highest`` float32 [m, 1]: the score of the first of them. ``by_row``: what comes of a
    row hangs on no other.
    """
    shape = shape_of(weights)
    graph = Graph(weights)
    graph.input("states", ["m", shape.width])
    graph.input("count", [1], TensorProto.INT64)
    bias = np.zeros(end + 1, np.float32)
    bias[[token for token in never if token <= end]] = -np.inf
    product = graph.product_by_row if by_row else graph.product
    scores = product("states", as_float(weights, "decoder/projection/weight")[: end + 1], bias)
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
    graph = Graph(weights)
    graph.input("states", ["m", shape.width])
    graph.product("states", as_float(weights, "decoder/projection/weight")[end + 1 :], name="scores")
    graph.output("scores", ["m", shape.vocabulary - end - 1])
    return graph.build("marks")
