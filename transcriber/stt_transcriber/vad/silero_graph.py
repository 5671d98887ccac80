"""Silero's network as matrix products: five windows take half the time that its file takes.

The file consists of convolutions, for which ONNX Runtime rearranges the data of every window and multiplies one window
at a time, five columns wide. Here each convolution is one product over all windows of a call. A window's result depends
on the other windows of the call only through the state that is passed on.
"""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from stt_transcriber.engines.onnx.nodes import Graph

_HOP = 128
_MIRRORED = 64
"""Samples appended to a window for the last spectrum: the window's own end, reversed."""
_BINS = 129
_SPECTRA = 4
"""Spectra per window; one begins at every hop, and each spans two hops."""
_WIDTH = 128
"""Size of each half of the state."""
_END = np.iinfo(np.int64).max


def silero_graph(path: Path) -> bytes:
    """Build the network of Silero's file (version 6, 16 kHz) with the same inputs and outputs.

    Inputs: ``input`` float32 [n, 64 + 512], each window after the end of the previous one; ``h``, ``c`` float32
    [1, 1, 128]. Outputs: ``speech_probs`` float32 [n, 1]; ``hn``, ``cn`` like ``h``, ``c``. Raises OSError when the
    file cannot be read, KeyError for another file.
    """
    weights = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    graph = Graph({})
    graph.input("input", ["n", _SPECTRA * _HOP + _MIRRORED])
    graph.input("h", [1, 1, _WIDTH])
    graph.input("c", [1, 1, _WIDTH])
    x = _magnitudes(graph, weights["encoder.feature_extractor.forward_basis_buffer"][:, 0])
    for layer, stride in enumerate((1, 2, 2, 1)):
        weight, bias = (weights[f"encoder.conv_layers.{layer}.{part}"] for part in ("weight", "bias"))
        x = _convolution(graph, x, weight, bias, stride)
    states = graph.name()
    lstm = [weights[f"onnx::LSTM_{number}"] for number in (209, 210, 211)]
    inputs = [x, *map(graph.constant, lstm), "", "h", "c"]
    graph.nodes.append(helper.make_node("LSTM", inputs, [states, "hn", "cn"], hidden_size=_WIDTH))
    features = graph.node("Reshape", [graph.node("Relu", [states]), graph.constant([-1, _WIDTH])])
    weight, bias = (weights[f"decoder.conv1d.{part}"] for part in ("weight", "bias"))
    score = graph.node("Gemm", [features, graph.constant(weight[:, :, 0].T), graph.constant(bias)])
    graph.node("Sigmoid", [score], name="speech_probs")
    graph.output("speech_probs", ["n", 1])
    graph.output("hn", [1, 1, _WIDTH])
    graph.output("cn", [1, 1, _WIDTH])
    return graph.build("silero")


def _magnitudes(graph: Graph, basis: NDArray[np.float32]) -> str:
    """Add the spectra's magnitudes, [n, spectra, bins]; ``basis`` float32 [2 * bins, 2 hops]: cosines, then sines."""
    mirrored = _slice(graph, "input", 1, -2, -2 - _MIRRORED, -1)
    hops = graph.node("Concat", ["input", mirrored], axis=1)
    hops = graph.node("Reshape", [hops, graph.constant([-1, _SPECTRA + 1, _HOP])])
    frames = graph.node("Concat", [_slice(graph, hops, 1, first, first + _SPECTRA) for first in (0, 1)], axis=2)
    parts = [graph.node("MatMul", [frames, graph.constant(part.T)]) for part in (basis[:_BINS], basis[_BINS:])]
    power = graph.node("Add", [graph.node("Mul", [part, part]) for part in parts])
    return graph.node("Sqrt", [power])


def _convolution(graph: Graph, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32], stride: int) -> str:
    """Add a convolution and Relu, [n, frames, in] -> [n, frames / stride, out].

    ``weight``: float32 [out, in, 3], centred on a frame. One matrix over all frames, mostly zeros, would need no
    slices, but is four times as much memory to read.
    """
    padded = graph.node("Pad", [x, graph.constant([0, 1, 0, 0, 1, 0])])
    taps = [_slice(graph, padded, 1, tap, tap - 2 or _END, stride) for tap in range(3)]
    rows = graph.node("Concat", taps, axis=2)
    matrix = weight.transpose(2, 1, 0).reshape(-1, len(weight))
    return graph.node(
        "Relu", [graph.node("Add", [graph.node("MatMul", [rows, graph.constant(matrix)]), graph.constant(bias)])]
    )


def _slice(graph: Graph, x: str, axis: int, begin: int, end: int, step: int = 1) -> str:
    return graph.node("Slice", [x, *(graph.constant([number]) for number in (begin, end, axis, step))])
