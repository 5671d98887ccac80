"""What has been said and what jobs have heard goes from Redis into the transcript store: at least once, and idempotent,
so any gateway may die at any moment."""

import asyncio

import msgspec
import redis
import structlog
from redis.asyncio import Redis

from stt_gateway.store.interface import Kind, State, Transcript, TranscriptStore, Utterance
from stt_shared.bus import keys
from stt_shared.bus.log import read_state
from stt_shared.bus.work import WorkItem
from stt_shared.bus.work_queue import WorkQueue
from stt_shared.clock import wall_ms
from stt_shared.contracts.conversation import Utterance as Said
from stt_shared.contracts.conversation import utterance_from
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobConfig, JobResult, JobSegment

_log = structlog.get_logger()

GROUP = "store"
AT_ONCE = 32
RETRY_S = 0.5
JOB_PATIENCE_S = 10.0
"""So long a job that is said to end may take for it; a worker that died before will say it again."""
DAY_MS = 24 * 3600 * 1000
PURGE_EVERY_S = 60.0

_decode_config = msgspec.json.Decoder(JobConfig).decode
_decode_result = msgspec.json.Decoder(JobResult).decode


class StoreWriter:
    """One gateway's share of the work. ``retention_days`` 0: for ever."""

    def __init__(self, client: Redis, store: TranscriptStore, replica_id: str, retention_days: float) -> None:
        self._client = client
        self._store = store
        self._queue = WorkQueue(client, keys.TRANSCRIPTS_WAITING, GROUP, replica_id)
        self._retention_ms = retention_days * DAY_MS

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        next_look = 0.0
        while True:
            try:
                await self._queue.open()
                while True:
                    items = await self._queue.take(AT_ONCE)
                    if loop.time() >= next_look:
                        next_look = loop.time() + self._queue.next_look_s()
                        items += await self._queue.adopt(AT_ONCE)
                    for item in items:
                        await self._take(item)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("transcripts wait: Redis unreachable", cause=str(error))
                await asyncio.sleep(RETRY_S)

    async def purge(self) -> None:
        """Removes what is past its time, every minute, until cancelled."""
        while True:
            await asyncio.sleep(PURGE_EVERY_S)
            try:
                await self._store.purge_expired(wall_ms())
            except SttError as error:
                _log.warning("expired transcripts not removed", cause=error.message)

    async def _take(self, item: WorkItem) -> None:
        while True:
            try:
                await self._keep(item.fields[b"kind"], item.fields[b"body"])
                break
            except SttError as error:
                # The database is away; what waits is not lost, here or with another gateway.
                _log.warning("transcript not stored yet", cause=error.message)
                await asyncio.sleep(RETRY_S)
            except (msgspec.DecodeError, KeyError) as error:
                _log.error("an entry that nobody can read is left out", cause=str(error))
                break
        await self._queue.done(item, delete=True)

    async def _keep(self, kind: bytes, body: bytes) -> None:
        if kind == b"utterance":
            await self._keep_utterance(utterance_from(body))
        elif kind == b"job":
            await self._keep_job(body.decode())

    @property
    def _expires_ms(self) -> int | None:
        return round(wall_ms() + self._retention_ms) if self._retention_ms else None

    async def _keep_utterance(self, said: Said) -> None:
        session = stored_session_id(said)
        utterance = Utterance(
            conversation_id=said.conversation_id or session,
            session_id=session,
            utterance=said.utterance,
            speaker=said.speaker or "",
            text=said.text,
            language=said.language,
            started_ms=said.spoken_ms,
            ended_ms=said.spoken_ms + said.end_ms - said.start_ms,
            start_ms=said.start_ms,
            end_ms=said.end_ms,
            expires_ms=self._expires_ms,
        )
        await self._store.append([utterance])
        if said.store:
            await self._store.put(
                _live_transcript(said, await self._store.session_utterances(session), self._expires_ms)
            )

    async def _keep_job(self, job_id: str) -> None:
        waited_s = 0.0
        while True:
            fields = await read_state(self._client, keys.job_keys(job_id))
            status = fields.get(b"status", b"").decode()
            if not fields or status == State.CANCELLED:
                return
            if status == State.COMPLETED:
                break
            if status == State.FAILED or waited_s >= JOB_PATIENCE_S:
                return
            await asyncio.sleep(0.1)
            waited_s += 0.1
        config, result = _decode_config(fields[b"config"]), _decode_result(fields[b"result"])
        await self._store.put(
            Transcript(
                id=job_id,
                kind=Kind.JOB,
                state=State.COMPLETED,
                created_ms=int(float(fields[b"created_ms"])),
                title=config.filename,
                filename=config.filename,
                duration_s=result.duration,
                language=result.language,
                model=config.model,
                task=config.task,
                text=result.text,
                segments=result.segments,
                content_key=config.content_key,
                expires_ms=self._expires_ms,
            )
        )


def stored_session_id(said: Said) -> str:
    """A session's id may be used again; what is stored tells them apart."""
    return f"{said.session_id[:110]}.{said.instance[:12]}"


def _live_transcript(said: Said, utterances: list[Utterance], expires_ms: int | None) -> Transcript:
    segments = [
        JobSegment(at, one.start_ms / 1000, one.end_ms / 1000, one.text, 0.0, []) for at, one in enumerate(utterances)
    ]
    return Transcript(
        id=stored_session_id(said),
        kind=Kind.LIVE,
        state=State.COMPLETED,
        created_ms=min(one.started_ms for one in utterances),
        title=said.session_id,
        duration_s=max(one.end_ms for one in utterances) / 1000,
        language=said.language,
        conversation_id=said.conversation_id or "",
        text=" ".join(one.text for one in utterances),
        segments=segments,
        expires_ms=expires_ms,
    )
