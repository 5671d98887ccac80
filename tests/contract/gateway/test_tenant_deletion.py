"""A deleted tenant leaves nothing in Redis, in the database and in the spool folder, and others lose nothing."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import STOP, Gateway, Line, Workers, line, tell_status, until
from support.key_samples import stored_key
from support.keyed_gateway import bearer, keyed
from support.posted_jobs import AUDIO
from support.wiring import bus_on

from stt_gateway.core.requests.api_key import WrittenKey
from stt_gateway.core.requests.principal import Scope
from stt_gateway.store import tenant_sweeper
from stt_gateway.store.api_keys import KeyStore
from stt_gateway.store.engine import database_url
from stt_gateway.store.tenant_deletions import LEFT, TENANT, TenantDeletions
from stt_gateway.store.tenant_sweeper import TenantSweeper
from stt_gateway.store.voices import VoiceStore
from stt_shared.contracts.conversation import SpeakersTold, UnrecognizedSpeech, Utterance
from stt_shared.contracts.events import RevisedUtterance
from stt_shared.contracts.jobs import JobError, JobResult, JobSegment, JobStatus
from stt_shared.contracts.makers import Maker
from stt_shared.contracts.speakers import KnownVoice
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.conversations import ConversationStreams
from stt_shared.streams.jobs import JobStreams
from stt_shared.streams.sessions import SessionStreams

pytestmark = [pytest.mark.contract, pytest.mark.timeout(240)]

HEARTBEATS = (b"replica", b"stt:suspects")


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is under way for long here."""
    monkeypatch.setattr(tenant_sweeper, "CHECK_EVERY_S", 0.2)
    monkeypatch.setattr(tenant_sweeper, "SWEEP_EVERY_S", 0.5)
    monkeypatch.setattr(tenant_sweeper, "SETTLED_S", 1.0)


@pytest.fixture
async def deletions(key_store: KeyStore, tmp_path: Path) -> AsyncIterator[TenantDeletions]:
    opened = TenantDeletions(database_url(None, tmp_path / "spool-data"))
    try:
        yield opened
    finally:
        await opened.close()


def said(tenant: str, key_id: str, number: int = 1) -> Utterance:
    return Utterance(
        conversation_id=f"board-{tenant}",
        session_id=f"{tenant}-kept",
        instance=f"{tenant}instance",
        utterance=number,
        speaker=f"Ann of {tenant}",
        text=f"words of {tenant} {number}",
        language="en",
        confidence=0.9,
        spoken_ms=int(wall_ms()) - 1000,
        start_ms=0,
        end_ms=500,
        store=True,
        maker=Maker(tenant, key_id),
    )


async def posted(http: httpx2.AsyncClient, tenant: str, name: str, **headers: str) -> str:
    files = {"file": (f"{name} of {tenant}.mp3", AUDIO + f"{name} {tenant}".encode())}
    answer = await http.post("/v1/stt/jobs", files=files, headers=headers)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["job_id"]
    return job_id


async def ended(jobs: JobStreams, job_id: str, tenant: str, **more: Any) -> None:
    state = await jobs.state(job_id)
    assert state is not None
    text = f"words of {tenant} in a file"
    result = JobResult(text, "en", 2.0, [JobSegment(0, 0.0, 2.0, text, 0.9, [])])
    if more:
        failed = JobStatus.FAILED
        await jobs.finish(keys.job_keys(job_id), state.epoch, failed, now_ms=wall_ms(), **more)
    else:
        await jobs.complete(keys.job_keys(job_id), state.epoch, result)


