"""Typed views of a session's hash. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, UnsetType

from stt_shared.contracts.session import AUDIO_RATE_HZ, SessionConfig, TakeoverState
from stt_shared.redis.pipeline import Argument
from stt_shared.streams.ownership import Standing

MAX_PCM_LOG_SAMPLES = 90 * AUDIO_RATE_HZ
"""Uncommitted audio in a PCM log at which the audio-processor has to wait. It is far more than the longest utterance
(30 s) and the silence that ends it (5 s), so a session that waits for the end of an utterance never has a full log."""
LOG_ENTRY_BYTES = 100
"""Bytes that each log entry counts in addition to its audio, so that entries without audio are bounded too."""

_decode_config = msgspec.json.Decoder(SessionConfig).decode
_decode_takeover_state = msgspec.json.Decoder(TakeoverState).decode


@dataclass(frozen=True)
class SessionState:
    """Fields of a session's hash; positions are those of docs/architecture.md.

    ``showing``: channels with a current partial, None for that of mixed ones. ``start_samples``: position at which this
    epoch's audio begins. ``voices``: what ``Commit.voices`` stored last. ``resume_token``: its hash. ``decoder``: the
    audio-processor's position; ``is_decoded``: the PCM log has its last frame. ``key_id``: the key with which the
    session was opened, '' without one. ``resume_window_s``: how long it waits for its client once its gateway is dead.
    """

    epoch: str
    config: SessionConfig
    state: str
    audio_seq: int
    pcm_seq: int
    consumed_seq: int
    event: int
    showing: frozenset[int | None]
    finals: int
    start_samples: int
    committed_samples: int
    committed_seq: int
    context: TakeoverState
    voices: bytes
    resume_token: str
    decoder: "DecoderPosition"
    is_decoded: bool
    key_id: str
    resume_window_s: float

    @classmethod
    def read(cls, fields: Mapping[bytes, bytes]) -> "SessionState":
        """Parse the hash written by open.lua. Raises KeyError or msgspec.DecodeError on any other hash."""

        def number(name: bytes) -> int:
            return int(fields.get(name, b"0"))

        return cls(
            epoch=fields[b"epoch"].decode(),
            config=_decode_config(fields[b"config"]),
            state=fields[b"state"].decode(),
            audio_seq=number(b"audio_seq"),
            pcm_seq=number(b"pcm_seq"),
            consumed_seq=number(b"consumed_seq"),
            event=number(b"event"),
            showing=_showing(fields),
            finals=number(b"finals"),
            start_samples=number(b"start_samples"),
            committed_samples=number(b"committed_samples"),
            committed_seq=number(b"committed_seq"),
            context=_decode_takeover_state(fields.get(b"context") or b"{}"),
            voices=fields.get(b"voices", b""),
            resume_token=fields.get(b"resume_token", b"").decode(),
            decoder=DecoderPosition(
                pcm_samples=int(fields.get(b"pcm_samples", fields.get(b"start_samples", b"0"))),
                consumed_bytes=number(b"consumed_bytes"),
                restart=fields.get(b"restart"),
                restart_head=fields.get(b"restart_head"),
            ),
            is_decoded=b"pcm_ended" in fields,
            key_id=fields.get(b"key_id", b"").decode(),
            resume_window_s=float(fields.get(b"resume_window_s", b"0")),
        )


def partial_field(channel: int | UnsetType) -> str:
    """Return the field of the hash that holds the event number of a channel's current partial."""
    return "partial" if channel is UNSET else f"partial:{channel}"


def _showing(fields: Mapping[bytes, bytes]) -> frozenset[int | None]:
    named = [name.decode().partition(":") for name in fields if name.partition(b":")[0] == b"partial"]
    return frozenset(int(channel) if channel else None for _, _, channel in named)


@dataclass(frozen=True)
class DecoderPosition:
    """Position of a session's decoder, which is written together with each frame of the PCM log.

    The PCM log ends at ``pcm_samples``; the ingest frames that are decoded end after ``consumed_bytes`` of the
    session's audio. ``restart`` and ``restart_head``: opaque state with which another decoder can begin; None: none, or
    unchanged.
    """

    pcm_samples: int
    consumed_bytes: int
    restart: bytes | None = None
    restart_head: bytes | None = None

    def fields(self) -> dict[str, Argument]:
        """Return the fields of the hash that hold this position."""
        fields: dict[str, Argument] = {"pcm_samples": self.pcm_samples, "consumed_bytes": self.consumed_bytes}
        if self.restart is not None:
            fields["restart"] = self.restart
        if self.restart_head is not None:
            fields["restart_head"] = self.restart_head
        return fields


@dataclass(frozen=True)
class SessionProgress:
    """Position of each stage of a session. ``is_stopped``: the client has ended its audio."""

    standing: Standing
    audio_seq: int
    consumed_seq: int
    pcm_seq: int
    pcm_samples: int
    committed_seq: int
    committed_samples: int
    is_stopped: bool

    @property
    def positions(self) -> tuple[int, int, int]:
        """Positions that advance as long as the session's workers make progress."""
        return self.consumed_seq, self.pcm_seq, self.committed_seq

    @property
    def is_pcm_log_full(self) -> bool:
        """Whether append_frame.lua would find the PCM log full."""
        waiting_samples = max(0, self.pcm_samples - self.committed_samples)
        waiting_bytes = 2 * waiting_samples + LOG_ENTRY_BYTES * (self.pcm_seq - self.committed_seq)
        return waiting_bytes >= 2 * MAX_PCM_LOG_SAMPLES


def past_crashes(fields: Mapping[bytes, bytes], stage: str, progress_field: str) -> list[str]:
    """Return the workers that died of a session according to its hash, if it has made no progress since.

    See count_crash.lua.
    """
    if fields.get(f"crashed_at:{stage}".encode(), b"") != fields.get(progress_field.encode(), b""):
        return []
    return fields.get(f"crashed:{stage}".encode(), b"").decode().split()
