"""The queue of jobs: clients take turns, limits hold, and nothing waits for a job that is gone."""

import msgspec
import pytest
from support.fake_bus import fake_bus

from stt_shared.contracts.jobs import JobConfig, JobResult, JobStatus
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.jobs import LEAST_CHUNKS_WAITING, NO_LIMITS, Created, CreateRefusal, Cut, JobLimits, NewJob
from stt_shared.streams.ownership import Ownership

pytestmark = pytest.mark.unit

WHOLE = Cut(1, 1, b"", chunks=1, samples=1)


@pytest.fixture
def bus() -> Bus:
    return fake_bus()


async def post(bus: Bus, client: str, count: int, *, at_ms: float = 0, limits: JobLimits = NO_LIMITS) -> list[str]:
    ids = [f"{client}-{at_ms:g}-{n}" for n in range(count)]
    jobs = [NewJob(job_id, "e", b"{}") for job_id in ids]
    assert isinstance(await bus.jobs.create(jobs, at_ms, client=client, limits=limits), Created)
    return ids


async def refusal(bus: Bus, client: str, count: int, limits: JobLimits) -> object:
    jobs = [NewJob(f"{client}-refused-{n}", "e", b"{}") for n in range(count)]
    return await bus.jobs.create(jobs, 0, client=client, limits=limits)


async def working(bus: Bus) -> list[str]:
    """Jobs in the work stream, in order."""
    return [fields[b"id"].decode() for _, fields in await bus.client.xrange(keys.JOBS_WAITING)]


async def owner_of(bus: Bus, job_id: str) -> Ownership:
    owner = await bus.sessions.claim(keys.job_keys(job_id), "e", keys.STAGE_TRANSCRIBER, "replica")
    assert owner is not None
    return owner


async def test_one_client_takes_a_share_and_another_starts_at_once(bus: Bus) -> None:
    many = await post(bus, "many", 60)
    assert await working(bus) == many[:4]
    (short,) = await post(bus, "short", 1, at_ms=1)
    assert await working(bus) == [*many[:4], short]


async def test_more_clients_have_smaller_shares_but_at_least_one_job(bus: Bus) -> None:
    for n in range(6):
        await post(bus, f"client{n}", 5, at_ms=n)
    started = [job_id.partition("-")[0] for job_id in await working(bus)]
    assert [started.count(f"client{n}") for n in range(6)] == [4, 2, 1, 1, 1, 1]


async def test_a_job_that_is_cut_makes_room_for_the_next_in_order(bus: Bus) -> None:
    jobs = await post(bus, "many", 6)
    owner = await owner_of(bus, jobs[0])
    assert (await bus.jobs.dispatch_chunks(owner, [(b"{}", b"")], WHOLE, before=0, max_undone=9)).outcome == "ok"
    assert await working(bus) == jobs[:5]


async def test_a_job_that_ends_makes_room_also_when_it_had_not_begun(bus: Bus) -> None:
    jobs = await post(bus, "many", 7)
    await bus.jobs.fail(keys.job_keys(jobs[0]), "e", "bad_audio", "none")
    assert await working(bus) == jobs[:5]
    await bus.jobs.finish(keys.job_keys(jobs[5]), "e", JobStatus.CANCELLED, now_ms=0)
    await bus.jobs.fail(keys.job_keys(jobs[1]), "e", "bad_audio", "none")
    assert await working(bus) == [*jobs[:5], jobs[6]], "a cancelled job is not started"


async def test_jobs_that_expired_or_were_ended_by_an_older_version_hold_no_place(bus: Bus) -> None:
    jobs = await post(bus, "many", 6)
    await bus.client.delete(keys.job_keys(jobs[0]).state)
    await bus.client.hset(keys.job_keys(jobs[1]).state, "state", "done")
    await bus.client.delete(keys.job_keys(jobs[4]).state)
    assert await bus.jobs.admit() == 1
    assert await working(bus) == [*jobs[:4], jobs[5]]
    assert await bus.jobs.admit() == 0


