"""The atomic functions, typed. Each .lua file names its keys, arguments and answers in its head.

Every write names the epoch it believes in and, from an owner of a stage, the fence it was given; Redis refuses what
is outdated in the same step, so a replica that was frozen and wakes up can change nothing.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

from redis.asyncio import Redis

from stt_shared.contracts.events import Event, Final, encode_event
from stt_shared.contracts.frames import Frame, IngestPosition
from stt_shared.contracts.session import AUDIO_RATE_HZ, TakeoverState, encode_json
from stt_shared.redis.cluster import as_cluster
from stt_shared.redis.cluster_pipeline import pipeline_for
from stt_shared.redis.pipeline import Argument, LuaFunction
from stt_shared.streams import keys
from stt_shared.streams.conversations import ConversationStreams
from stt_shared.streams.jobs import JobStreams
from stt_shared.streams.keys import StreamKeys

MAX_INGEST_LOG_BYTES = 8 * 1024**2
"""Undecoded bytes in an ingest log before the gateway has to wait, whatever they are."""
MAX_PCM_LOG_SAMPLES = 90 * AUDIO_RATE_HZ
"""Unsettled audio in a PCM log before the audio-processor has to wait. Far more than the longest utterance (30 s) with
the silence that ends it (5 s): the log of a session that waits for the end of an utterance is never full."""
LOG_ENTRY_BYTES = 100
"""What each entry of a log counts for beside its audio, so that empty ones are bounded too."""
MAX_EVENTS_KEPT = 512
"""Events a client can catch up on."""


def pcm_log_is_full(pcm_seq: int, pcm_samples: int, committed_seq: int, committed_samples: int) -> bool:
    """As append_frame.lua sees it, from the fields of the session's hash."""
    waiting_bytes = 2 * max(0, pcm_samples - committed_samples) + LOG_ENTRY_BYTES * (pcm_seq - committed_seq)
    return waiting_bytes >= 2 * MAX_PCM_LOG_SAMPLES


class WriteResult(enum.StrEnum):
    """How a write ended."""

    OK = "ok"
    DUPLICATE = "duplicate"  # had been written before: as good as OK
    HOLE = "hole"  # an earlier one is missing
    FULL = "full"  # wait and try again
    FENCED = "fenced"  # somebody else owns this stage now
    GONE = "gone"  # the session has ended, or begun anew under another epoch


_WRITTEN = {written.value.encode(): written for written in WriteResult}


@dataclass(frozen=True)
class Ownership:
    """The right to write for one stage of one session or job. ``stage`` '' has no owner, and needs no fence."""

    keys: StreamKeys
    epoch: str
    stage: str = ""
    fence: int = 0


@dataclass(frozen=True)
class Commit:
    """Audio before ``samples`` is settled and may be forgotten, frames up to ``seq`` with it."""

    samples: int
    seq: int
    context: TakeoverState


@dataclass(frozen=True)
class StartPosition:
    """What a session begins with that goes on after its keys were lost: the newest event and the finals that the client
    has, the position up to which they settle its audio, and the position of the first sample that comes."""

    event: int = 0
    finals: int = 0
    committed_samples: int = 0
    start_samples: int = 0


SESSION_START = StartPosition()


@dataclass(frozen=True)
class Hold:
    """For how many seconds after its last write an active session keeps its id from others: once it has had audio, and
    before."""

    with_audio_s: float = 0
    without_audio_s: float = 0


NO_HOLD = Hold()


@dataclass(frozen=True)
class OpenedSession:
    """A new epoch. ``replaces``: the epoch that stood there, None for none."""

    fence: int
    replaces: str | None


@dataclass(frozen=True)
class AttachedSession:
    """A session that another connection goes on with."""

    fence: int
    epoch: str
    config: bytes
    audio_seq: int
    held: IngestPosition
    stopped: bool


class AttachRefusal(enum.StrEnum):
    """Why a session cannot be gone on with."""

    GONE = "gone"  # there is none of that id
    OTHER = "other"  # the token is not that session's
    BEHIND = "behind"  # Redis knows less than the client


