"""State of sessions: typed atomic functions. The header of each .lua file documents its keys, arguments and replies.

Every write names the epoch that its caller assumes and, when the caller owns a stage, its fence. Redis refuses outdated
writes in the same step, so a replica that was frozen and wakes up cannot change anything.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from msgspec import UNSET

from stt_shared.contracts.events import Done, Error, Event, Final, Partial, decode_event, encode_event
from stt_shared.contracts.frames import Frame, IngestPosition
from stt_shared.contracts.session import TakeoverState, encode_json
from stt_shared.redis.channels import ChannelHub, Inbox
from stt_shared.redis.pipeline import Argument, Pipeline
from stt_shared.streams import keys
from stt_shared.streams.callbacks import CallbackQueue
from stt_shared.streams.keys import StreamKeys
from stt_shared.streams.ownership import Ownership, Standing, WriteResult
from stt_shared.streams.reader import LogReader, RawEvent, audio_reader, event_reader, pcm_reader
from stt_shared.streams.scripts import script
from stt_shared.streams.session_opening import (
    NO_HOLD,
    SESSION_START,
    AttachedSession,
    AttachRefusal,
    Hold,
    OpenedSession,
    StartPosition,
)
from stt_shared.streams.session_state import (
    LOG_ENTRY_BYTES,
    MAX_PCM_LOG_SAMPLES,
    DecoderPosition,
    SessionProgress,
    SessionState,
    partial_field,
)

MAX_INGEST_LOG_BYTES = 8 * 1024**2
"""Undecoded bytes in an ingest log, in any encoding, at which the gateway has to wait."""
MAX_EVENTS_KEPT = 512
"""Approximate number of events that a client can catch up on."""


@dataclass(frozen=True)
class Commit:
    """A new committed position: audio before ``samples`` and frames up to ``seq`` may be discarded.

    ``voices``: those of the session so far, packed; b"": none, or unchanged.
    """

    samples: int
    seq: int
    context: TakeoverState
    voices: bytes = b""


_ENTRIES_AT_ONCE = 500
_RESULTS = {result.value.encode(): result for result in WriteResult}


class SessionStreams:
    """State and logs of live sessions."""

    def __init__(self, pipeline: Pipeline, channels: ChannelHub, callbacks: CallbackQueue) -> None:
        self._pipeline = pipeline
        self._channels = channels
        self._callbacks = callbacks
        self._publish = channels.publish_command
        self._open = script("open")
        self._attach = script("attach")
        self._leave = script("leave")
        self._append = script("append_frame")
        self._emit = script("emit_event")
        self._charge = script("charge")
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
        key_id: str = "",
        gateway: str = "",
        resume_window_s: float = 0,
    ) -> OpenedSession | None:
        """Open a session under a new epoch; None when its id is in use by a session with another token.

        ``token_hash``: hash of the token that the session can be resumed with. ``hold``: how long a session that
        already has the id keeps it. ``key_id``: the key with which it is opened, '' without one. ``gateway``: the
        replica that has the connection; when it is dead, the session waits ``resume_window_s`` for its client.
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
                key_id,
                gateway,
                resume_window_s,
            ],
        )
        if answer[0] != b"ok":
            return None
        _, earlier, fence = answer
        return OpenedSession(int(fence), earlier.decode() or None)

    async def attach(
        self, at: StreamKeys, token_hash: str, *, finals: int, committed_samples: int, ttl_s: int, gateway: str = ""
    ) -> AttachedSession | AttachRefusal:
        """Make a new connection the only one that may write.

        ``finals``, ``committed_samples``: newest final and committed position that its client has. ``gateway``: the
        replica that has the connection.
        """
        answer: list[Any] = await self._pipeline.call(
            self._attach, [at.state], [token_hash, finals, committed_samples, ttl_s, gateway]
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
        return await self._leave_session(owner.keys, owner.epoch, owner.fence, forget=forget)

    async def undo_open(self, at: StreamKeys, epoch: str) -> bool:
        """Delete a session that nobody can have resumed, since nobody has its token; may be repeated.

        Returns False when there is no such session.
        """
        return await self._leave_session(at, epoch, "", forget=True)

    async def _leave_session(self, at: StreamKeys, epoch: str, fence: int | str, *, forget: bool) -> bool:
        at_keys = [at.state, at.audio_log, at.pcm_log, at.results_log]
        return bool(await self._pipeline.call(self._leave, at_keys, [epoch, fence, "1" if forget else ""]))

    async def announce(self, owner: Ownership) -> None:
        """Tell any other server of this session's id that it is superseded; may be repeated."""
        await self._channels.publish(owner.keys.state, owner.epoch.encode())

    def announcements(self, at: StreamKeys) -> contextlib.AbstractAsyncContextManager[Inbox]:
        """Return an inbox for what ``announce`` publishes about the session."""
        return self._channels.listen(at.state)

    async def enqueue(self, owner: Ownership) -> None:
        """Queue an opened session for its workers. May be repeated: only one entry's claim succeeds."""
        await self._pipeline.command("XADD", keys.SESSIONS_WAITING, "*", "id", owner.keys.id, "epoch", owner.epoch)

    async def enqueue_unowned(self, owner: Ownership) -> None:
        """Queue the session again if one of its stages has no owner; may be repeated.

        A failover keeps a prefix of what was written: perhaps the session, but not its entry in the work stream.
        """
        stages = (keys.STAGE_AUDIO, keys.STAGE_TRANSCRIBER)
        if any([await self.is_unowned(owner.keys, owner.epoch, stage) for stage in stages]):
            await self.enqueue(owner)

    async def is_rolled_back(self, owner: Ownership) -> bool:
        """Return whether the claim of a session or job that is under way is missing: fences only rise otherwise."""
        epoch, state, fence = await self._fields(owner.keys, "epoch", "state", f"fence:{owner.stage}")
        return epoch == owner.epoch.encode() and state != b"done" and int(fence or 0) < owner.fence

    async def is_unowned(self, at: StreamKeys, epoch: str, stage: str) -> bool:
        """Return whether a session or job is under way and nobody owns the stage."""
        found_epoch, state, owner = await self._fields(at, "epoch", "state", f"owner:{stage}")
        return found_epoch == epoch.encode() and state != b"done" and not owner

    async def extend(self, owner: Ownership) -> None:
        """Renew the time to live of the session's hash; may be repeated."""
        await self._pipeline.command("EXPIRE", owner.keys.state, keys.SESSION_TTL_S)

    async def all_fields(self, at: StreamKeys) -> dict[bytes, bytes]:
        """Return the session's or job's hash, to be read with SessionState or JobState; empty when there is none."""
        answer: Any = await self._pipeline.command("HGETALL", at.state)
        # RESP3 has a map; a script's reply (redis/cluster_pipeline.py) is a list.
        return answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))

    async def state(self, at: StreamKeys) -> SessionState | None:
        """Return the session's state, None when there is no such session."""
        fields = await self.all_fields(at)
        return SessionState.read(fields) if fields else None

    async def standing(self, owner: Ownership) -> Standing:
        """Return what has become of an ownership of a session's stage."""
        epoch, fence, state = await self._fields(owner.keys, "epoch", f"fence:{owner.stage}", "state")
        return owner.standing(epoch, fence, state)

    async def owns(self, owner: Ownership) -> bool:
        """Return whether ``owner`` may still write: it owns its stage, and the session has not ended."""
        return await self.standing(owner) is Standing.OWNER

    async def progress(self, owner: Ownership) -> SessionProgress:
        """Return the position of each stage, with the standing of ``owner``."""
        positions = ("audio_seq", "consumed_seq", "pcm_seq", "pcm_samples", "committed_seq", "committed_samples")
        epoch, fence, state, stopped, *values = await self._fields(
            owner.keys, "epoch", f"fence:{owner.stage}", "state", "stopped", *positions
        )
        numbers = {name: int(value or 0) for name, value in zip(positions, values, strict=True)}
        return SessionProgress(standing=owner.standing(epoch, fence, state), is_stopped=bool(stopped), **numbers)

    async def owner_of(self, at: StreamKeys, stage: str) -> str:
        """Return the replica that owns the stage of a session or job, '' for none."""
        (owner,) = await self._fields(at, f"owner:{stage}")
        return (owner or b"").decode()

    async def _fields(self, at: StreamKeys, *names: str) -> list[bytes | None]:
        values: list[bytes | None] = await self._pipeline.command("HMGET", at.state, *names)
        return values

    async def last_event(self, at: StreamKeys, epoch: str) -> Event | None:
        """Return the newest event of a life of a session; None if there is none. Of one that has ended, it says how."""
        entries: Any = await self._pipeline.command("XREVRANGE", at.results_log, "+", "-", "COUNT", 1)
        for _, row in entries:
            body: bytes = dict(zip(row[::2], row[1::2], strict=True))[b"event"]
            return decode_event(body) if body.startswith(b'{"epoch":"' + epoch.encode() + b'"') else None
        return None

    async def delete(self, at: StreamKeys) -> None:
        """Delete a session that has ended, or whatever is still under way in it. May be repeated.

        The hash, by which it is found, goes last.
        """
        for key in (at.audio_log, at.pcm_log, at.results_log, at.state):
            await self._pipeline.command("UNLINK", key)

    async def delete_of(self, tenant: str) -> None:
        """Delete a tenant's sessions that have not ended, and their entries in the work stream. May be repeated.

        Their workers and gateways find them gone, as when Redis has lost them, and leave them.
        """
        first = "-"
        while True:
            entries: Any = await self._pipeline.command(
                "XRANGE", keys.SESSIONS_WAITING, first, "+", "COUNT", _ENTRIES_AT_ONCE
            )
            for entry_id, row in entries:
                at = keys.session_keys(dict(zip(row[::2], row[1::2], strict=True))[b"id"].decode())
                if at.tenant == tenant:
                    await self.delete(at)
                    await self._pipeline.command("XDEL", keys.SESSIONS_WAITING, entry_id)
            if len(entries) < _ENTRIES_AT_ONCE:
                return
            first = f"({entries[-1][0].decode()}"

    async def has_worker(self, at: StreamKeys, stage: str) -> bool:
        """Return whether the stage has an owner with a current heartbeat."""
        owner = await self.owner_of(at, stage)
        return bool(owner and await self._pipeline.command("EXISTS", keys.replica_alive(owner)))

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
        decoder: DecoderPosition | None = None,
        is_last: bool = False,
        max_samples: int = MAX_PCM_LOG_SAMPLES,
    ) -> WriteResult:
        """Append a 16 kHz frame to the PCM log, for the audio-processor.

        Ingest frames up to ``consumed`` are then done; those before ``keep_from`` (0: the one after ``consumed``) are
        not needed by the next owner either and are trimmed. ``decoder``: the decoder's position after this frame.
        ``is_last``: no frame follows. May be repeated, like every append. Returns FULL when
        ``max_samples`` wait to be committed.
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
            fields={**(decoder.fields() if decoder else {}), **({"pcm_ended": 1} if is_last else {})},
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
        channel = event.channel if isinstance(event, Partial | Final) else UNSET
        written = await self._emit_event(
            owner, encode_event(event), kind, utterance, commit, partial_field(channel), _speech_ms(event)
        )
        if isinstance(event, Done | Error) and written[0] is WriteResult.OK:
            await self._callbacks.session_ended(owner.epoch)
        return written

    async def commit(self, owner: Ownership, commit: Commit) -> WriteResult:
        """Move the committed position across audio that needs no event: silence."""
        written, _ = await self._emit_event(owner, b"", "", 0, commit)
        return written

    async def _emit_event(
        self,
        owner: Ownership,
        body: bytes,
        kind: str,
        utterance: int,
        commit: Commit | None,
        partial: str = partial_field(UNSET),
        speech_ms: int = 0,
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
                keys.ENDED_SESSION_TTL_S,
                partial,
                commit.voices if commit else b"",
                speech_ms,
            ],
        )
        return _RESULTS[answer[0]], int(answer[1])

    async def charge(self, owner: Ownership, received_samples: int) -> tuple[int, int]:
        """Return the samples of audio and milliseconds of speech since the last call, whoever made it.

        ``received_samples``: since the epoch began, of 16 kHz; 0 if only a decoder knows.
        """
        samples, speech_ms = await self._pipeline.call(
            self._charge, [owner.keys.state], [owner.epoch, received_samples]
        )
        return int(samples), int(speech_ms)

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


def _speech_ms(event: Event) -> int:
    return max(0, event.end_ms - event.start_ms) if isinstance(event, Final) else 0
