"""How far a session is at this stage, as it stands in its hash: written together with every PCM frame, so that whoever
takes the session over begins exactly there."""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from stt_audio.codecs.restart_points import Checkpoint, Point
from stt_audio.codecs.sniff import Media
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.frames import Frame
from stt_shared.redis.pipeline import Argument

ENDED: Mapping[str, Argument] = {"pcm_ended": 1}
"""What is set with the last PCM frame."""


class _Restart(msgspec.Struct, frozen=True, omit_defaults=True):
    """The decoder when frame ``consumed_seq`` of the audio log was done: the checkpoint but for its head, which is long
    and seldom changes. ``seq`` 0: no other decoder can get there."""

    seq: int
    skip_bytes: int
    samples_done: int
    lead: bytes = b""
    media: str = ""
    source_samples: int = 0
    samples: int = 0


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Restart).decode


class Progress(msgspec.Struct, frozen=True):
    """``consumed_seq``: last frame of the audio log that was decoded; it ends after ``consumed_bytes`` of the session's
    audio. All that came of it, up to ``done_samples``, is in the PCM log, and perhaps a part of the next: up to
    ``written_samples``."""

    consumed_seq: int = 0
    consumed_bytes: int = 0
    done_samples: int = 0
    written_samples: int = 0
    ended: bool = False
    restart: _Restart | None = None
    head: bytes = b""

    @classmethod
    def read(cls, fields: Mapping[bytes, bytes]) -> "Progress":
        """From the session's hash."""
        restart = _decode(fields[b"restart"]) if b"restart" in fields else None
        start_samples = int(fields.get(b"start_samples", b"0"))
        return cls(
            consumed_seq=int(fields.get(b"consumed_seq", b"0")),
            consumed_bytes=int(fields.get(b"consumed_bytes", b"0")),
            done_samples=restart.samples_done if restart else start_samples,
            written_samples=int(fields.get(b"pcm_samples", start_samples)),
            ended=b"pcm_ended" in fields,
            restart=restart,
            head=fields.get(b"restart_head", b""),
        )

    @property
    def keep_from(self) -> int:
        """First frame of the audio log that a successor needs."""
        return self.restart.seq if self.restart and self.restart.seq else self.consumed_seq + 1

    @property
    def skip_bytes(self) -> int:
        """Bytes of that frame that come before the decoder's beginning."""
        return self.restart.skip_bytes if self.restart else 0

    def checkpoint(self) -> Checkpoint | None:
        """Where a decoder begins; None for the beginning of the session. Raises SttError when there is no place."""
        restart = self.restart
        if restart is None:
            return None
        if restart.seq == 0:
            raise SttError(
                "internal", "the decoder was lost, and the stream has no place near its end where another can begin"
            )
        media = Media(restart.media) if restart.media else None
        return Checkpoint(Point(0, self.head, restart.lead), media, restart.source_samples, restart.samples)

    def at(self, consumed: Frame, done_samples: int, seq: int, skip_bytes: int, found: Checkpoint | None) -> "Progress":
        """After frame ``consumed``; a successor begins ``skip_bytes`` within frame ``seq``, as ``found`` says."""
        consumed_bytes = self.consumed_bytes + len(consumed.data)
        if found is None:
            return replace(
                self,
                consumed_seq=consumed.seq,
                consumed_bytes=consumed_bytes,
                done_samples=done_samples,
                restart=_Restart(0, 0, done_samples),
                head=b"",
            )
        restart = _Restart(
            seq,
            skip_bytes,
            done_samples,
            found.point.lead,
            found.media or "",
            found.source_samples,
            found.samples,
        )
        return replace(
            self,
            consumed_seq=consumed.seq,
            consumed_bytes=consumed_bytes,
            done_samples=done_samples,
            restart=restart,
            head=found.point.head,
        )

    def fields(self, written_samples: int, known_head: bytes) -> dict[str, Argument]:
        """What is set in the hash with a PCM frame that ends at ``written_samples``."""
        fields: dict[str, Argument] = {"pcm_samples": written_samples, "consumed_bytes": self.consumed_bytes}
        if self.restart is not None:
            fields["restart"] = _encode(self.restart)
        if self.head != known_head:
            fields["restart_head"] = self.head
        return fields