class SessionStreams:
    """Atomic writes to the keys of sessions and jobs."""

    def __init__(self, client: Redis, *, sharded: bool = False) -> None:
        self._client = client
        self._lane = pipeline_for(client)
        self._publish = "SPUBLISH" if sharded or as_cluster(client) else "PUBLISH"
        self._open = _function("open")
        self._attach = _function("attach")
        self._leave = _function("leave")
        self._append = _function("append_frame")
        self._emit = _function("emit_event")
        self._claim = _function("claim")
        self._release = _function("release")
        self._count_crash = _function("count_crash")
        self.jobs = JobStreams(self._lane)
        """Those that only jobs have."""
        self.conversations = ConversationStreams(client, self._lane, self._publish)

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
        """Starts a session afresh; None: its id is in use, and the token is another's. ``token_hash``: of the token
        that the session can be resumed with. ``hold``: of a session that has the id already."""
        answer: list[Any] = await self._lane.call(
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
        """Makes a new connection the only one that writes. ``finals``, ``committed_samples``: what its client has."""
        answer: list[Any] = await self._lane.call(
            self._attach, [at.state], [token_hash, finals, committed_samples, ttl_s]
        )
        if answer[0] != b"ok":
            return AttachRefusal(answer[0].decode())
        _, fence, epoch, config, audio_seq, held, stopped, state = answer
        over = bool(stopped) or state == b"done"
        return AttachedSession(int(fence), epoch.decode(), config, int(audio_seq), IngestPosition.parsed(held), over)

    async def leave(self, owner: Ownership, *, forget: bool) -> bool:
        """Gateway: frees the session's id; ``forget`` deletes the session. False: it is another connection's."""
        at = owner.keys
        return bool(
            await self._lane.call(
                self._leave,
                [at.state, at.audio_log, at.pcm_log, at.results_log],
                [owner.epoch, owner.fence, "1" if forget else ""],
            )
        )

    async def publish(self, channel: str, payload: bytes) -> None:
        """A message for those who listen now; kept by nobody."""
        if self._publish == "SPUBLISH":
            await self._client.spublish(channel, payload)
        else:
            await self._client.publish(channel, payload)

    async def fields(self, at: StreamKeys, *names: str) -> list[bytes | None]:
        """Fields of the session's or job's hash."""
        values: list[bytes | None] = await self._lane.command("HMGET", at.state, *names)
        return values

    async def has_worker(self, at: StreamKeys, stage: str) -> bool:
        """The stage has an owner that shows signs of life."""
        (owner,) = await self.fields(at, f"owner:{stage}")
        return bool(owner and await self._client.exists(keys.replica_alive(owner.decode())))

    async def append_audio(
        self,
        owner: Ownership,
        frame: Frame,
        held: IngestPosition | None = None,
        *,
        max_bytes: int = MAX_INGEST_LOG_BYTES,
    ) -> WriteResult:
        """Gateway: appends what the client sent. ``frame.seq`` counts from 1 without holes; ``held``: what of the
        client's chunks is in the log with it. FULL when ``max_bytes`` wait to be decoded."""
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
        """Audio-processor: appends 16 kHz frames. Ingest frames up to ``consumed`` are then done; those before
        ``keep_from`` (0: the one after ``consumed``) are needed by no successor either and go. ``fields`` are set in
        the session's hash in the same step. FULL when ``max_samples`` wait to be settled."""
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
        answer: list[Any] = await self._lane.call(
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
        return _WRITTEN[answer[0]]

    async def emit(self, owner: Ownership, event: Event, commit: Commit | None = None) -> tuple[WriteResult, int]:
        """Gives ``event`` its number, keeps and publishes it; with ``commit`` moves the committed position too."""
        utterance = event.utterance if isinstance(event, Final) else 0
        kind = str(type(event).__struct_config__.tag)
        return await self._emit_event(owner, encode_event(event), kind, utterance, commit)

    async def commit(self, owner: Ownership, commit: Commit) -> WriteResult:
        """Moves the committed position through audio that needs no event: silence."""
        written, _ = await self._emit_event(owner, b"", "", 0, commit)
        return written

    async def _emit_event(
        self, owner: Ownership, body: bytes, kind: str, utterance: int, commit: Commit | None
    ) -> tuple[WriteResult, int]:
        at = owner.keys
        answer: list[Any] = await self._lane.call(
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
        return _WRITTEN[answer[0]], int(answer[1])

    async def claim(
        self, at: StreamKeys, epoch: str, stage: str, replica: str, follows: str = "", *, name: bytes = b""
    ) -> Ownership | None:
        """Makes ``replica`` the owner after ``follows`` ('' = nobody). None: ended, or somebody else's. A claim
        with a ``name`` may be repeated, as happens when its answer is lost."""
        answer: list[Any] = await self._lane.call(self._claim, [at.state], [epoch, stage, replica, follows, name])
        return Ownership(at, epoch, stage, int(answer[1])) if answer[0] == b"ok" else None

    async def release(self, owner: Ownership) -> bool:
        """Gives a stage up for another to claim: ``owner`` can write no more. False when it could not already."""
        return bool(await self._lane.call(self._release, [owner.keys.state], [owner.epoch, owner.stage, owner.fence]))

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
        """``dead_replica`` died with this part of a job, or stage of a session, in hand: the workers that did, since it
        last got on. Not counted unless ``blamed``; see work/crash_guard.py."""
        answer: bytes = await self._lane.call(
            self._count_crash, [at.state], [epoch, part, dead_replica, progress_field, int(blamed)]
        )
        return answer.decode().split()


def _function(name: str) -> LuaFunction:
    return LuaFunction.of(resources.files("stt_shared.streams").joinpath(f"scripts/{name}.lua").read_text())
