"""Builder of ONNX graphs for Whisper's encoder and decoder from a model's own weights, in 8 bits, without PyTorch.

The decoder's attention cache is kept outside: keys and values that were computed once are fed again as ``pk``, ``pv``.
Linear layers are int8 with a scale per output channel; activations get their scales at run time: one per tensor in the
encoder (``DynamicQuantizeMatMul``), one per row in the decoder, so that the result of a token does not depend on the
other tokens that go through with it. The encoding that the decoder attends to is in 8 bits too, with a scale per head
and channel: reading it is a large part of the decoder's work, which this cuts to a quarter.
"""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper

from stt_transcriber.engines.onnx.ct2_weights import Weights, as_float
from stt_transcriber.engines.onnx.nodes import LEAST, MICROSOFT, Graph, Shape, shape_of

_STEP = np.float32(1 / 127)
_SHARE_STEP = np.float32(1 / 255)


def encoder_graph(weights: Weights) -> bytes:
    """Build the encoder, with the keys and values of its output and of the silence after it for the decoder.

    Whisper was trained on windows of 30 s. To encode a shorter one as if silence filled the rest, each layer attends to
    the silence too: to keys and values that were computed once, from silence alone. Each head of a key has one extra
    number: the amount that is added to the scores, times the square root of the head's width. It is 0, or more for a
    position of silence that stands for several. (An operator input for such weights would disable the computation in
    blocks.)

    In: ``mel`` float32 [1, mels, 2 n]; ``bk{i}`` float32 [1, m, heads * (head_width + 1)], ``bv{i}`` float32
    [1, m, width]: silence, where i counts the encoder's layers; ``sk{i}``, ``sv{i}`` float32 [1, heads, m, head_width]:
    silence, where i counts the decoder's layers. Out: ``ek{i}``, ``ev{i}``: as ``bk{i}``, ``bv{i}``, of the window;
    ``ck{i}`` int8 [1, heads, head_width, n + m] and ``cv{i}`` int8 [1, heads, n + m, head_width], to be multiplied by
    ``ks{i}`` and ``vs{i}``, float32 [1, heads, 1, head_width]; ``fk{i}``, ``fv{i}`` float32 [1, heads, n, head_width],
    without the silence.
    """
    shape = shape_of(weights)
    graph = Graph(weights)
    x = graph.sound(shape)
    for i in range(shape.encoder_layers):
        layer = f"encoder/layer_{i}"
        h = graph.norm(x, f"{layer}/self_attention/layer_norm")
        attended = _attention_before_silence(graph, graph.rounded(h), i, shape)
        x = graph.node("Add", [x, graph.linear(attended, f"{layer}/self_attention/linear_1")])
        x = graph.feed_forward(x, layer)
    states = graph.rounded(graph.norm(x, "encoder/layer_norm"))
    for i in range(shape.decoder_layers):
        pair = graph.linear_parts(states, graph.layer(f"decoder/layer_{i}/attention/linear_1").split(2))
        for of, part in zip("kv", pair, strict=True):
            (own,) = graph.heads_of(part, 1, shape)
            silence = graph.input(f"s{of}{i}", [1, shape.heads, "m", shape.head_width])
            graph.node("Identity", [own], name=f"f{of}{i}")
            stored = _stored(graph, graph.node("Concat", [own, silence], axis=2), f"{of}s{i}")
            turned = [0, 1, 3, 2] if of == "k" else [0, 1, 2, 3]
            graph.node("Transpose", [stored], name=f"c{of}{i}", perm=turned)
            sizes: list[int | str] = [1, shape.heads, "n_and_m", shape.head_width]
            graph.output(f"f{of}{i}", [1, shape.heads, "n", shape.head_width])
            graph.output(f"{of}s{i}", [1, shape.heads, 1, shape.head_width])
            graph.output(f"c{of}{i}", [sizes[axis] for axis in turned], TensorProto.INT8)
    return graph.build("encoder")


