"""CTranslate2's file of weights, written by hand."""

import contextlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stt_transcriber.engines.onnx.ct2_weights import WeightsError, as_float, read_weights

pytestmark = pytest.mark.unit
KINDS = {np.float32: 0, np.int8: 1, np.int16: 2, np.int32: 3, np.float16: 4}

WIDE = np.array([[0.5, -1.0, 0.25], [2.0, 0.0, -8.0]], np.float32)
STORED = np.array([[127, -64, 1], [0, 5, -127]], np.int8)
SCALE = np.array([100.0, 50.0], np.float32)
VARIABLES: dict[str, NDArray[Any]] = {
    "wide": WIDE,
    "half": WIDE.astype(np.float16),
    "stored": STORED,
    "stored_scale": SCALE,
    "whole": STORED,
    "whole_scale": np.array(20.0, np.float32),
    "convolution": np.arange(-6, 6, dtype=np.int8).reshape(2, 2, 3),
    "convolution_scale": SCALE,
    "heads": np.array(6, np.int16),
}


def text(value: str) -> bytes:
    data = value.encode() + b"\0"
    return struct.pack("<H", len(data)) + data


def variable(name: str, value: NDArray[Any]) -> bytes:
    head = text(name) + struct.pack("<B", value.ndim) + b"".join(struct.pack("<I", size) for size in value.shape)
    return head + struct.pack("<BI", KINDS[value.dtype.type], value.nbytes) + value.tobytes()


def model(version: int = 6, specification: str = "WhisperSpec") -> bytes:
    parts = [struct.pack("<I", version), text(specification), struct.pack("<II", 3, len(VARIABLES))]
    parts += [variable(name, value) for name, value in VARIABLES.items()]
    parts += [struct.pack("<I", 1), text("other name"), text("wide")]
    return b"".join(parts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "model.bin").write_bytes(model())
    return tmp_path / "model.bin"


def test_variables_come_as_they_are_stored(path: Path) -> None:
    weights = read_weights(path)
    assert set(weights) == {*VARIABLES, "other name"}
    for name, value in VARIABLES.items():
        assert weights[name].dtype == value.dtype
        assert weights[name].shape == value.shape
        assert np.array_equal(weights[name], value)
    assert int(weights["heads"]) == 6


def test_an_alias_is_the_variable_itself(path: Path) -> None:
    weights = read_weights(path)
    assert weights["other name"] is weights["wide"]


def test_nothing_is_copied_and_nothing_can_be_written(path: Path) -> None:
    wide = read_weights(path)["wide"]
    assert not wide.flags.owndata
    assert not wide.flags.writeable


def test_numbers_become_what_the_scale_makes_of_them(path: Path) -> None:
    weights = read_weights(path)
    for name in VARIABLES:
        assert as_float(weights, name).dtype == np.float32
    assert np.array_equal(as_float(weights, "wide"), WIDE)
    assert np.array_equal(as_float(weights, "half"), WIDE)
    assert np.allclose(as_float(weights, "stored"), [[1.27, -0.64, 0.01], [0.0, 0.1, -2.54]])
    assert np.allclose(as_float(weights, "whole"), STORED / 20)
    assert np.allclose(as_float(weights, "convolution")[1], np.arange(0, 6).reshape(2, 3) / 50)


def test_a_file_cut_anywhere_is_told(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    cut = tmp_path / "cut.bin"
    for length in range(1, len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"cut\.bin is damaged, or no model of CTranslate2's"):
            read_weights(cut)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (model(specification="TransformerSpec"), "'TransformerSpec', not WhisperSpec"),
        (model(version=3), "version 3"),
        (b"not a model at all, only text", "ends too early"),
        (b"\0" * 200, "version 0"),
        (b"", "empty"),
        (model().replace(struct.pack("<BI", KINDS[np.float16], 12), struct.pack("<BI", 9, 12)), "type 9"),
        (model().replace(struct.pack("<II", 2, 3), struct.pack("<II", 2, 4)), "reshape"),
        (model().replace(text("other name") + text("wide"), text("other name") + text("none")), "'none'"),
    ],
)
def test_what_is_no_whisper_model_says_what_it_is(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "model.bin").write_bytes(data)
    with pytest.raises(WeightsError, match=said):
        read_weights(tmp_path / "model.bin")


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_weights(tmp_path / "model.bin")


def test_random_bytes_never_raise_anything_else(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    whole = np.frombuffer(model(), np.uint8)
    damaged = tmp_path / "damaged.bin"
    for _ in range(200):
        data = whole.copy()
        data[random.integers(0, len(data), 3)] = random.integers(0, 256, 3)
        damaged.write_bytes(data.tobytes())
        with contextlib.suppress(WeightsError):
            read_weights(damaged)
