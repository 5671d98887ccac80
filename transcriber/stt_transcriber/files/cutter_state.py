"""State of a file's cutters for the next owner, as stored in the job's hash: some 5 KB for each channel that is kept
apart, and where the language is detected the newest seconds of voice, or the first chunks."""

from collections.abc import Sequence

import msgspec

from stt_transcriber.core.files.cutter import ChunkCutter, CutterState
from stt_transcriber.vad.models import VadModel


class _Kept(msgspec.Struct, frozen=True):
    """Stored state; ``voice``: the kind of VAD model, ``memory``: that model's state."""

    cutter: CutterState
    voice: str
    memory: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept | list[_Kept]).decode  # an older version stores that of its one cutter


def packed(cutters: Sequence[ChunkCutter], voices: Sequence[VadModel]) -> bytes:
    """Serialize the states of the cutters and their VAD models."""
    pairs = zip(cutters, voices, strict=True)
    return _encode([_Kept(cutter.state(), type(voice).__name__, voice.state()) for cutter, voice in pairs])


def restore(state: bytes, cutters: Sequence[ChunkCutter], voices: Sequence[VadModel]) -> None:
    """Restore new cutters and new VAD models from the result of ``packed``.

    Raises msgspec.DecodeError for anything else. A VAD model of another kind starts without state, since it has not
    processed the earlier audio.
    """
    decoded = _decode(state)
    all_kept = [decoded] if isinstance(decoded, _Kept) else decoded
    for kept, cutter, voice in zip(all_kept, cutters, voices, strict=True):
        cutter.restore(kept.cutter)
        if kept.voice == type(voice).__name__:
            voice.restore(kept.memory)
