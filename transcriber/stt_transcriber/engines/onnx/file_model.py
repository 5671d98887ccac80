"""Whisper on ONNX Runtime for files.

The result of a window does not depend on the others that are decoded with it, and the cost per window falls with their
number.
"""

from collections.abc import Sequence

from stt_transcriber.engines.onnx.model import Batch, Encoding, OnnxWhisper
from stt_transcriber.engines.onnx.nodes import Shape
from stt_transcriber.engines.window import MAX_POSITIONS


def encoding_bytes(shape: Shape) -> int:
    """Return the size of the longest window's encoding."""
    return 2 * shape.decoder_layers * shape.width * MAX_POSITIONS


class FileWhisper(OnnxWhisper):
    """Model for files; see ``OnnxWhisper``."""

    # Windows are long, and nearly all of one length: allocating memory for each would cost more than the work in it.
    _arena = True

    def batch(self, encodings: Sequence[Encoding]) -> "FileBatch":
        """Start decoding windows together; see ``OnnxWhisper``."""
        return FileBatch(self, encodings)


class FileBatch(Batch):
    """Windows decoded together that finish one by one."""

    # A processor adds up in lanes. A sequence's numbers must fall into the same lanes, for results that are equal to
    # the last bit, however long the other sequences are.
    lanes = 64

    def drop(self, row: int) -> None:
        """Remove a finished window; the last one takes its row."""
        for name, stacked in self._feed.items():
            if name not in ("x", "mask"):
                last = len(stacked) - 1
                if row < last:
                    stacked[row] = stacked[last]
                self._feed[name] = stacked[:last]
