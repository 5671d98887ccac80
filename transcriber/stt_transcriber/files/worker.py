"""Transcription of the chunks of files: all replicas share the work, and the last one to finish assembles the text.

If a replica dies, another one continues: a chunk stays in its stream until its text is stored.
"""

import asyncio
from typing import Any

import msgspec
import numpy as np
import redis
import structlog

from stt_shared.contracts.jobs import Chunk, ChunkResult, JobConfig, JobSegment, TimeSpan
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.contracts.text import join_texts
from stt_shared.process.tasks import cancel_and_wait, run_together
from stt_shared.redis.outage import REDIS_ERRORS, RETRY_S, UNREACHABLE, until_answered
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import StreamKeys
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.stage import WorkItem, WorkQueue
from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.core.files.chunk_text import ChunkText
from stt_transcriber.core.text import guards
from stt_transcriber.core.text.join import join_words
from stt_transcriber.core.text.segments import segments_of
from stt_transcriber.decode.pool import ModelPool
from stt_transcriber.files.chunk_batch import ChunkBatch
from stt_transcriber.files.job_result import complete_job, fail_job, is_over, until_over
from stt_transcriber.metrics import REJECTED, UNRECOGNIZED_S

_log = structlog.get_logger()

_decode_config = msgspec.json.Decoder(JobConfig).decode
_decode_chunk = msgspec.json.Decoder(Chunk).decode