def _attention_before_silence(graph: Graph, rounded: Sequence[str], i: int, shape: Shape) -> str:
    """Add the encoder's self-attention over the window and the silence after it: [1, n, width]."""
    asks, keys, values = graph.layer(f"encoder/layer_{i}/self_attention/linear_0").split(3)
    layers = asks.with_last(1.0, shape), keys.with_last(0.0, shape), values
    q, *own = graph.linear_parts(rounded, layers)
    seen = []
    for of, part, width in zip("kv", own, (shape.width + shape.heads, shape.width), strict=True):
        graph.node("Identity", [part], name=f"e{of}{i}")
        graph.output(f"e{of}{i}", [1, "n", width])
        seen.append(graph.node("Concat", [part, graph.input(f"b{of}{i}", [1, "m", width])], axis=1))
    # This operator computes in blocks that fit the processor's caches, however long the window.
    sizes = {"num_heads": shape.heads, "scale": shape.head_width**-0.5}
    return graph.node("MultiHeadAttention", [q, *seen], domain=MICROSOFT, **sizes)


def decoder_graph(weights: Weights, alignment_heads: list[tuple[int, int]]) -> bytes:
    """Build the decoder without its vocabulary.

    In: ``x`` float32 [B, n, width]: embedded tokens with their positions; ``mask`` float32 [B, 1, n, past + n], added
    to the scores; ``weight`` float32 [B, 1, 1, T], added to the scores over the encoding; ``pk{i}``, ``pv{i}`` float32
    [B, heads, past, head_width]; ``ck{i}``, ``cv{i}``, ``ks{i}``, ``vs{i}`` as returned by the encoder, for a batch of
    B. Out: ``states`` float32 [B, n, width]; ``attention`` float32 [B, n, T], mean over the alignment heads; ``k{i}``,
    ``v{i}`` of past and new tokens.
    """
    shape = shape_of(weights)
    graph = Graph(weights)
    x = graph.tokens(shape)
    attended: list[str] = []
    for i in range(shape.decoder_layers):
        layer = f"decoder/layer_{i}"
        cache: list[int | str] = ["B", shape.heads, "past", shape.head_width]
        h = graph.norm(x, f"{layer}/self_attention/layer_norm")
        qkv = graph.linear(h, f"{layer}/self_attention/linear_0", shape, by_row=True)
        q, k, v = graph.heads_of(qkv, 3, shape)
        keys = graph.node("Concat", [graph.input(f"pk{i}", cache), k], name=f"k{i}", axis=2)
        values = graph.node("Concat", [graph.input(f"pv{i}", cache), v], name=f"v{i}", axis=2)
        shares = graph.shares(graph.node("FusedMatMul", [q, keys], domain=MICROSOFT, transB=1), "mask")
        mixed = graph.join_heads(graph.node("MatMul", [shares, values]), shape)
        x = graph.node("Add", [x, graph.linear(mixed, f"{layer}/self_attention/linear_1", by_row=True)])

        h = graph.norm(x, f"{layer}/attention/layer_norm")
        (q,) = graph.heads_of(graph.linear(h, f"{layer}/attention/linear_0", shape, by_row=True), 1, shape)
        shares = graph.shares(_scores(graph, q, i, shape), "weight")
        heads = [head for of, head in alignment_heads if of == i]
        if heads:
            attended.append(graph.node("Gather", [shares, graph.constant(heads)], axis=1))
        mixed = graph.join_heads(_mixed(graph, shares, i, shape), shape)
        x = graph.node("Add", [x, graph.linear(mixed, f"{layer}/attention/linear_2", by_row=True)])
        x = graph.feed_forward(x, layer, by_row=True)
    return graph.decoder(x, attended, shape)