@contextlib.asynccontextmanager
async def all_there_is(gateway: Gateway, key: WrittenKey, tenant: str, folder: Path) -> AsyncIterator[Line]:
    """What a tenant can have, in the middle of its work. The line is that of an open session."""
    bus = bus_on(gateway.client)
    voices = VoiceStore(database_url(None, folder))
    async with httpx2.AsyncClient(base_url=gateway.url, headers=bearer(key), timeout=20, trust_env=False) as http:
        completed = await posted(http, tenant, "completed", **{"idempotency-key": f"once-{tenant}"})
        dead = await posted(http, tenant, "dead")
        await posted(http, tenant, "in progress", **{"idempotency-key": f"twice-{tenant}"})
        await ended(bus.jobs, completed, tenant)
        error = JobError("bad_audio", f"the file of {tenant} is broken")
        await ended(bus.jobs, dead, tenant, error=error.message.encode(), part="0", workers=["w1"])
        await bus.jobs.put_enrolled_voice(completed, tenant.encode())
        await bus.jobs.set_known_voices(tenant, [KnownVoice(f"Ann of {tenant}", b"voice")])
        await voices.add(tenant, f"Ann of {tenant}", bytes(256), wall_ms())
        await voices.close()
        one = said(tenant, key.id)
        whose = {"conversation_id": one.conversation_id, "session_id": one.session_id, "instance": one.instance}
        await bus.conversations.send(one)
        await bus.conversations.send_unrecognized(
            UnrecognizedSpeech(**whose, spoken_ms=one.spoken_ms, start_ms=600, end_ms=900, maker=one.maker)
        )
        await bus.conversations.send_speakers(
            SpeakersTold(
                **whose,
                as_of=1,
                told_ms=one.spoken_ms,
                utterances=[RevisedUtterance(utterance=1, speaker=f"Bob of {tenant}")],
                maker=one.maker,
            )
        )

        async def is_stored() -> bool:
            found = (await http.get("/v1/stt/transcripts")).json()["transcripts"]
            return {one["kind"] for one in found} == {"job", "live"}

        await until(is_stored, 30)
        # One that is deleted leaves its id.
        gone = await posted(http, tenant, "gone")
        await ended(bus.jobs, gone, tenant)
        await until(lambda: _answers(http, f"/v1/stt/transcripts/{gone}"), 30)
        assert (await http.delete(f"/v1/stt/transcripts/{gone}")).status_code == 204
        # Lost, and kept for a client that comes back.
        async with line(gateway.stream(f"session_id={tenant}-lost"), additional_headers=bearer(key)) as lost:
            await lost.hear("ready")
            await lost.send(bytes(3200))
            await until(lambda: _has_audio(bus, keys.session_keys_of(tenant, f"{tenant}-lost")))
            lost.socket.transport.abort()
        query = f"session_id={tenant}-open&conversation_id=board-{tenant}&speaker=Ann"
        async with line(gateway.stream(query), additional_headers=bearer(key)) as client:
            await client.hear("ready")
            await client.send(bytes(3200))
            yield client


async def _has_audio(bus: Bus, at: keys.StreamKeys) -> bool:
    state = await bus.sessions.state(at)
    return state is not None and state.audio_seq > 0


async def _answers(http: httpx2.AsyncClient, path: str) -> bool:
    return (await http.get(path)).status_code == 200


async def redis_of(client: Redis, *words: str) -> dict[bytes, Any]:
    """All keys that have one of these words in their name or in what they hold."""
    found: dict[bytes, Any] = {}
    for key in await client.keys():
        if any(part in key for part in HEARTBEATS):
            continue
        if b"stt:quotas:" in key:  # what a key has used is forgotten by itself
            assert key == keys.USES.encode() or 0 < await client.ttl(key) <= keys.USAGE_TTL_S, key
            continue
        match await client.type(key):
            case b"string":
                value: Any = await client.get(key)
            case b"hash":
                value = await client.hgetall(key)
            case b"list":
                value = await client.lrange(key, 0, -1)
            case b"zset":
                value = await client.zrange(key, 0, -1)
            case b"set":
                value = await client.smembers(key)
            case _:
                value = await client.xrange(key)
        if any(word in f"{key!r} {value!r}" for word in words):
            found[key] = value
    return found


