"""The owner of a job's keys: what each write changes, what it refuses, and what may be repeated."""

from typing import Any

import msgspec
import pytest
from support.fake_bus import fake_bus

from stt_shared.contracts.jobs import (
    ChunkResult,
    DecodedFile,
    JobConfig,
    JobError,
    JobResult,
    JobSegment,
    JobStatus,
    JobWarning,
)
from stt_shared.contracts.makers import Maker
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.jobs import Cut, NewJob
from stt_shared.streams.ownership import Ownership

pytestmark = pytest.mark.unit

JOB = "job-0123456789abcdef"
AT = keys.job_keys(JOB)
CONFIG = JobConfig(JOB, "talk.wav", language="de")
RESULT = JobResult("Guten Tag.", "de", 1.0, [JobSegment(0, 0.0, 1.0, "Guten Tag.", 0.9, [])])


@pytest.fixture
async def bus() -> Bus:
    bus = fake_bus()
    assert await bus.jobs.create([NewJob(JOB, "e", msgspec.json.encode(CONFIG))], 1000)
    return bus


async def claimed(bus: Bus, stage: str = keys.STAGE_TRANSCRIBER) -> Ownership:
    owner = await bus.sessions.claim(AT, "e", stage, "replica")
    assert owner is not None
    return owner


async def ends(bus: Bus) -> list[dict[bytes, bytes]]:
    entries: Any = await bus.client.xrange(keys.JOBS_ENDED)
    return [fields for _, fields in entries]


async def test_a_new_job_is_read_back_typed(bus: Bus) -> None:
    state = await bus.jobs.state(JOB)
    assert state is not None
    assert (state.status, state.is_active, state.epoch) == (JobStatus.QUEUED, True, "e")
    assert (state.config, state.created_ms, state.progress) == (CONFIG, 1000.0, 0.0)
    assert (state.chunks, state.result, state.error) == (None, None, None)
    assert await bus.jobs.state("another-0123456789ab") is None
    assert await bus.jobs.status("another-0123456789ab") is None


async def test_an_owner_owns_its_stage_until_another_claims_it_or_the_job_ends(bus: Bus) -> None:
    first = await claimed(bus)
    assert await bus.jobs.owns(first)
    second = await bus.sessions.claim(AT, "e", keys.STAGE_TRANSCRIBER, "heir", "replica")
    assert second is not None
    assert not await bus.jobs.owns(first)
    assert await bus.jobs.owns(second)
    assert await bus.jobs.owns(Ownership(AT, "e"))
    assert not await bus.jobs.owns(Ownership(AT, "another epoch"))
    await bus.jobs.fail(AT, "e", "internal", "broken")
    assert not await bus.jobs.owns(second)
    assert not await bus.jobs.owns(Ownership(AT, "e"))


async def test_only_the_owner_of_an_active_job_sets_its_fields(bus: Bus) -> None:
    owner = await claimed(bus, keys.STAGE_AUDIO)
    assert await bus.jobs.set_processing(owner)
    assert await bus.jobs.set_length(owner, 32000)
    found = DecodedFile(warnings=[JobWarning("damaged", "the file is damaged", 1.0, 2.0)])
    assert await bus.jobs.set_decoded(owner, 16000, found)
    for late in (Ownership(AT, "e", keys.STAGE_AUDIO, owner.fence + 1), Ownership(AT, "x", keys.STAGE_AUDIO, 1)):
        assert not await bus.jobs.set_length(late, 1)
        assert not await bus.jobs.set_decoded(late, 1, DecodedFile())
    state = await bus.jobs.state(JOB)
    assert state is not None
    assert (state.status, state.total_samples, state.decoded) == (JobStatus.PROCESSING, 16000, found)
    await bus.jobs.finish(AT, "e", JobStatus.CANCELLED, now_ms=1)
    assert not await bus.jobs.set_processing(owner), "a write that is late does not undo a cancellation"
    assert await bus.jobs.status(JOB) is JobStatus.CANCELLED


async def test_a_job_ends_once_and_its_end_is_announced_in_the_same_step(bus: Bus) -> None:
    owner = await claimed(bus)
    await bus.jobs.dispatch_chunks(owner, [(b"{}", b"\0\0")], Cut(1, 1, b"cutter"), before=0, max_undone=8)
    assert not await bus.jobs.complete(AT, "another epoch", RESULT)
    assert await ends(bus) == []
    assert await bus.jobs.complete(AT, "e", RESULT)
    assert not await bus.jobs.complete(AT, "e", RESULT), "a repeated call, whose first answer was lost"
    assert not await bus.jobs.fail(AT, "e", "internal", "too late")
    assert await ends(bus) == [{b"id": JOB.encode(), b"status": b"completed"}]
    state = await bus.jobs.state(JOB, with_cutter=True)
    assert state is not None
    assert (state.status, state.is_active, state.progress) == (JobStatus.COMPLETED, False, 100.0)
    assert (state.result, state.error, state.cutter) == (RESULT, None, b"")


async def test_a_failed_job_says_why(bus: Bus) -> None:
    await bus.jobs.fail(AT, "e", "bad_audio", "no audio in it")
    state = await bus.jobs.state(JOB)
    assert state is not None
    assert (state.status, state.error) == (JobStatus.FAILED, JobError("bad_audio", "no audio in it"))
    assert await ends(bus) == [{b"id": JOB.encode(), b"status": b"failed"}]


