"""Files: one replica cuts a job's audio at pauses, all transcribe the chunks, the last one puts it together."""

import asyncio
from collections.abc import Callable

import msgspec
import numpy as np
import redis
import structlog
from redis.asyncio import Redis

from stt_shared.bus import keys
from stt_shared.bus.channels import ChannelHub
from stt_shared.bus.functions import Commit, Functions
from stt_shared.bus.keys import StreamKeys
from stt_shared.bus.log import LogHole, read_pcm, read_state
from stt_shared.bus.work import ORPHAN_CHECK_S, Assignment, WorkItem, WorkQueue
from stt_shared.clock import monotonic_ms, wall_ms
from stt_shared.contracts.frames import FrameKind
from stt_shared.contracts.jobs import Chunk, ChunkResult, JobConfig, JobError, JobResult, JobSegment
from stt_shared.contracts.session import CarriedContext
from stt_transcriber.core import guards
from stt_transcriber.core.cutter import ChunkCutter, CutChunk, CutterPolicy
from stt_transcriber.core.hypothesis import SAMPLE_RATE, DecodeRequest, Hypothesis, Quality
from stt_transcriber.core.policy import LivePolicy
from stt_transcriber.core.scheduler import Kind
from stt_transcriber.core.segments import segments_of
from stt_transcriber.core.text import join_words, separator
from stt_transcriber.model_pool import Decoded, ModelPool
from stt_transcriber.vad_models import VadFactory

_log = structlog.get_logger()

MAX_CHUNKS_WAITING = 16
"""Chunks of one job that lie in Redis undone: at 28 s each, some 14 MB."""

_decode_config = msgspec.json.Decoder(JobConfig).decode
_decode_chunk = msgspec.json.Decoder(Chunk).decode
_decode_part = msgspec.json.Decoder(ChunkResult).decode


class FileCutter:
    """Stage of a job: reads its PCM log, cuts, hands the chunks out. ``handle`` is one job."""

    def __init__(
        self, client: Redis, functions: Functions, hub: ChannelHub, new_voice: VadFactory, policy: LivePolicy
    ) -> None:
        self._client = client
        self._functions = functions
        self._hub = hub
        self._new_voice = new_voice
        self._policy = policy

    async def handle(self, assignment: Assignment) -> None:
        """Cuts one job to its end; returns when all its chunks are handed out."""
        at, epoch = assignment.owner.keys, assignment.owner.epoch
        cutter = ChunkCutter(self._new_voice().probabilities, self._policy.gate, CutterPolicy())
        count = 0
        error = ""
        try:
            async for frame in read_pcm(self._client, self._hub, at, 0).items():
                if frame is None:
                    if await _is_over(self._client, at, epoch):
                        return
                    continue
                if frame.kind is FrameKind.STOP:
                    error = frame.meta.error
                    break
                if frame.kind is not FrameKind.AUDIO:
                    continue
                # A second of audio takes the voice model some milliseconds: not on the loop that serves live sessions.
                chunks = await asyncio.to_thread(cutter.feed, np.frombuffer(frame.data, np.int16))
                count = await self._hand_out(at, epoch, chunks, count)
                commit = Commit(cutter.settled, frame.seq, CarriedContext())
                await self._functions.commit(assignment.owner, commit)
        except LogHole:
            error = "internal: audio of the file was lost on its way to the transcriber"
        if error:
            code, _, message = error.partition(": ")
            await fail_job(self._functions, at, epoch, code, message)
            return
        count = await self._hand_out(at, epoch, cutter.finish(), count)
        if await _is_over(self._client, at, epoch):
            return
        await self._client.hset(at.state, mapping={"chunks": count, "total_samples": cutter.position})
        if await self._client.hlen(keys.job_parts(at.id)) == count:
            await complete_job(self._client, self._functions, at, epoch)

    async def _hand_out(self, at: StreamKeys, epoch: str, chunks: list[CutChunk], count: int) -> int:
        for cut in chunks:
            while count - await self._client.hlen(keys.job_parts(at.id)) >= MAX_CHUNKS_WAITING:
                if await _is_over(self._client, at, epoch):
                    return count
                await asyncio.sleep(0.1)
            chunk = Chunk(at.id, epoch, count, cut.start, len(cut.samples), cut.voice_share)
            await self._client.xadd(
                keys.JOB_CHUNKS, {"chunk": msgspec.json.encode(chunk), "pcm": cut.samples.tobytes()}
            )
            count += 1
        return count


