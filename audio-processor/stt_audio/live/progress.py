"""Progress of a session at this stage, stored in its hash. It is written together with every PCM frame, so that a
replica that takes the session over begins exactly there."""

import msgspec
from msgspec.structs import replace

from stt_audio.codecs.formats import Media
from stt_audio.codecs.restart_points import Checkpoint, Point
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.frames import Frame
from stt_shared.streams.session_state import DecoderPosition, SessionState


class _Restart(msgspec.Struct, frozen=True, omit_defaults=True):
    """State of the decoder after frame ``consumed_seq`` of the ingest log: the checkpoint without its head, which is
    long and seldom changes. ``seq`` 0: no other decoder can reach this state."""

    seq: int
    skip_bytes: int
    samples_done: int
    lead: bytes = b""
    media: str = ""
    source_samples: int = 0
    samples: int = 0
    state: tuple[float, ...] = ()
    follows: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Restart).decode


class Progress(msgspec.Struct, frozen=True):
    """Progress of one session.

    ``consumed_seq``: last frame of the ingest log that was decoded; it ends after ``consumed_bytes`` of the session's
    audio. Its decoded audio, up to ``done_samples``, is in the PCM log, and perhaps a part of the next frame's: up to
    ``written_samples``.
    """

    consumed_seq: int = 0
    consumed_bytes: int = 0
    done_samples: int = 0
    written_samples: int = 0
    ended: bool = False
    restart: _Restart | None = None
    head: bytes = b""

    @classmethod
    def read(cls, state: SessionState) -> "Progress":
        """Return the progress according to the session's hash."""
        decoder = state.decoder
        restart = _decode(decoder.restart) if decoder.restart is not None else None
        return cls(
            consumed_seq=state.consumed_seq,
            consumed_bytes=decoder.consumed_bytes,
            done_samples=restart.samples_done if restart else state.start_samples,
            written_samples=decoder.pcm_samples,
            ended=state.is_decoded,
            restart=restart,
            head=decoder.restart_head or b"",
        )

    @property
    def keep_from(self) -> int:
        """First frame of the ingest log that the next owner needs."""
        return self.restart.seq if self.restart and self.restart.seq else self.consumed_seq + 1

    @property
    def skip_bytes(self) -> int:
        """Bytes of frame ``keep_from`` before the place where the decoder begins."""
        return self.restart.skip_bytes if self.restart else 0

    def checkpoint(self) -> Checkpoint | None:
        """Return where a decoder begins; None for the beginning of the session. Raises SttError when it cannot."""
        restart = self.restart
        if restart is None:
            return None
        if restart.seq == 0:
            raise SttError(
                "internal", "the decoder was lost, and the stream has no place near its end where another can begin"
            )
        media = Media(restart.media) if restart.media else None
        return Checkpoint(
            Point(0, self.head, restart.lead),
            media,
            restart.source_samples,
            restart.samples,
            restart.state,
            restart.follows,
        )

    def at(self, consumed: Frame, done_samples: int, seq: int, skip_bytes: int, found: Checkpoint | None) -> "Progress":
        """Return the progress after frame ``consumed``.

        The next owner begins ``skip_bytes`` within frame ``seq``, at checkpoint ``found``; None when no decoder can
        reach this state again.
        """
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
            found.state,
            found.follows,
        )
        return replace(
            self,
            consumed_seq=consumed.seq,
            consumed_bytes=consumed_bytes,
            done_samples=done_samples,
            restart=restart,
            head=found.point.head,
        )

    def position(self, written_samples: int, known_head: bytes) -> DecoderPosition:
        """Return what to write with a PCM frame that ends at ``written_samples``; a head that is known is left out."""
        return DecoderPosition(
            written_samples,
            self.consumed_bytes,
            _encode(self.restart) if self.restart is not None else None,
            self.head if self.head != known_head else None,
        )