def rows_of(folder: Path, *words: str) -> dict[str, list[str]]:
    """Rows of all tables, those of the search included, that have one of these words anywhere."""
    found: dict[str, list[str]] = {}
    with contextlib.closing(sqlite3.connect(folder / "transcripts.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = [repr(row) for row in database.execute(f'SELECT * FROM "{table}"')]
            if with_word := [row for row in rows if any(word in row for word in words)]:
                found[table] = with_word
    return found


def marks(folder: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(folder / "transcripts.db")) as database:
        return sorted(kind for (kind,) in database.execute("SELECT kind FROM deleted WHERE tenant = 'acme'"))


async def gone(client: Redis, folder: Path, spool: Path, deletions: TenantDeletions, key: WrittenKey) -> None:
    """Waits until acme is deleted, and looks everywhere."""

    async def is_over() -> bool:
        return not await deletions.left()

    await until(is_over, 60)
    assert await redis_of(client, "acme", key.id) == {}
    rows = rows_of(folder, "acme", key.id)
    assert (set(rows), marks(folder)) == ({"deleted"}, [TENANT])
    assert not any(b"acme" in path.read_bytes() for path in spool.iterdir())
    assert not any(b"words of acme" in path.read_bytes() for path in folder.glob("transcripts.db*"))


async def delete(gateway: Gateway, key: WrittenKey, name: str = "acme") -> tuple[int, Any]:
    async with httpx2.AsyncClient(base_url=gateway.url, headers=bearer(key), timeout=20, trust_env=False) as http:
        answer = await http.delete(f"/v1/stt/tenants/{name}")
        return answer.status_code, answer.json()


async def test_nothing_is_left_of_a_deleted_tenant_and_all_of_the_others(
    key_store: KeyStore,
    deletions: TenantDeletions,
    redis_client: Redis,
    redis_url: str,
    tmp_path: Path,
    workers: Workers,
) -> None:
    folder, spool = tmp_path / "spool-data", tmp_path / "spool"
    key, other = await stored_key(key_store, *Scope), await stored_key(key_store, *Scope, tenant="other")
    async with (
        keyed(redis_client, redis_url, tmp_path) as gateway,
        keyed(redis_client, redis_url, tmp_path) as neighbour,
    ):
        await tell_status(redis_client, "transcriber", capacity=16, detail={"model": "base"})
        async with (
            all_there_is(gateway, key, "acme", folder) as session,
            all_there_is(neighbour, other, "other", folder) as theirs,
        ):
            assert len(await redis_of(redis_client, "acme")) > 10
            assert len(rows_of(folder, "acme")) >= 9
            spooled = len(gateway.spooled)
            their_keys, their_rows = await redis_of(redis_client, "other"), rows_of(folder, "other")
            assert await delete(gateway, key) == (202, {"tenant": "acme", "state": "deleting"})
            assert await session.rest(30) == 4510
            await gone(redis_client, folder, spool, deletions, key)
            assert len(gateway.spooled) == spooled / 2
            # What only mentions them, as a queue does, comes and goes.
            assert {name for name in their_keys if b"other" in name} <= set(await redis_of(redis_client, "other"))
            assert {table: len(rows) for table, rows in rows_of(folder, "other").items()} == {
                table: len(rows) for table, rows in their_rows.items()
            }
            await theirs.send(STOP)
            assert await theirs.rest() == 1000
            # Its name is reserved: what still comes late must not meet another tenant.
            assert (await delete(neighbour, key))[0] == 401
            with pytest.raises(Exception, match="was deleted"):
                await stored_key(key_store, Scope.READ)


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (SessionStreams, "delete_of"),
        (JobStreams, "delete"),
        (ConversationStreams, "delete"),
        (TenantDeletions, "delete_rows"),
    ],
    ids=["sessions", "jobs", "conversations", "rows"],
)
async def test_another_gateway_goes_on_when_one_dies_in_the_middle(
    owner: type,
    step: str,
    key_store: KeyStore,
    deletions: TenantDeletions,
    redis_client: Redis,
    redis_url: str,
    tmp_path: Path,
    workers: Workers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, spool = tmp_path / "spool-data", tmp_path / "spool"
    key = await stored_key(key_store, *Scope)
    reached = asyncio.Event()

    async def dies(*_: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        async with keyed(redis_client, redis_url, tmp_path) as gateway:
            await tell_status(redis_client, "transcriber", capacity=16, detail={"model": "base"})
            async with all_there_is(gateway, key, "acme", folder) as session:
                patched.setattr(owner, step, dies)
                assert (await delete(gateway, key))[0] == 202
                await asyncio.wait_for(reached.wait(), 20)
                assert await session.rest(30) == 4510
    assert marks(folder).count(LEFT) == 1
    async with keyed(redis_client, redis_url, tmp_path):
        await gone(redis_client, folder, spool, deletions, key)


async def test_what_comes_late_is_deleted_too(
    key_store: KeyStore,
    deletions: TenantDeletions,
    redis_client: Redis,
    redis_url: str,
    tmp_path: Path,
    workers: Workers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tenant_sweeper, "SETTLED_S", 6.0)
    folder, spool = tmp_path / "spool-data", tmp_path / "spool"
    key = await stored_key(key_store, *Scope)
    swept = asyncio.Event()
    sweep = TenantSweeper.sweep

    async def noted(self: TenantSweeper, tenant: str) -> None:
        await sweep(self, tenant)
        swept.set()

    monkeypatch.setattr(TenantSweeper, "sweep", noted)
    async with keyed(redis_client, redis_url, tmp_path) as gateway:
        began = time.monotonic()
        assert (await delete(gateway, key))[0] == 202
        await asyncio.wait_for(swept.wait(), 20)
        await bus_on(redis_client).conversations.send(said("acme", key.id))
        await gone(redis_client, folder, spool, deletions, key)
        assert time.monotonic() - began >= 6


async def test_admins_delete_their_own_tenant_alone(
    key_store: KeyStore, redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    admin = await stored_key(key_store, Scope.ADMIN)
    user = await stored_key(key_store, *(set(Scope) - {Scope.ADMIN}))
    local = await stored_key(key_store, Scope.ADMIN, tenant="local")
    async with keyed(redis_client, redis_url, tmp_path) as gateway:
        for key, name, status in [
            (admin, "other", 404),
            (admin, "nobody", 404),
            (user, "acme", 403),
            (local, "local", 409),
        ]:
            assert (await delete(gateway, key, name))[0] == status, name
    assert marks(tmp_path / "spool-data") == []