async def test_unfinished_jobs_are_limited_in_all_and_per_client(bus: Bus) -> None:
    limits = JobLimits(in_all=10, per_client=6)
    jobs = await post(bus, "many", 6, limits=limits)
    assert await refusal(bus, "many", 1, limits) is CreateRefusal.CLIENT_FULL
    await post(bus, "few", 3, limits=limits)
    assert await refusal(bus, "other", 2, limits) is CreateRefusal.FULL
    assert await bus.jobs.state("other-refused-0") is None, "nothing of a refused request is kept"
    await bus.jobs.fail(keys.job_keys(jobs[5]), "e", "internal", "over")
    await post(bus, "many", 1, at_ms=2, limits=limits)


async def test_a_repeated_call_is_not_refused_for_its_own_jobs(bus: Bus) -> None:
    limits = JobLimits(in_all=2, per_client=2)
    assert await post(bus, "many", 2, limits=limits) == await post(bus, "many", 2, limits=limits)
    assert len(await working(bus)) == 2


async def test_a_client_has_a_bounded_number_of_chunks_waiting_and_its_jobs_share_it(bus: Bus) -> None:
    big, small = await post(bus, "many", 2)
    (other,) = await post(bus, "other", 1, at_ms=1)

    async def have_room() -> list[bool]:
        return [await bus.jobs.has_chunk_room(job_id, max_undone=32) for job_id in (big, small, other)]

    async def dispatch(job_id: str, count: int) -> None:
        chunks = [(b"{}", b"")] * count
        await bus.jobs.dispatch_chunks(await owner_of(bus, job_id), chunks, Cut(1, 1, b""), before=0, max_undone=32)

    half = LEAST_CHUNKS_WAITING // 2
    await dispatch(big, half)
    assert await have_room() == [False, True, True], "one job leaves room for the client's other one"
    await dispatch(small, half)
    assert await have_room() == [False, False, True]
    await bus.client.xgroup_create(keys.JOB_CHUNKS, keys.STAGE_TRANSCRIBER, id="0")
    await bus.client.xreadgroup(keys.STAGE_TRANSCRIBER, "replica", {keys.JOB_CHUNKS: ">"}, count=2)
    assert await have_room() == [True, True, True], "chunks in hand do not wait"
    assert not await bus.jobs.has_chunk_room(big, max_undone=half)


async def test_an_ended_job_needs_no_prompt_and_a_failed_one_is_kept_for_an_hour(bus: Bus) -> None:
    config = JobConfig("spooled", "größe.wav", 2**31, "de", prompt="Ann")
    for job_id in ("good", "bad"):
        await bus.jobs.create([NewJob(job_id, "e", msgspec.json.encode(config))], 0)
    await bus.jobs.complete(keys.job_keys("good"), "e", JobResult("", "de", 1.0, []))
    await bus.jobs.fail(keys.job_keys("bad"), "e", "bad_audio", "none")
    for job_id, ttl_s in (("good", keys.JOB_TTL_S), ("bad", keys.FAILED_JOB_TTL_S)):
        state = await bus.jobs.state(job_id)
        assert state is not None
        assert state.config == msgspec.structs.replace(config, prompt="")
        assert ttl_s - 60 < await bus.client.ttl(keys.job_keys(job_id).state) <= ttl_s


async def test_beyond_a_number_of_ended_jobs_the_oldest_are_deleted(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_shared.streams.jobs.MAX_ENDED_KEPT", 2)
    jobs = await post(bus, "many", 4)
    for job_id in jobs[:3]:
        await bus.jobs.fail(keys.job_keys(job_id), "e", "bad_audio", "none")
    states = [await bus.jobs.status(job_id) for job_id in jobs]
    assert states == [None, JobStatus.FAILED, JobStatus.FAILED, JobStatus.QUEUED]
