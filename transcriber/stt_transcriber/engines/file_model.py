"""Whisper on ONNX Runtime for files: what comes of a window hangs on no other that is decoded with it, and many cost
less each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from stt_transcriber.engines.ct2_weights import Weights
from stt_transcriber.engines.file_graphs import decoder_graph, encoder_graph
from stt_transcriber.engines.onnx_graphs import words_graph
from stt_transcriber.engines.onnx_model import NEVER, Batch, Encoding, Floats, OnnxWhisper, new_session
from stt_transcriber.engines.onnx_nodes import Shape
from stt_transcriber.engines.window import MAX_POSITIONS

_LANES = 64
"""Rows of attention are padded to so many, or multiples: a processor adds up in lanes, and a row's numbers must fall
into the same ones, to the last bit, however long the rows beside it are."""


@dataclass(frozen=True)
class FileEncoding(Encoding):
    """``keys`` and ``values`` are int8, to be multiplied by ``key_scales`` and ``value_scales``, float32 [1, heads, 1,
    head_width] per layer."""

    key_scales: list[Floats]
    value_scales: list[Floats]


def encoding_bytes(shape: Shape) -> int:
    """What the decoder sees of the longest window takes."""
    return 2 * shape.decoder_layers * shape.width * MAX_POSITIONS


class FileWhisper(OnnxWhisper):
    """See ``OnnxWhisper``."""

    def _sessions(
        self, weights: Weights, heads: list[tuple[int, int]], end: int, never: Sequence[int], threads: int
    ) -> tuple[onnxruntime.InferenceSession, ...]:
        words = words_graph(weights, end, never, by_row=True)
        graphs = encoder_graph(weights), decoder_graph(weights, heads), words
        # Windows are long, and nearly all of one length: fresh memory for each would cost more than the work in it.
        return tuple(new_session(graph, threads, arena=True) for graph in graphs)

    def _project_silence(self, window: Floats) -> list[Floats]:
        layers = range(self.shape.decoder_layers)
        nothing = np.zeros((1, self.shape.heads, 0, self.shape.head_width), np.float32)
        feed = {"mel": self._mel(window)} | {f"s{of}{i}": nothing for of in "kv" for i in layers}
        outputs: list[Floats] = self._encoder.run([f"f{of}{i}" for of in "kv" for i in layers], feed)
        return outputs

    def encode(self, samples: Floats, pad_s: float, tail: int) -> FileEncoding:
        """See ``OnnxWhisper``."""
        window, positions, behind, weight = self._laid_out(samples, pad_s, tail)
        layers = self.shape.decoder_layers
        feed = {"mel": self._mel(window)}
        for i in range(layers):
            feed[f"sk{i}"], feed[f"sv{i}"] = self._silence[i][:, :, behind], self._silence[layers + i][:, :, behind]
        names = [f"{part}{i}" for part in ("ck", "cv", "ks", "vs") for i in range(layers)]
        out: list[Any] = self._encoder.run(names, feed)
        keys, values, key_scales, value_scales = (out[at : at + layers] for at in range(0, 4 * layers, layers))
        return FileEncoding(keys, values, weight, positions, key_scales, value_scales)

    def batch(self, encodings: Sequence[Encoding]) -> "FileBatch":
        """See ``OnnxWhisper``."""
        return FileBatch(self, encodings)


class FileBatch(Batch):
    """Windows that come to their ends one by one."""

    def _encoded(self, encodings: Sequence[Encoding]) -> dict[str, Any]:
        longest = -(-max(len(encoding.weight) for encoding in encodings) // _LANES) * _LANES
        weight = np.full((len(encodings), 1, 1, longest), NEVER, np.float32)
        feed: dict[str, Any] = {"weight": weight}
        shape = self._model.shape
        for i in range(shape.decoder_layers):
            feed[f"ck{i}"] = np.zeros((len(encodings), shape.heads, shape.head_width, longest), np.int8)
            feed[f"cv{i}"] = np.zeros((len(encodings), shape.heads, longest, shape.head_width), np.int8)
            for part in ("ks", "vs"):
                feed[f"{part}{i}"] = np.zeros((len(encodings), shape.heads, 1, shape.head_width), np.float32)
        for row, encoding in enumerate(encodings):
            assert isinstance(encoding, FileEncoding)
            count = len(encoding.weight)
            weight[row, 0, 0, :count] = encoding.weight
            for i in range(shape.decoder_layers):
                feed[f"ck{i}"][row, :, :, :count], feed[f"cv{i}"][row, :, :count] = encoding.keys[i], encoding.values[i]
                feed[f"ks{i}"][row], feed[f"vs{i}"][row] = encoding.key_scales[i], encoding.value_scales[i]
        return feed

    def drop(self, row: int) -> None:
        """This window is over; the last one takes its row."""
        for name, stacked in self._feed.items():
            if name not in ("x", "mask"):
                last = len(stacked) - 1
                if row < last:
                    stacked[row] = stacked[last]
                self._feed[name] = stacked[:last]