class ChunkWorker:
    """Takes chunks of any job while the model has room beside the live sessions."""

    def __init__(self, client: Redis, functions: Functions, pool: ModelPool, replica_id: str, concurrency: int) -> None:
        self._client = client
        self._functions = functions
        self._pool = pool
        self._queue = WorkQueue(client, keys.JOB_CHUNKS, keys.STAGE_TRANSCRIBER, replica_id)
        self._concurrency = concurrency
        self._running: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> int:
        """Chunks in hand."""
        return len(self._running)

    async def run(self) -> None:
        """Takes chunks until cancelled."""
        await self._queue.open()
        next_check = 0.0
        while True:
            room = min(self._concurrency - len(self._running), self._pool.scheduler.batch_room())
            if room <= 0:
                await asyncio.sleep(0.02)
                continue
            try:
                items = await self._queue.take(1)
                now = monotonic_ms()
                if not items and now >= next_check:
                    next_check = now + ORPHAN_CHECK_S * 1000
                    items = await self._queue.adopt(1)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("chunks unreachable", cause=str(error))
                await asyncio.sleep(0.2)
                continue
            for item in items:
                task = asyncio.create_task(self._work(item), name="chunk")
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def drain(self, timeout_s: float) -> None:
        """Waits for the chunks in hand; what is left stays pending for another replica."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)

    async def _work(self, item: WorkItem) -> None:
        chunk = _decode_chunk(item.fields[b"chunk"])
        at = keys.job_keys(chunk.job_id)
        log = _log.bind(job_id=chunk.job_id, chunk=chunk.index)
        try:
            fields = await read_state(self._client, at)
            if fields.get(b"epoch") == chunk.epoch.encode() and fields.get(b"state") == b"active":
                samples = np.frombuffer(item.fields[b"pcm"], np.int16).astype(np.float32) / 32768.0
                await self._transcribe(at, chunk, samples, fields)
            await self._queue.done(item, delete=True)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            log.warning("chunk given up: Redis unreachable", cause=str(error))
        except Exception as error:
            log.exception("chunk failed")
            await fail_job(self._functions, at, chunk.epoch, "internal", f"a part could not be transcribed: {error}")
            await self._queue.done(item, delete=True)

    async def _transcribe(
        self,
        at: StreamKeys,
        chunk: Chunk,
        samples: np.ndarray[tuple[int], np.dtype[np.float32]],
        fields: dict[bytes, bytes],
    ) -> None:
        config = _decode_config(fields[b"config"])
        # The chunk that is done first decides the language of the file, so that the others need not guess.
        known = fields.get(b"language", b"").decode() or None
        request = DecodeRequest(samples, config.language or known, config.task, config.prompt, Quality.FULL)
        hypothesis = await self._decode(f"chunk {chunk.job_id} {chunk.index}", lambda: request)
        offset_s = chunk.start_sample / SAMPLE_RATE
        gap = separator(hypothesis.language, config.task)
        refused = guards.reason_to_reject(hypothesis, chunk.voice_share, request.quality)
        segments = [] if refused else segments_of(hypothesis.words, offset_s, gap)
        part = ChunkResult(hypothesis.language, segments)
        stored = await self._functions.store_part(
            at,
            chunk.epoch,
            chunk.index,
            msgspec.json.encode(part),
            language=hypothesis.language,
            n_samples=chunk.n_samples,
        )
        if stored is not None and stored[0] == stored[1]:
            await complete_job(self._client, self._functions, at, chunk.epoch)

    async def _decode(self, key: str, begin: Callable[[], DecodeRequest]) -> Hypothesis:
        answer: asyncio.Future[Decoded] = asyncio.get_running_loop().create_future()

        async def end(decoded: Decoded) -> None:
            if not answer.done():
                answer.set_result(decoded)

        self._pool.wish(key, Kind.BATCH, 60_000, begin, end)
        try:
            decoded = await answer
        finally:
            self._pool.withdraw(key)
        if decoded.hypothesis is None:
            raise RuntimeError(decoded.error)
        return decoded.hypothesis


async def complete_job(client: Redis, functions: Functions, at: StreamKeys, epoch: str) -> None:
    """All parts are there: puts the result together and ends the job. Harmless when done twice."""
    fields = await read_state(client, at)
    parts = await client.hgetall(keys.job_parts(at.id))
    results = [_decode_part(parts[index]) for index in sorted(parts, key=int)]
    segments = [segment for result in results for segment in result.segments]
    config = _decode_config(fields[b"config"])
    language = (
        config.language or fields.get(b"language", b"").decode() or next((result.language for result in results), "")
    )
    result = JobResult(
        text=join_words([segment.text for segment in segments], separator(language, config.task)),
        language=language,
        duration=round(int(fields.get(b"total_samples", b"0")) / SAMPLE_RATE, 3),
        segments=[JobSegment(i, s.start, s.end, s.text, s.confidence, s.words) for i, s in enumerate(segments)],
    )
    await functions.finish_job(at, epoch, "completed", result=msgspec.json.encode(result), now_ms=wall_ms())


async def fail_job(functions: Functions, at: StreamKeys, epoch: str, code: str, message: str) -> None:
    """Ends a job with an error for its owner."""
    error = msgspec.json.encode(JobError(code, message))
    await functions.finish_job(at, epoch, "failed", error=error, now_ms=wall_ms())


async def _is_over(client: Redis, at: StreamKeys, epoch: str) -> bool:
    found, state = await client.hmget(at.state, "epoch", "state")
    return found != epoch.encode() or state != b"active"