async def test_a_job_that_killed_its_workers_is_recorded_with_them(bus: Bus) -> None:
    await bus.jobs.finish(AT, "e", JobStatus.FAILED, error=b"{}", now_ms=5, part="chunk 3", workers=["a", "b"])
    ((_, dead),) = await bus.client.xrange(keys.JOBS_DEAD)
    assert (dead[b"job_id"], dead[b"part"], dead[b"workers"]) == (JOB.encode(), b"chunk 3", b"a b")
    assert len(await ends(bus)) == 1


async def test_parts_are_stored_once_and_read_in_order(bus: Bus) -> None:
    owner = await claimed(bus)
    chunks = [(b"{}", b"\0\0")] * 11
    cut = Cut(11, 1, b"", chunks=11, samples=11)
    assert (await bus.jobs.dispatch_chunks(owner, chunks, cut, before=0, max_undone=16)).outcome == "ok"

    async def store(index: int, text: str) -> bool:
        part = msgspec.json.encode(ChunkResult("de", [], text))
        return await bus.jobs.store_part(AT, "e", index, part, n_samples=1)

    assert not any([await store(index, str(index)) for index in range(10)])
    assert not await store(9, "done by two workers")
    assert not await bus.jobs.is_part_done(JOB, 10)
    assert await store(10, "10"), "the last one"
    assert await bus.jobs.parts_done(JOB) == 11
    assert [part.text for part in await bus.jobs.parts(JOB)] == [str(index) for index in range(11)]
    assert not await bus.jobs.store_part(AT, "another epoch", 0, b"{}", n_samples=1)


async def test_dispatching_is_fenced_bounded_and_repeatable(bus: Bus) -> None:
    owner, cut = await claimed(bus), Cut(2, 1, b"")
    chunks = [(b"{}", b"\0\0")] * 2

    async def dispatch(owner: Ownership, before: int) -> str:
        return (await bus.jobs.dispatch_chunks(owner, chunks, cut, before=before, max_undone=2)).outcome

    assert [await dispatch(owner, 0) for _ in range(2)] == ["ok", "ok"]
    assert await bus.client.xlen(keys.JOB_CHUNKS) == 2, "a repeated call has no second effect"
    assert await dispatch(owner, 2) == "full"
    assert await dispatch(owner, 9) == "hole"
    assert await dispatch(Ownership(AT, "e", keys.STAGE_TRANSCRIBER, owner.fence + 1), 2) == "fenced"
    assert await dispatch(Ownership(AT, "x", keys.STAGE_TRANSCRIBER, owner.fence), 2) == "gone"


async def test_deleting_leaves_nothing_but_the_end_and_spares_an_active_job(bus: Bus) -> None:
    await bus.jobs.store_part(AT, "e", 0, b"{}", n_samples=1)
    assert not await bus.jobs.delete(JOB)
    assert await bus.jobs.parts_done(JOB) == 1
    await bus.jobs.complete(AT, "e", RESULT)
    for key in (AT.pcm_log, AT.audio_log, AT.results_log):
        await bus.client.xadd(key, {"left": "over"})
    assert [await bus.jobs.delete(JOB) for _ in range(2)] == [True, True]
    assert [key async for key in bus.client.scan_iter(f"*{JOB}*")] == []


async def test_every_change_that_a_watcher_sees_is_published(bus: Bus) -> None:
    listener = bus.client.pubsub()
    await listener.subscribe(keys.job_changes(JOB))
    await listener.get_message(timeout=1)

    async def heard() -> int:
        count = 0
        while await listener.get_message(timeout=0.01):
            count += 1
        return count

    audio, owner = await claimed(bus, keys.STAGE_AUDIO), await claimed(bus)
    await bus.jobs.set_processing(audio)
    assert await heard() == 1
    await bus.jobs.set_length(audio, 100)
    await heard()
    await bus.jobs.dispatch_chunks(owner, [(b"{}", b"\0\0" * 50)], Cut(70, 1, b""), before=0, max_undone=8)
    assert await heard() == 1, "20 samples of silence are done"
    await bus.jobs.store_part(AT, "e", 0, b"{}", n_samples=50)
    assert await heard() == 1
    await bus.jobs.store_part(AT, "e", 0, b"{}", n_samples=50)
    assert await heard() == 0, "nothing has changed"
    await bus.jobs.complete(AT, "e", RESULT)
    await bus.jobs.delete(JOB)
    assert await heard() == 2


async def test_jobs_are_found_by_their_tenant_in_each_state() -> None:
    bus = fake_bus()

    async def create(id: str, tenant: str, key: str = "") -> None:
        config = msgspec.json.encode(JobConfig(id, maker=Maker(tenant, "k1")))
        await bus.jobs.create([NewJob(id, "e", config)], 1000, key_hash=key, fingerprint=key, client=tenant)

    for tenant in ("acme", "other"):
        for number in range(8):
            await create(f"{tenant}{number}", tenant)
        await bus.jobs.fail(keys.job_keys(f"{tenant}0"), "e", "bad_audio", "")
    assert sorted(await bus.jobs.of_tenant("acme")) == [f"acme{number}" for number in range(8)]
    await bus.jobs.delete("acme0")
    assert "acme0" not in await bus.jobs.of_tenant("acme")


async def test_the_record_of_a_request_goes_with_its_first_job() -> None:
    bus = fake_bus()
    jobs = [NewJob(id, "e", msgspec.json.encode(JobConfig(id))) for id in ("first", "second")]
    await bus.jobs.create(jobs, 1000, key_hash="k", fingerprint="f")
    for id, left in (("second", 1), ("first", 0)):
        await bus.jobs.fail(keys.job_keys(id), "e", "bad_audio", "")
        await bus.jobs.delete(id)
        assert await bus.client.exists(keys.job_request("k")) == left
