"""Reader for the weights of a model in CTranslate2's format, without any other part of CTranslate2.

The file (little-endian): u32 version; text: name of the specification; u32 revision; u32 count, then per variable text:
name, u8 rank, u32 per dimension, u8 type, u32 bytes, data; u32 count, then per alias two texts: alias, variable. A text
is a u16 length, which includes the terminating zero, followed by its bytes.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_SPECIFICATION = "WhisperSpec"
_OLDEST_VERSION = 4  # from this version on a variable's size is in bytes

Weights = Mapping[str, NDArray[Any]]
"""Variables by name, as stored: float16, float32, or int8 next to ``<name>_scale``."""


class WeightsError(Exception):
    """Error for a file that is not a Whisper model of CTranslate2's; the message reports what was found."""


def read_weights(path: Path) -> Weights:
    """Return all variables of a ``model.bin``, mapped from the file, not copied. Raises WeightsError and OSError."""
    try:
        return _Reader(np.memmap(path, np.uint8, "r")).weights()
    except ValueError as error:
        raise WeightsError(f"{path} is damaged, or no model of CTranslate2's: {error}") from error


def as_float(weights: Weights, name: str) -> NDArray[np.float32]:
    """Return one variable as float32, rescaled if it is stored as int8 (one scale per row, or one for all)."""
    stored = weights[name]
    scale = weights.get(f"{name}_scale")
    if stored.dtype == np.int8 and scale is not None:
        return (
            stored.astype(np.float32) / (scale.reshape(-1, *[1] * (stored.ndim - 1)) if scale.ndim else scale)
        ).astype(np.float32)
    return stored.astype(np.float32)


class _Reader:
    def __init__(self, data: NDArray[np.uint8]) -> None:
        self._data = data
        self._at = 0

    def weights(self) -> dict[str, NDArray[Any]]:
        version = self._number("<I")
        specification = self._text()
        if version < _OLDEST_VERSION or specification != _SPECIFICATION:
            raise ValueError(f"version {version} of {specification!r}, not {_SPECIFICATION}")
        self._number("<I")
        variables = dict(self._variable() for _ in range(self._number("<I")))
        for _ in range(self._number("<I")):
            alias = self._text()
            named = self._text()
            if named not in variables:
                raise ValueError(f"{alias!r} stands for {named!r}, which is not there")
            variables[alias] = variables[named]
        return variables

    def _variable(self) -> tuple[str, NDArray[Any]]:
        name = self._text()
        shape = [self._number("<I") for _ in range(self._number("<B"))]
        kind = self._number("<B")
        if kind not in _TYPES:
            raise ValueError(f"variable {name!r} has type {kind}")
        return name, self._bytes(self._number("<I")).view(_TYPES[kind]).reshape(shape)

    def _text(self) -> str:
        return self._bytes(self._number("<H"))[:-1].tobytes().decode()

    def _number(self, layout: str) -> int:
        value: int = struct.unpack(layout, self._bytes(struct.calcsize(layout)).tobytes())[0]
        return value

    def _bytes(self, count: int) -> NDArray[np.uint8]:
        if self._at + count > len(self._data):
            raise ValueError("it ends too early")
        self._at += count
        return self._data[self._at - count : self._at]
