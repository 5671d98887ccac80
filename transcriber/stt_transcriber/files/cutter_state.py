"""What a file's cutter leaves to its successor, as it lies in the job's hash: some 5 KB, and the audio of chunks
that are held until the language is known."""

import msgspec

from stt_transcriber.core.files.cutter import ChunkCutter, CutterState
from stt_transcriber.vad.models import VadModel


class _Kept(msgspec.Struct, frozen=True):
    """``voice``: the kind of voice model, ``memory``: its own."""

    cutter: CutterState
    voice: str
    memory: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


def packed(cutter: ChunkCutter, voice: VadModel) -> bytes:
    """The state of both."""
    return _encode(_Kept(cutter.state(), type(voice).__name__, voice.state()))


def restore(state: bytes, cutter: ChunkCutter, voice: VadModel) -> None:
    """Puts both, which are fresh, where ``packed`` left them. Raises msgspec.DecodeError on anything else.

    Another kind of voice model than the one before begins anew: it has nothing to remember of what it did not hear.
    """
    kept = _decode(state)
    cutter.restore(kept.cutter)
    if kept.voice == type(voice).__name__:
        voice.restore(kept.memory)