class ChunkWorker:
    """Worker that takes chunks of any job while the model has capacity besides the live sessions.

    ``concurrency``: most chunks in progress; 0: as many as are decoded at once.
    """

    def __init__(
        self,
        bus: Bus,
        pool: ModelPool,
        replica_id: str,
        concurrency: int,
        guard: CrashGuard,
    ) -> None:
        self._bus = bus
        self._pool = pool
        self._replica_id = replica_id
        self._queue = WorkQueue(bus, keys.JOB_CHUNKS, keys.STAGE_TRANSCRIBER, replica_id)
        self._concurrency = concurrency or pool.scheduler.chunks_at_once
        self._guard = guard
        self._running: dict[asyncio.Task[None], WorkItem] = {}

    @property
    def running(self) -> int:
        """Number of chunks in progress."""
        return len(self._running)

    async def run(self) -> None:
        """Take chunks until cancelled. Those in progress continue: see ``drain``."""
        # Orphans are taken concurrently: a dead worker's chunks must not wait for as long as there are fresh ones.
        await run_together(self._take_fresh(), self._take_orphans())

    async def drain(self, timeout_s: float) -> None:
        """Wait for the chunks in progress; put those left after ``timeout_s`` back into the stream for another replica.

        ``run`` must have ended.
        """
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        for task, item in list(self._running.items()):
            await cancel_and_wait(task)
            if task.cancelled():
                # As a fresh entry, since a shutdown does not count as a crash.
                await self._queue.pass_on(item, item.fields, delete=True)
        # Redis may have assigned a chunk in a reply that the cancelled ``run`` did not wait for.
        await self._guard.leave(self._replica_id)

    @property
    def _room(self) -> int:
        return min(self._concurrency - len(self._running), self._pool.scheduler.batch_room())

    async def _take_fresh(self) -> None:
        while True:
            if self._room <= 0:
                await asyncio.sleep(0.02)
                continue
            try:
                items = await self._queue.take(await self._share())
            except UNREACHABLE as error:
                _log.warning("chunks unavailable", cause=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            handful = ChunkBatch(self._pool, len(items))
            for item in items:
                self._begin(item, handful)

    async def _share(self) -> int:
        """Return how many chunks to take: a batch, but at most half of those waiting, to leave some for others."""
        most = min(self._room, self._pool.scheduler.max_file_batch)
        if most <= 1:
            return 1
        try:
            groups: Any = await self._bus.client.xinfo_groups(keys.JOB_CHUNKS)
        except redis.ResponseError:
            return 1  # Redis has lost its data: the queue handles that
        waiting = next((group["lag"] for group in groups if group["name"] == keys.STAGE_TRANSCRIBER.encode()), None)
        return most if waiting is None else max(1, min(most, -(-waiting // 2)))

    async def _take_orphans(self) -> None:
        while True:
            await asyncio.sleep(self._queue.next_scan_s())
            try:
                # Scan even without room, since no single scan finds a worker dead.
                for item in await self._queue.adopt(max(0, self._room)):
                    self._begin(item, ChunkBatch(self._pool, 1))
            except UNREACHABLE as error:
                _log.warning("chunks unavailable", cause=str(error))

    def _begin(self, item: WorkItem, handful: ChunkBatch) -> None:
        task = asyncio.create_task(self._work(item, handful), name="chunk")
        self._running[task] = item
        task.add_done_callback(lambda ended: self._running.pop(ended, None))

    async def _work(self, item: WorkItem, handful: ChunkBatch) -> None:
        try:
            await self._work_on(item, handful)
        finally:
            handful.leave(item)

    async def _work_on(self, item: WorkItem, handful: ChunkBatch) -> None:
        try:
            chunk = _decode_chunk(item.fields[b"chunk"])
        except msgspec.DecodeError as error:
            _log.error("chunk unreadable", cause=str(error))
            await self._queue.done(item, delete=True)
            return
        at = keys.job_keys(chunk.job_id)
        log = _log.bind(job_id=chunk.job_id, chunk=chunk.index)
        while True:
            try:
                try:
                    await self._try(at, chunk, item, handful)
                except REDIS_ERRORS:
                    raise
                except Exception as error:
                    log.exception("chunk failed")
                    message = f"a part could not be transcribed: {error}"
                    await fail_job(self._bus, at, chunk.epoch, "internal", message)
                await self._queue.done(item, delete=True)
                return
            except UNREACHABLE as error:
                # Keep the chunk: while this replica is alive, no other would take it.
                log.warning("redis unavailable, waiting", cause=str(error))
                await asyncio.sleep(RETRY_S)

    async def _try(self, at: StreamKeys, chunk: Chunk, item: WorkItem, handful: ChunkBatch) -> None:
        if await is_over(self._bus, at, chunk.epoch):
            return
        if await self._bus.client.hexists(keys.job_parts(at.id), str(chunk.index)):
            # The previous worker stored it and died before confirming it; after the last chunk the job must be ended.
            await self._complete_if_all(at, chunk.epoch)
            return
        async with self._guard.chunk(at, chunk.epoch, chunk.index, self._replica_id, item.follows) as allowed:
            if allowed:
                config = (await self._bus.sessions.all_fields(at)).get(b"config")
                if config is None:
                    return  # the job was deleted meanwhile
                work = self._transcribe(at, chunk, item, handful, _decode_config(config))
                await until_over(work, self._bus, at, chunk.epoch)

    async def _complete_if_all(self, at: StreamKeys, epoch: str) -> None:
        chunks = await self._bus.client.hget(at.state, "chunks")
        if chunks is not None and await self._bus.client.hlen(keys.job_parts(at.id)) == int(chunks):
            await complete_job(self._bus, at, epoch)

    async def _transcribe(
        self, at: StreamKeys, chunk: Chunk, item: WorkItem, handful: ChunkBatch, config: JobConfig
    ) -> None:
        text = ChunkText(chunk, np.frombuffer(item.fields[b"pcm"], np.int16), config.task)
        language = config.language or chunk.language or None
        evidence = np.frombuffer(chunk.evidence, np.int16).astype(np.float32) / 32768.0 if chunk.evidence else None
        segments: list[JobSegment] = []
        texts: list[str] = []
        while not text.is_over:
            request = DecodeRequest(
                text.samples(), language, config.task, config.prompt, Quality.FILE, language_samples=evidence
            )
            hypothesis = await handful.decode(item, f"chunk {chunk.job_id} {chunk.index}", request)
            language = language or hypothesis.language
            refused = guards.reason_to_reject(hypothesis, text.voice_share, request.quality)
            if refused:
                REJECTED.labels(refused).inc()
            offset_s = text.begin / AUDIO_RATE_HZ
            words = text.take(None if refused else hypothesis)
            segments += segments_of(words, offset_s)
            texts.append(join_words(words))
        UNRECOGNIZED_S.inc(sum(end - begin for begin, end in text.unrecognized) / AUDIO_RATE_HZ)
        unrecognized = [
            TimeSpan(round(begin / AUDIO_RATE_HZ, 3), round(end / AUDIO_RATE_HZ, 3)) for begin, end in text.unrecognized
        ]
        part = ChunkResult(language or "", segments, join_texts(texts), unrecognized)
        stored = await until_answered(
            lambda: self._bus.jobs.store_part(
                at,
                chunk.epoch,
                chunk.index,
                msgspec.json.encode(part),
                language=part.language if chunk.decides else "",
                n_samples=chunk.n_samples,
            )
        )
        if stored is not None and stored[0] == stored[1]:
            await complete_job(self._bus, at, chunk.epoch)
