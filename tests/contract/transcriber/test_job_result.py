"""Jobs that are deleted while somebody works on their end, on a real server."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from structlog.testing import capture_logs
from support.job_harness import FirstSamples, Transcriber, ended, posted, seconds
from support.wiring import bus_on, read_state

from stt_shared.contracts.jobs import ChunkResult, JobResult, JobSegment, JobStatus, TimeSpan
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.job_state import JobState
from stt_shared.streams.jobs import JobStreams
from stt_shared.streams.ownership import Ownership
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.files.job_result import complete_job

pytestmark = pytest.mark.contract

JOB = "job-0123456789abcdef"
AT = keys.job_keys(JOB)


async def all_parts_stored(client: Redis) -> Bus:
    await posted(client, JOB, [], played=False)
    bus = bus_on(client)
    part = msgspec.json.encode(ChunkResult("en", []))
    await bus.jobs.store_part(AT, "e", 0, part, n_samples=16000)
    return bus


async def queued_for_store(client: Redis) -> int:
    return int(await client.xlen(keys.JOBS_ENDED))


async def test_a_job_is_completed_once(redis_client: Redis) -> None:
    bus = await all_parts_stored(redis_client)
    await complete_job(bus, Ownership(AT, "e"))
    assert (await read_state(redis_client, AT))[b"status"] == b"completed"
    result = await redis_client.hget(AT.state, "result")
    await complete_job(bus, Ownership(AT, "e"))
    assert await redis_client.hget(AT.state, "result") == result
    assert await queued_for_store(redis_client) == 1


async def test_the_result_keeps_the_spaces_of_its_parts(redis_client: Redis) -> None:
    await posted(redis_client, JOB, [], played=False)
    bus = bus_on(redis_client)

    def segment(text: str) -> JobSegment:
        return JobSegment(0, 0.0, 1.0, text, 0.9, [])

    parts = [
        ChunkResult("ja", [segment("今日は。"), segment("Machine")], "今日は。 Machine"),
        ChunkResult("ja", [segment("Learning。"), segment("雨")]),  # stored before parts had a text
    ]
    await redis_client.hset(AT.state, mapping={"chunks": 2})
    for index, part in enumerate(parts):
        await bus.jobs.store_part(AT, "e", index, msgspec.json.encode(part), n_samples=16000)
    await complete_job(bus, Ownership(AT, "e"))
    result = msgspec.json.decode((await read_state(redis_client, AT))[b"result"], type=JobResult)
    assert result.text == "今日は。 Machine Learning。雨"


@pytest.mark.parametrize("gone", ["deleted", "cancelled", "replaced"])
async def test_a_completion_that_comes_too_late_changes_nothing(redis_client: Redis, gone: str) -> None:
    bus = await all_parts_stored(redis_client)
    if gone == "deleted":
        await redis_client.unlink(AT.state, keys.job_parts(JOB))
    elif gone == "cancelled":
        await bus.jobs.finish(AT, "e", JobStatus.CANCELLED, now_ms=wall_ms())
    else:
        await redis_client.hset(AT.state, "epoch", "another")
    before, queued = await read_state(redis_client, AT), await queued_for_store(redis_client)
    await complete_job(bus, Ownership(AT, "e"))
    assert await read_state(redis_client, AT) == before
    assert await queued_for_store(redis_client) == queued


async def test_a_chunk_whose_job_is_deleted_as_it_begins_is_left(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted = False

    read = JobStreams.state

    async def read_and_then_deleted(*args: Any) -> JobState | None:
        nonlocal deleted
        state = await read(*args)
        await redis_client.unlink(AT.state, keys.job_parts(JOB))
        deleted = True
        return state

    await posted(redis_client, JOB, seconds(20))
    engine = FirstSamples()
    with capture_logs() as logs:
        async with Transcriber(redis_url, "t1", engine) as worker:
            while await redis_client.xlen(keys.JOB_CHUNKS) == 0:
                pass
            monkeypatch.setattr(JobStreams, "state", read_and_then_deleted)
            while not deleted or worker.chunks.running:
                await redis_client.ping()
    assert [log for log in logs if log["log_level"] == "error"] == []


class Doubtful(FirstSamples):
    """Its texts are not believed."""

    def _decode(self, request: DecodeRequest) -> Hypothesis:
        return replace(super()._decode(request), avg_logprob=-2.0)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_speech_without_text_is_told_and_counted(redis_client: Redis, redis_url: str) -> None:
    rejected = counted("stt_rejected_hypotheses_total", reason="improbable words")
    unrecognized_s = counted("stt_unrecognized_speech_seconds_total")
    gaps = counted("stt_gaps_total", cause="speech_not_recognized")
    await posted(redis_client, JOB, seconds(4))
    async with Transcriber(redis_url, "t1", Doubtful()):
        result = await ended(redis_client, JOB)
    assert isinstance(result, JobResult)
    assert (result.text, result.unrecognized) == ("", [TimeSpan(0.0, 4.0)])
    assert counted("stt_rejected_hypotheses_total", reason="improbable words") == rejected + 1
    assert counted("stt_unrecognized_speech_seconds_total") == unrecognized_s + 4
    assert counted("stt_gaps_total", cause="speech_not_recognized") == gaps + 1


async def test_a_result_without_such_speech_does_not_have_the_field(redis_client: Redis) -> None:
    bus = await all_parts_stored(redis_client)
    await complete_job(bus, Ownership(AT, "e"))
    assert "unrecognized" not in msgspec.json.decode(await redis_client.hget(AT.state, "result"))
