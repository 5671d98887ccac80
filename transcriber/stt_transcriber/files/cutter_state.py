"""State of a file's cutter for the next owner, as stored in the job's hash: some 5 KB, and the audio of chunks that
are held until the language is known."""

import msgspec

from stt_transcriber.core.files.cutter import ChunkCutter, CutterState
from stt_transcriber.vad.models import VadModel


class _Kept(msgspec.Struct, frozen=True):
    """Stored state; ``voice``: the kind of VAD model, ``memory``: that model's state."""

    cutter: CutterState
    voice: str
    memory: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


def packed(cutter: ChunkCutter, voice: VadModel) -> bytes:
    """Serialize the state of the cutter and the VAD model."""
    return _encode(_Kept(cutter.state(), type(voice).__name__, voice.state()))


def restore(state: bytes, cutter: ChunkCutter, voice: VadModel) -> None:
    """Restore a new cutter and a new VAD model from the result of ``packed``.

    Raises msgspec.DecodeError for anything else. A VAD model of another kind starts without state, since it has not
    processed the earlier audio.
    """
    kept = _decode(state)
    cutter.restore(kept.cutter)
    if kept.voice == type(voice).__name__:
        voice.restore(kept.memory)
