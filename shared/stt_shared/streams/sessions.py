"""State of sessions: typed atomic functions. The header of each .lua file documents its keys, arguments and replies.

Every write names the epoch that its caller assumes and, when the caller owns a stage, its fence. Redis refuses outdated
writes in the same step, so a replica that was frozen and wakes up cannot change anything.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from stt_shared.contracts.events import Event, Final, encode_event
from stt_shared.contracts.frames import Frame, IngestPosition
from stt_shared.contracts.session import AUDIO_RATE_HZ, TakeoverState, encode_json
from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.pipeline import Argument, Pipeline
from stt_shared.streams import keys
from stt_shared.streams.keys import StreamKeys
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.streams.reader import LogReader, RawEvent, audio_reader, event_reader, pcm_reader
from stt_shared.streams.scripts import script

MAX_INGEST_LOG_BYTES = 8 * 1024**2
"""Undecoded bytes in an ingest log, in any encoding, at which the gateway has to wait."""
MAX_PCM_LOG_SAMPLES = 90 * AUDIO_RATE_HZ
"""Uncommitted audio in a PCM log at which the audio-processor has to wait. It is far more than the longest utterance
(30 s) and the silence that ends it (5 s), so a session that waits for the end of an utterance never has a full log."""
LOG_ENTRY_BYTES = 100
"""Bytes that each log entry counts in addition to its audio, so that entries without audio are bounded too."""
MAX_EVENTS_KEPT = 512
"""Approximate number of events that a client can catch up on."""


def pcm_log_is_full(pcm_seq: int, pcm_samples: int, committed_seq: int, committed_samples: int) -> bool:
    """Return whether append_frame.lua would find the PCM log full, given the fields of the session's hash."""
    waiting_bytes = 2 * max(0, pcm_samples - committed_samples) + LOG_ENTRY_BYTES * (pcm_seq - committed_seq)
    return waiting_bytes >= 2 * MAX_PCM_LOG_SAMPLES


@dataclass(frozen=True)
class Commit:
    """A new committed position: audio before ``samples`` and frames up to ``seq`` may be discarded."""

    samples: int
    seq: int
    context: TakeoverState


@dataclass(frozen=True)
class StartPosition:
    """Start of a session that continues after its keys were lost.

    ``event``, ``finals``: numbers of the newest event and final that the client has. ``committed_samples``: position up
    to which those finals cover the audio. ``start_samples``: position of the first sample that the client sends.
    """

    event: int = 0
    finals: int = 0
    committed_samples: int = 0
    start_samples: int = 0


SESSION_START = StartPosition()


@dataclass(frozen=True)
class Hold:
    """Seconds after its last write for which an active session's id is refused to others.

    ``with_audio_s`` applies once the session has received audio, ``without_audio_s`` before.
    """

    with_audio_s: float = 0
    without_audio_s: float = 0


NO_HOLD = Hold()


@dataclass(frozen=True)
class OpenedSession:
    """A session's new epoch. ``replaces``: the epoch that it replaced, None for none."""

    fence: int
    replaces: str | None


@dataclass(frozen=True)
class AttachedSession:
    """A session that a new connection resumes."""

    fence: int
    epoch: str
    config: bytes
    audio_seq: int
    held: IngestPosition
    stopped: bool


class AttachRefusal(enum.StrEnum):
    """Reason why a session cannot be resumed."""

    GONE = "gone"  # there is no session with that id
    OTHER = "other"  # the token belongs to another session
    BEHIND = "behind"  # Redis has an older state than the client


_RESULTS = {result.value.encode(): result for result in WriteResult}


