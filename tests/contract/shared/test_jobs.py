"""Progress of a job, what an estimate is made of; and the results of its chunks as they come."""

import msgspec
import pytest
from redis.asyncio import Redis
from support.wiring import bus_on, read_state

from stt_shared.contracts.jobs import ChunkResult, JobConfig
from stt_shared.streams import keys
from stt_shared.streams.jobs import PARTS_AT_ONCE, Cut, DispatchResult, NewJob

pytestmark = pytest.mark.contract

JOB = "job-0123456789abcdef"
AT = keys.job_keys(JOB)
SECOND = 16000


class Cutting:
    """A file of 100 s whose cutter is at work."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.bus = bus_on(client)
        self.handed = 0

    async def begin(self) -> None:
        await self.bus.jobs.create([NewJob(JOB, "e", msgspec.json.encode(JobConfig(JOB)))], 0)
        owner = await self.bus.sessions.claim(AT, "e", keys.STAGE_TRANSCRIBER, "t")
        assert owner is not None
        self.owner = owner
        await self.client.hset(AT.state, "total_samples", 100 * SECOND)

    async def dispatch_chunks(self, *lengths_s: int, settled_s: int) -> DispatchResult:
        chunks = [(b"{}", bytes(2 * SECOND * length_s)) for length_s in lengths_s]
        cut = Cut(settled_s * SECOND, 0, b"s")
        out = await self.bus.jobs.dispatch_chunks(self.owner, chunks, cut, before=self.handed, max_undone=16)
        return out

    async def progress(self) -> tuple[float, int, int]:
        fields = await read_state(self.client, AT)
        return float(fields[b"progress"]), int(fields[b"begun_ms"]), int(fields.get(b"progress_ms", b"0"))


async def test_silence_counts_and_speech_counts_when_it_is_done(redis_client: Redis) -> None:
    cutting = Cutting(redis_client)
    await cutting.begin()
    await cutting.dispatch_chunks(settled_s=0)
    _, begun_ms, progress_ms = await cutting.progress()
    assert begun_ms > 1_600_000_000_000
    assert progress_ms == 0, "nothing is known yet"
    # 20 s of silence, then 10 s of speech that has yet to be transcribed, and a call that Redis carries out twice.
    for _ in range(2):
        await cutting.dispatch_chunks(10, settled_s=30)
        progress, same_begun_ms, progress_ms = await cutting.progress()
        assert (progress, same_begun_ms) == (20.0, begun_ms)
        assert progress_ms >= begun_ms
    cutting.handed = 1
    for _ in range(2):
        await cutting.bus.jobs.store_part(AT, "e", 0, b"{}", n_samples=10 * SECOND)
        assert (await cutting.progress())[0] == 30.0
    await cutting.dispatch_chunks(settled_s=80)
    assert (await cutting.progress())[0] == 80.0


async def test_progress_never_falls_when_the_length_was_guessed_too_short(redis_client: Redis) -> None:
    cutting = Cutting(redis_client)
    await cutting.begin()
    await cutting.dispatch_chunks(settled_s=60)
    await redis_client.hset(AT.state, "total_samples", 1000 * SECOND)
    await cutting.dispatch_chunks(settled_s=70)
    assert (await cutting.progress())[0] == 60.0
    await redis_client.hset(AT.state, "total_samples", 10 * SECOND)
    await cutting.dispatch_chunks(settled_s=70)
    assert (await cutting.progress())[0] == 99.0


async def test_results_are_read_in_order_up_to_the_first_that_is_missing(redis_client: Redis) -> None:
    jobs, at = bus_on(redis_client).jobs, keys.job_parts(JOB)
    done = [n for n in range(PARTS_AT_ONCE * 2 + 2) if n != PARTS_AT_ONCE + 3]
    assert await jobs.parts_from(JOB, 0) == []
    for index in done:
        await redis_client.hset(at, str(index), msgspec.json.encode(ChunkResult("en", [], f"part {index}")))
    first = await jobs.parts_from(JOB, 0)
    assert [part.text for part in first] == [f"part {index}" for index in range(PARTS_AT_ONCE + 3)]
    assert [part.text for part in await jobs.parts_from(JOB, PARTS_AT_ONCE + 2)] == [f"part {PARTS_AT_ONCE + 2}"]
    assert await jobs.parts_from(JOB, PARTS_AT_ONCE + 3) == []
    assert len(await jobs.parts_from(JOB, PARTS_AT_ONCE + 4)) == PARTS_AT_ONCE - 2
