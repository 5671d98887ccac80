"""Whisper on ONNX Runtime for files: what comes of a window hangs on no other that is decoded with it, and many cost
less each."""

from collections.abc import Sequence

import onnxruntime

from stt_transcriber.engines.ct2_weights import Weights
from stt_transcriber.engines.onnx_graphs import decoder_graph, encoder_graph, words_graph
from stt_transcriber.engines.onnx_model import Batch, Encoding, OnnxWhisper, new_session
from stt_transcriber.engines.onnx_nodes import Shape
from stt_transcriber.engines.window import MAX_POSITIONS


def encoding_bytes(shape: Shape) -> int:
    """What the decoder sees of the longest window takes."""
    return 2 * shape.decoder_layers * shape.width * MAX_POSITIONS


class FileWhisper(OnnxWhisper):
    """See ``OnnxWhisper``."""

    def _sessions(
        self, weights: Weights, heads: list[tuple[int, int]], end: int, never: Sequence[int], threads: int
    ) -> tuple[onnxruntime.InferenceSession, ...]:
        # What a window says must not hang on those beside it.
        decoder = decoder_graph(weights, heads, by_row=True)
        graphs = encoder_graph(weights), decoder, words_graph(weights, end, never, by_row=True)
        # Windows are long, and nearly all of one length: fresh memory for each would cost more than the work in it.
        return tuple(new_session(graph, threads, arena=True) for graph in graphs)

    def batch(self, encodings: Sequence[Encoding]) -> "FileBatch":
        """See ``OnnxWhisper``."""
        return FileBatch(self, encodings)


class FileBatch(Batch):
    """Windows that come to their ends one by one."""

    # A processor adds up in lanes, and a row's numbers must fall into the same ones, to the last bit, however long the
    # rows beside it are.
    lanes = 64

    def drop(self, row: int) -> None:
        """This window is over; the last one takes its row."""
        for name, stacked in self._feed.items():
            if name not in ("x", "mask"):
                last = len(stacked) - 1
                if row < last:
                    stacked[row] = stacked[last]
                self._feed[name] = stacked[:last]