def words_graph(weights: Weights, end: int, never: Sequence[int]) -> bytes:
    """Build the graph from the decoder's states to the text tokens 0…``end``, except those that are ``never`` chosen.

    In: ``states`` float32 [m, width]; ``count`` int64 [1]; ``asked`` int64 [k]. Out: ``logprobs`` float32 [m, count],
    in descending order, of the ``tokens`` int64 [m, count]; ``highest`` float32 [m, 1]: the score of the first of them;
    ``answers`` float32 [m, k]: log-probabilities of the tokens ``asked``.
    """
    shape = shape_of(weights)
    graph = Graph(weights)
    graph.input("states", ["m", shape.width])
    graph.input("count", [1], TensorProto.INT64)
    graph.input("asked", ["k"], TensorProto.INT64)
    bias = np.zeros(end + 1, np.float32)
    bias[[token for token in never if token <= end]] = -np.inf
    scores = graph.product_by_row("states", as_float(weights, "decoder/projection/weight")[: end + 1], bias)
    shares = graph.node("LogSoftmax", [scores], axis=-1)
    graph.nodes.append(helper.make_node("TopK", [shares, "count"], ["logprobs", "tokens"], axis=-1))
    graph.node("ReduceMax", [scores], name="highest", axes=[1], keepdims=1)
    graph.node("Gather", [shares, "asked"], name="answers", axis=1)
    graph.output("answers", ["m", "k"])
    graph.output("logprobs", ["m", "count"])
    graph.output("tokens", ["m", "count"], TensorProto.INT64)
    graph.output("highest", ["m", 1])
    return graph.build("words")


def marks_graph(weights: Weights, end: int) -> bytes:
    """Build the graph for the scores of the tokens after ``end``, which are not text.

    These are languages, tasks, no speech and timestamps. In: ``states`` float32 [m, width]. Out: ``scores`` float32
    [m, vocabulary - end - 1].
    """
    shape = shape_of(weights)
    graph = Graph(weights)
    graph.input("states", ["m", shape.width])
    graph.product("states", as_float(weights, "decoder/projection/weight")[end + 1 :], name="scores")
    graph.output("scores", ["m", shape.vocabulary - end - 1])
    return graph.build("marks")


def _scores(graph: Graph, q: str, i: int, shape: Shape) -> str:
    """Add the attention scores over the encoding: [B, heads, n, T]."""
    graph.input(f"ck{i}", ["B", shape.heads, shape.head_width, "T"], TensorProto.INT8)
    q = graph.node("Mul", [q, graph.input(f"ks{i}", ["B", shape.heads, 1, shape.head_width])])
    rounded, highest, step, zero = graph.rounded_by_row(q)
    inputs = [rounded, f"ck{i}", step, graph.constant(np.float32(1)), zero]
    return graph.node("Mul", [graph.node("MatMulIntegerToFloat", inputs, domain=MICROSOFT), highest])


def _mixed(graph: Graph, shares: str, i: int, shape: Shape) -> str:
    """Add the encoding's values mixed by ``shares``: [B, heads, n, head_width]."""
    graph.input(f"cv{i}", ["B", shape.heads, "T", shape.head_width], TensorProto.INT8)
    highest = graph.node("ReduceMax", [shares], axes=[-1], keepdims=1)
    step, zero = graph.constant(_SHARE_STEP), graph.constant(np.uint8(0))
    rounded = graph.node("QuantizeLinear", [graph.node("Div", [shares, highest]), step, zero])
    inputs = [rounded, f"cv{i}", step, graph.constant(np.float32(1)), zero]
    mixed = graph.node("Mul", [graph.node("MatMulIntegerToFloat", inputs, domain=MICROSOFT), highest])
    return graph.node("Mul", [mixed, graph.input(f"vs{i}", ["B", shape.heads, 1, shape.head_width])])


def _stored(graph: Graph, x: str, scale: str) -> str:
    """Quantise float32 [1, heads, T, head_width] to int8; the factor to multiply it by is named ``scale``."""
    highest = graph.node("ReduceMax", [graph.node("Abs", [x])], axes=[2], keepdims=1)
    graph.node("Add", [graph.node("Mul", [highest, graph.constant(_STEP)]), graph.constant(LEAST)], name=scale)
    return graph.node(
        "QuantizeLinear", [graph.node("Div", [x, scale]), graph.constant(np.float32(1)), graph.constant(np.int8(0))]
    )
