"""A network in 8 bits computes what it does in float32, nearly."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from stt_transcriber.speakers.int8 import Ranges, in_int8

pytestmark = pytest.mark.unit

Floats = NDArray[np.float32]
CHANNELS = 8


def network() -> ModelProto:
    """A block of a residual network: the sum of its input and two convolutions of it, between two others."""
    random = np.random.default_rng(1)
    kernels = {"w0": 1, "w1": CHANNELS, "w2": CHANNELS, "w3": CHANNELS}
    constants = [
        numpy_helper.from_array(random.normal(0, 0.15, (CHANNELS, inputs, 3, 3)).astype(np.float32), name)
        for name, inputs in kernels.items()
    ]
    constants += [
        numpy_helper.from_array(random.normal(0, 0.1, CHANNELS).astype(np.float32), name.replace("w", "b"))
        for name in kernels
    ]

    def convolution(source: str, layer: int, result: str, stride: int = 1) -> Any:
        inputs = [source, f"w{layer}", f"b{layer}"]
        return helper.make_node("Conv", inputs, [result], pads=[1] * 4, kernel_shape=[3, 3], strides=[stride] * 2)

    nodes = [
        convolution("sound", 0, "first"),
        helper.make_node("Relu", ["first"], ["input"]),
        convolution("input", 1, "inner"),
        helper.make_node("Relu", ["inner"], ["inner_relu"]),
        convolution("inner_relu", 2, "change"),
        helper.make_node("Add", ["change", "input"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["output"]),
        convolution("output", 3, "last", stride=2),
        helper.make_node("Sin", ["last"], ["result"]),
    ]
    graph = helper.make_graph(
        nodes,
        "block",
        [helper.make_tensor_value_info("sound", TensorProto.FLOAT, [1, 1, 20, 30])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, None)],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def run(model: ModelProto, sound: Floats, *names: str) -> list[Floats]:
    model = ModelProto.FromString(model.SerializeToString())
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(names or None, {"sound": sound}))


@pytest.fixture(scope="module")
def sound() -> Floats:
    return np.random.default_rng(2).standard_normal((1, 1, 20, 30)).astype(np.float32)


@pytest.fixture(scope="module")
def ranges(sound: Floats) -> Ranges:
    names = ["input", "inner_relu", "change", "output", "last"]
    tensors = run(network(), sound, *names)
    return {name: (min(0.0, float(x.min())), float(x.max())) for name, x in zip(names, tensors, strict=True)}


def test_what_is_computed_in_8_bits_is_nearly_what_float32_gives(sound: Floats, ranges: Ranges) -> None:
    small = in_int8(network(), ranges)
    assert [node.op_type for node in small.graph.node] == [
        *("Conv", "Relu", "QuantizeLinear"),
        *("QLinearConv", "QLinearConv", "QLinearAdd", "QLinearConv"),
        *("DequantizeLinear", "Sin"),
    ]
    (exact,), (found,) = run(network(), sound), run(small, sound)
    assert np.corrcoef(exact.ravel(), found.ravel())[0, 1] > 0.999
    assert np.abs(exact - found).max() < 0.1 * np.abs(exact).max()


def test_without_ranges_nothing_changes(sound: Floats) -> None:
    (exact,), (found,) = run(network(), sound), run(in_int8(network(), {}), sound)
    assert exact.tobytes() == found.tobytes()


def test_sums_of_the_greatest_numbers_do_not_overflow() -> None:
    loud = np.ones((1, 1, 20, 30), np.float32)
    model = network()
    for tensor in model.graph.initializer:
        value = np.zeros if tensor.name.startswith("b") else np.ones
        tensor.CopyFrom(numpy_helper.from_array(value(tuple(tensor.dims), np.float32) / 9, tensor.name))
    names = ["input", "inner_relu", "change", "output", "last"]
    tensors = dict(zip(names, run(model, loud, *names), strict=True))
    small = in_int8(model, {name: (0.0, float(tensor.max())) for name, tensor in tensors.items()})
    (found,) = run(small, loud, "last")
    assert found == pytest.approx(tensors["last"], rel=0.03, abs=0.03 * float(tensors["last"].max()))
