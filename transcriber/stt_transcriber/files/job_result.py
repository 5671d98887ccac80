"""Completion of a file job with its assembled parts or an error, and checks whether it has already ended."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import structlog

from stt_shared.contracts.jobs import ChunkResult, JobConfig, JobError, JobResult, JobSegment
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.contracts.text import join_texts
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.outage import until_answered
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import StreamKeys

_log = structlog.get_logger()

OVER_CHECK_S = 0.25
"""Interval between checks whether a worker's job was cancelled."""

_decode_config = msgspec.json.Decoder(JobConfig).decode
_decode_part = msgspec.json.Decoder(ChunkResult).decode


async def complete_job(bus: Bus, at: StreamKeys, epoch: str) -> None:
    """Assemble the result from all parts and end the job. Does nothing if the job has ended or was deleted."""
    fields = await bus.sessions.all_fields(at)
    if (fields.get(b"epoch"), fields.get(b"state")) != (epoch.encode(), b"active"):
        return
    parts = await bus.client.hgetall(keys.job_parts(at.id))
    results = [_decode_part(parts[index]) for index in sorted(parts, key=int)]
    segments = [segment for result in results for segment in result.segments]
    config = _decode_config(fields[b"config"])
    language = (
        config.language or fields.get(b"language", b"").decode() or next((result.language for result in results), "")
    )
    result = JobResult(
        text=join_texts(_text(result) for result in results),
        language=language,
        duration=round(int(fields.get(b"total_samples", b"0")) / AUDIO_RATE_HZ, 3),
        segments=[JobSegment(i, s.start, s.end, s.text, s.confidence, s.words) for i, s in enumerate(segments)],
        unrecognized=[span for result in results for span in result.unrecognized],
    )
    # Before the end: if this worker died after ending the job, no other would queue it again.
    await bus.transcripts.put("job", at.id.encode())
    await bus.jobs.finish(at, epoch, "completed", result=msgspec.json.encode(result), now_ms=wall_ms())


def _text(result: ChunkResult) -> str:
    # A part stored by an older version has segments only.
    return result.text or join_texts(segment.text for segment in result.segments)


async def fail_job(bus: Bus, at: StreamKeys, epoch: str, code: str, message: str) -> None:
    """End a job with an error for its client."""
    error = msgspec.json.encode(JobError(code, message))
    await bus.jobs.finish(at, epoch, "failed", error=error, now_ms=wall_ms())


async def is_over(bus: Bus, at: StreamKeys, epoch: str) -> bool:
    """Return True when the job has ended or does not exist."""
    found, state = await bus.client.hmget(at.state, "epoch", "state")
    return found != epoch.encode() or state != b"active"


async def until_over(work: Coroutine[Any, Any, None], bus: Bus, at: StreamKeys, epoch: str) -> None:
    """Run ``work``, but cancel it as soon as the job has ended for another reason."""
    task = asyncio.create_task(work, name=f"work on {at.id}")
    try:
        while not (await asyncio.wait({task}, timeout=OVER_CHECK_S))[0]:
            if await until_answered(lambda: is_over(bus, at, epoch)):
                return
        await task
    finally:
        if not task.done():
            await cancel_and_wait(task)