class SessionStreams:
    """State and logs of live sessions."""

    def __init__(self, pipeline: Pipeline, channels: ChannelHub) -> None:
        self._pipeline = pipeline
        self._channels = channels
        self._publish = channels.publish_command
        self._open = script("open")
        self._attach = script("attach")
        self._leave = script("leave")
        self._append = script("append_frame")
        self._emit = script("emit_event")
        self._claim = script("claim")
        self._release = script("release")
        self._count_crash = script("count_crash")

    async def open(
        self,
        at: StreamKeys,
        epoch: str,
        config: bytes,
        now_ms: float,
        ttl_s: int,
        *,
        token_hash: str = "",
        beginning: StartPosition = SESSION_START,
        hold: Hold = NO_HOLD,
    ) -> OpenedSession | None:
        """Open a session under a new epoch; None when its id is in use by a session with another token.

        ``token_hash``: hash of the token that the session can be resumed with. ``hold``: how long a session that
        already has the id keeps it.
        """
        answer: list[Any] = await self._pipeline.call(
            self._open,
            [at.state, at.audio_log, at.pcm_log, at.results_log],
            [
                epoch,
                config,
                int(now_ms),
                ttl_s,
                token_hash,
                beginning.event,
                beginning.finals,
                beginning.committed_samples,
                beginning.start_samples,
                hold.with_audio_s,
                hold.without_audio_s,
            ],
        )
        if answer[0] != b"ok":
            return None
        _, earlier, fence = answer
        return OpenedSession(int(fence), earlier.decode() or None)

    async def attach(
        self, at: StreamKeys, token_hash: str, *, finals: int, committed_samples: int, ttl_s: int
    ) -> AttachedSession | AttachRefusal:
        """Make a new connection the only one that may write.

        ``finals``, ``committed_samples``: newest final and committed position that its client has.
        """
        answer: list[Any] = await self._pipeline.call(
            self._attach, [at.state], [token_hash, finals, committed_samples, ttl_s]
        )
        if answer[0] != b"ok":
            return AttachRefusal(answer[0].decode())
        _, fence, epoch, config, audio_seq, held, stopped, state = answer
        over = bool(stopped) or state == b"done"
        return AttachedSession(int(fence), epoch.decode(), config, int(audio_seq), IngestPosition.parsed(held), over)

    async def leave(self, owner: Ownership, *, forget: bool) -> bool:
        """Free the session's id for the gateway; ``forget`` deletes the session.

        Returns False when the session belongs to another connection.
        """
        at = owner.keys
        return bool(
            await self._pipeline.call(
                self._leave,
                [at.state, at.audio_log, at.pcm_log, at.results_log],
                [owner.epoch, owner.fence, "1" if forget else ""],
            )
        )

    async def fields(self, at: StreamKeys, *names: str) -> list[bytes | None]:
        """Return fields of the session's or job's hash, None for each that does not exist."""
        values: list[bytes | None] = await self._pipeline.command("HMGET", at.state, *names)
        return values

    async def all_fields(self, at: StreamKeys) -> dict[bytes, bytes]:
        """Return the session's or job's hash; empty when there is none."""
        answer: Any = await self._pipeline.command("HGETALL", at.state)
        # RESP3 has a map; a script's reply (redis/cluster_pipeline.py) is a list.
        return answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))

    async def has_worker(self, at: StreamKeys, stage: str) -> bool:
        """Return whether the stage has an owner with a current heartbeat."""
        (owner,) = await self.fields(at, f"owner:{stage}")
        return bool(owner and await self._pipeline.command("EXISTS", keys.replica_alive(owner.decode())))

    def read_audio(self, at: StreamKeys, position: int) -> LogReader[Frame]:
        """Return a reader of the ingest frames after ``position``."""
        return audio_reader(self._pipeline, self._channels, at, position)

    def read_pcm(self, at: StreamKeys, position: int) -> LogReader[Frame]:
        """Return a reader of the 16 kHz frames after ``position``."""
        return pcm_reader(self._pipeline, self._channels, at, position)

    def read_events(self, at: StreamKeys, epoch: str, position: int) -> LogReader[RawEvent]:
        """Return a reader of the events of ``epoch`` after number ``position``."""
        return event_reader(self._pipeline, self._channels, at, epoch, position)

    async def append_audio(
        self,
        owner: Ownership,
        frame: Frame,
        held: IngestPosition | None = None,
        *,
        max_bytes: int = MAX_INGEST_LOG_BYTES,
    ) -> WriteResult:
        """Append a frame of the client's audio to the ingest log, for the gateway.

        ``frame.seq`` counts from 1 without holes. ``held``: the client chunks that are in the log including this frame.
        Returns FULL when ``max_bytes`` wait to be decoded.
        """
        at = owner.keys
        return await self._append_frame(
            owner,
            "audio_seq",
            at.audio_log,
            at.audio,
            at.audio_log,
            frame,
            position_bytes=held.total_bytes - len(frame.data) if held else 0,
            max_bytes=max_bytes,
            consumed=0,
            held=held,
        )

    async def append_pcm(
        self,
        owner: Ownership,
        frame: Frame,
        *,
        consumed: int,
        keep_from: int = 0,
        fields: Mapping[str, Argument] | None = None,
        max_samples: int = MAX_PCM_LOG_SAMPLES,
    ) -> WriteResult:
        """Append a 16 kHz frame to the PCM log, for the audio-processor.

        Ingest frames up to ``consumed`` are then done; those before ``keep_from`` (0: the one after ``consumed``) are
        not needed by the next owner either and are trimmed. ``fields`` are set in the session's hash in the same step.
        Returns FULL when ``max_samples`` wait to be committed.
        """
        at = owner.keys
        return await self._append_frame(
            owner,
            "pcm_seq",
            at.pcm_log,
            at.pcm,
            at.audio_log,
            frame,
            position_bytes=2 * frame.meta.start_sample,
            max_bytes=2 * max_samples,
            consumed=consumed,
            keep_from=keep_from,
            fields=fields or {},
        )

    async def _append_frame(
        self,
        owner: Ownership,
        position: str,
        log: str,
        channel: str,
        source_log: str,
        frame: Frame,
        *,
        position_bytes: int,
        max_bytes: int,
        consumed: int,
        held: IngestPosition | None = None,
        keep_from: int = 0,
        fields: Mapping[str, Argument] = MappingProxyType({}),
    ) -> WriteResult:
        answer: list[Any] = await self._pipeline.call(
            self._append,
            [owner.keys.state, log, channel, source_log],
            [
                owner.epoch,
                owner.stage,
                owner.fence,
                position,
                frame.seq,
                frame.kind.value,
                frame.data,
                frame.packed_meta(),
                frame.published(owner.keys.id),
                max_bytes,
                keys.SESSION_TTL_S,
                consumed,
                self._publish,
                held.packed() if held else "",
                keep_from,
                position_bytes,
                LOG_ENTRY_BYTES,
                *(part for field in fields.items() for part in field),
            ],
        )
        return _RESULTS[answer[0]]

    async def emit(self, owner: Ownership, event: Event, commit: Commit | None = None) -> tuple[WriteResult, int]:
        """Number, log and publish ``event``; with ``commit``, also move the committed position.

        Returns the write's result and the event's number.
        """
        utterance = event.utterance if isinstance(event, Final) else 0
        kind = str(type(event).__struct_config__.tag)
        return await self._emit_event(owner, encode_event(event), kind, utterance, commit)

    async def commit(self, owner: Ownership, commit: Commit) -> WriteResult:
        """Move the committed position across audio that needs no event: silence."""
        written, _ = await self._emit_event(owner, b"", "", 0, commit)
        return written

    async def _emit_event(
        self, owner: Ownership, body: bytes, kind: str, utterance: int, commit: Commit | None
    ) -> tuple[WriteResult, int]:
        at = owner.keys
        answer: list[Any] = await self._pipeline.call(
            self._emit,
            [at.state, at.results_log, at.results, at.pcm_log, at.audio_log],
            [
                owner.epoch,
                owner.stage,
                owner.fence,
                body,
                kind,
                utterance,
                commit.samples if commit else -1,
                commit.seq if commit else 0,
                encode_json(commit.context) if commit else b"{}",
                keys.SESSION_TTL_S,
                MAX_EVENTS_KEPT,
                self._publish,
            ],
        )
        return _RESULTS[answer[0]], int(answer[1])

    async def claim(
        self, at: StreamKeys, epoch: str, stage: str, replica: str, follows: str = "", *, name: bytes = b""
    ) -> Ownership | None:
        """Make ``replica`` the owner of the stage after ``follows`` ('' = nobody).

        Returns None when the work has ended or has another owner. A claim with a ``name`` may be repeated, which
        happens when its reply is lost.
        """
        answer: list[Any] = await self._pipeline.call(self._claim, [at.state], [epoch, stage, replica, follows, name])
        return Ownership(at, epoch, stage, int(answer[1])) if answer[0] == b"ok" else None

    async def release(self, owner: Ownership) -> bool:
        """Release a stage so that another replica can claim it; ``owner`` can write no more.

        Returns False when ``owner`` had already lost the stage.
        """
        return bool(
            await self._pipeline.call(self._release, [owner.keys.state], [owner.epoch, owner.stage, owner.fence])
        )

    async def count_crash(
        self,
        at: StreamKeys,
        epoch: str,
        part: str,
        dead_replica: str,
        *,
        progress_field: str = "-",
        blamed: bool = True,
    ) -> list[str]:
        """Count the death of ``dead_replica``, which had this part of a job, or stage of a session, in hand.

        Returns the workers that died of it since it last made progress. The death is not counted unless ``blamed``; see
        work/crash_guard.py.
        """
        answer: bytes = await self._pipeline.call(
            self._count_crash, [at.state], [epoch, part, dead_replica, progress_field, int(blamed)]
        )
        return answer.decode().split()
