"""Audio frames in Redis, from the gateway to the audio-processor and from there to the transcriber.

A frame is sent twice with the same content: its JSON form is published on a channel (with base64, for live readers),
and its binary form is an entry of the channel's log (for readers that missed it).
"""

import enum
from collections.abc import Mapping

import msgspec

from stt_shared.contracts.session import VocabularyUpdate

LARGE_FRAME_BYTES = 32_768
"""Most data of a frame that is published itself; of a larger one only a notice is. All sessions of a replica share one
subscriber, which Redis disconnects when too much is published to it."""


class FrameKind(enum.StrEnum):
    """Kind of a frame: audio, or a request to the stage that reads it. All kinds keep their order in the audio."""

    AUDIO = "audio"
    FINALIZE = "finalize"  # end the current utterance here
    IDLE = "idle"  # the client sends no audio: same as finalize, but not requested
    CONFIGURE = "configure"  # the vocabulary of the utterances that begin from here on
    STOP = "stop"  # the last frame; flush and reply with `done`


class StreamError(msgspec.Struct, frozen=True):
    """Reason why a session's audio ended early. ``code``: one of contracts/errors.py."""

    code: str
    message: str


class FrameMeta(msgspec.Struct, frozen=True, omit_defaults=True):
    """Metadata of a frame. ``received_ms`` and ``sent_ms`` are wall-clock times in milliseconds since 1970."""

    received_ms: float = 0.0  # the gateway received the last byte of this audio
    start_sample: int = 0  # PCM log only: position of the first sample in the session's audio, at 16 kHz
    queue_ms: float = 0.0  # PCM log only: duration from gateway to decoder
    decode_ms: float = 0.0  # PCM log only: duration inside the decoder
    sent_ms: float = 0.0  # PCM log only: handed to Redis
    error: StreamError | None = None  # STOP in the PCM log only: why the audio ended early
    channels: tuple[int, ...] = ()  # PCM log only: channels that are interleaved in the audio, (): mixed to one
    vocabulary: VocabularyUpdate | None = None  # CONFIGURE only


class Frame(msgspec.Struct, frozen=True):
    """One entry of an audio log.

    ``data`` is what the client sent (ingest log) or 16 kHz s16le samples (PCM log); empty unless AUDIO.
    ``seq`` counts from 1 without holes, per log.
    """

    seq: int
    kind: FrameKind
    data: bytes = b""
    meta: FrameMeta = FrameMeta()

    def published(self, session_id: str) -> bytes:
        """Return the JSON form: ``{"session_id", "seq", "kind", "pcm": base64, …meta}``.

        Of a large frame, and of one with a vocabulary, it is the notice that the frame is in the log: ``logged_seq``
        instead of ``seq``, which is 0 so that readers of an older version skip it.
        """
        meta = self.meta
        if len(self.data) > LARGE_FRAME_BYTES or meta.vocabulary is not None:
            return _encode(_Published(session_id, 0, self.kind, b"", logged_seq=self.seq))
        return _encode(
            _Published(
                session_id,
                self.seq,
                self.kind,
                self.data,
                meta.received_ms,
                meta.start_sample,
                meta.queue_ms,
                meta.decode_ms,
                meta.sent_ms,
                meta.error,
                channels=meta.channels,
            )
        )

    def packed_meta(self) -> bytes:
        """Return the metadata as encoded in a log entry."""
        return _encode(self.meta)


class IngestPosition(msgspec.Struct, frozen=True):
    """Client chunks that are in the ingest log: all up to ``seq``, and ``next_bytes`` of the chunk after it.

    ``total_bytes``: bytes of all of them.
    """

    seq: int = 0
    next_bytes: int = 0
    total_bytes: int = 0

    def packed(self) -> str:
        """Encode the position for the session's hash."""
        return f"{self.seq}:{self.next_bytes}:{self.total_bytes}"

    @classmethod
    def parsed(cls, packed: bytes) -> "IngestPosition":
        """Decode a position encoded by ``packed``."""
        seq, of_next, total = packed.split(b":")
        return cls(int(seq), int(of_next), int(total))


INGEST_START = IngestPosition()


class _Published(msgspec.Struct, omit_defaults=True):
    """Flat JSON form, encoded in one pass because the audio is longer than everything else."""

    session_id: str
    seq: int
    kind: FrameKind
    pcm: bytes
    received_ms: float = 0.0
    start_sample: int = 0
    queue_ms: float = 0.0
    decode_ms: float = 0.0
    sent_ms: float = 0.0
    error: StreamError | None = None
    logged_seq: int = 0
    channels: tuple[int, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode_published = msgspec.json.Decoder(_Published).decode
_decode_meta = msgspec.json.Decoder(FrameMeta).decode


def frame_from_published(payload: bytes) -> tuple[int, Frame | None]:
    """Decode the output of ``Frame.published``: a number and its frame, or None if the frame is only in the log.

    Raises msgspec.DecodeError on anything else.
    """
    published = _decode_published(payload)
    if published.logged_seq:
        return published.logged_seq, None
    meta = FrameMeta(
        published.received_ms,
        published.start_sample,
        published.queue_ms,
        published.decode_ms,
        published.sent_ms,
        published.error,
        published.channels,
    )
    return published.seq, Frame(published.seq, published.kind, published.pcm, meta)


def frame_from_entry(seq: int, fields: Mapping[bytes, bytes]) -> Frame:
    """Decode a log entry written by append_frame.lua."""
    return Frame(seq, FrameKind(fields[b"kind"].decode()), fields.get(b"data", b""), _decode_meta(fields[b"meta"]))
