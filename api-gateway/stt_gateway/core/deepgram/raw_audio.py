"""Bare samples in a request for a file: what they are, and the WAV header that says so to whoever decodes them."""

import struct
from dataclasses import dataclass

from stt_gateway.core.deepgram.parameters import Fields, not_allowed

_FORMATS = {"linear16": (1, 2), "linear32": (3, 4), "mulaw": (7, 1), "alaw": (6, 1)}
"""Format tag of WAV and bytes of a sample."""
_CONTAINERS = ("flac", "amr-nb", "amr-wb", "opus", "ogg-opus", "speex")
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_MOST = 2**32 - 1


@dataclass(frozen=True)
class RawAudio:
    """Bare samples, interleaved. ``format_tag``: as in WAV."""

    format_tag: int
    sample_bytes: int
    rate_hz: int
    channels: int

    def header(self, body_bytes: int) -> bytes:
        """Return the header of a WAV file with so many bytes of samples."""
        frame, size = self.sample_bytes * self.channels, min(body_bytes, _MOST - _HEADER.size)
        layout = (self.format_tag, self.channels, self.rate_hz, self.rate_hz * frame, frame, self.sample_bytes * 8)
        return _HEADER.pack(b"RIFF", size + _HEADER.size - 8, b"WAVE", b"fmt ", 16, *layout, b"data", size)


def raw_audio(fields: Fields) -> RawAudio | None:
    """Return the bare samples that a request announces; None: its body says itself what it is.

    Raises SttError bad_config.
    """
    encoding = fields.single.get("encoding", "").lower()
    if encoding and encoding not in (*_FORMATS, *_CONTAINERS):
        raise not_allowed("encoding", encoding, f"one of {', '.join((*_FORMATS, *_CONTAINERS))}")
    default_hz = 8000 if encoding in ("mulaw", "alaw") else 16_000
    rate_hz = fields.number("sample_rate", 4000, 384_000) or default_hz
    channels = fields.number("channels", 1, 8) or 1
    if encoding not in _FORMATS:
        return None
    tag, sample_bytes = _FORMATS[encoding]
    return RawAudio(tag, sample_bytes, int(rate_hz), int(channels))
