"""Whisper on ONNX Runtime for files: what comes of a window hangs on no other that is decoded with it, and many cost
less each."""

from collections.abc import Sequence

from stt_transcriber.engines.onnx.model import Batch, Encoding, OnnxWhisper
from stt_transcriber.engines.onnx.nodes import Shape
from stt_transcriber.engines.window import MAX_POSITIONS


def encoding_bytes(shape: Shape) -> int:
    """What the decoder sees of the longest window takes."""
    return 2 * shape.decoder_layers * shape.width * MAX_POSITIONS


class FileWhisper(OnnxWhisper):
    """See ``OnnxWhisper``."""

    # Windows are long, and nearly all of one length: fresh memory for each would cost more than the work in it.
    _arena = True

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
