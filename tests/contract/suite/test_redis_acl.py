"""A user of Redis for each service, with only what it needs: a day's work of the suite, and no refusal."""

import asyncio
import contextlib
import signal
from pathlib import Path

import httpx2
import pytest
import redis
from chaos.oracle import speech
from chaos.replica import Replica
from chaos.talk import speak_raw
from support.file_client import finished, post
from support.gateway_harness import STOP, line, until
from support.ports import free_port
from support.process_suite import heard, running_suite, wav, words_of

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_gateway.store.engine import database_url
from stt_gateway.store.migrating import migrate
from stt_gateway.store.tenant_deletions import TenantDeletions
from stt_gateway.store.tenant_sweeper import TenantSweeper
from stt_shared.contracts.services import ServiceName
from stt_shared.process.audit import AuditTrail
from stt_shared.redis.outage import NotPermitted
from stt_shared.streams import keys
from stt_shared.streams.acl import USERS, RedisUser, acl_lines
from stt_shared.streams.bus import Bus
from stt_shared.streams.jobs import NewJob
from stt_shared.streams.quotas import Counter

pytestmark = [pytest.mark.contract, pytest.mark.timeout(300)]

ADMIN = "user default on nopass ~* &* +@all"


def acl_file(folder: Path) -> Path:
    """The file that `stt redis-acl` prints, with an administrator for the test."""
    passwords = {user.password_variable: f"secret of {user.name}" for user in USERS}
    off, *users = acl_lines(passwords)
    assert off == "user default off"
    path = folder / "users.acl"
    path.write_text("\n".join([ADMIN, *users, ""]))
    return path


def refusals(server: redis.Redis) -> list[str]:
    return [f"{entry['username']}: {entry['reason']} {entry['object']}" for entry in server.acl_log()]


async def test_the_suite_works_with_a_user_for_each_service(tmp_path: Path) -> None:
    port = free_port()
    urls = {user.name: f"redis://{user.name}:secret%20of%20{user.name}@127.0.0.1:{port}" for user in USERS}
    options = ("--port", str(port), "--aclfile", str(acl_file(tmp_path)))
    with EmbeddedRedis(options), redis.Redis(port=port, decode_responses=True) as server:
        async with running_suite(tmp_path, f"redis://127.0.0.1:{port}", urls=urls) as suite:
            # A second transcriber, to take over from the first.
            first = suite.replicas[-1]
            second = Replica(first.service, "second", first.env, tmp_path / "second.log")
            talk = suite.talk("during", speech([16] * 3, [500, 900, 900]))
            talking = asyncio.create_task(speak_raw(talk))
            try:
                async with httpx2.AsyncClient(base_url=suite.url, trust_env=False, timeout=30) as http:
                    await until(lambda: talk.sent_ms >= 1000 or talk.ended, 60)
                    second.start()
                    await until(lambda: _transcribers(server) == 2, 60)
                    first.send(signal.SIGKILL)
                    query = "conversation_id=board&speaker=Ann&store=true&session_id=kept"
                    spoken = speech([8], [300])
                    async with line(f"{suite.replicas[0].url}?{query}") as client:
                        await client.hear("ready")
                        await client.send(spoken.samples.tobytes(), STOP)
                        await client.hear("done", 60)
                    job_id = await post(http, "a.wav", wav(spoken))
                    await finished(http, job_id)
                    for kind in ("job", "live"):
                        await until(lambda kind=kind: _stored(http, kind), 30)
                    for path in ("/metrics", "/v1/stt/conversations/board", f"/v1/stt/jobs/{job_id}/result.srt"):
                        assert (await http.get(path)).status_code == 200, path
                    assert (await http.delete(f"/v1/stt/jobs/{job_id}")).status_code == 200
                    kept = await _stored(http, "live")
                    assert (await http.delete(f"/v1/stt/transcripts/{kept}")).status_code == 204
                await talking
                assert (talk.cause, heard(talk)) == ("", words_of(talk.speech)), suite.logs()[-3000:]
            finally:
                if second.process is not None:
                    second.process.kill()
                    second.process.wait()
        assert refusals(server) == []


async def test_a_gateway_may_delete_a_tenant(tmp_path: Path) -> None:
    port = free_port()
    gateway = next(user for user in USERS if user.service is ServiceName.GATEWAY)
    url = f"redis://{gateway.name}:secret%20of%20{gateway.name}@127.0.0.1:{port}"
    options = ("--port", str(port), "--aclfile", str(acl_file(tmp_path)))
    with EmbeddedRedis(options), redis.Redis(port=port, decode_responses=True) as server:
        deletions = TenantDeletions(database_url(None, tmp_path))
        await migrate(database_url(None, tmp_path))
        async with Bus.connect(url, "g1") as bus:
            sweeper = TenantSweeper(bus, deletions, tmp_path, AuditTrail(None))
            await bus.jobs.create(
                [NewJob("j1", "e1", b'{"spool_name": "j1", "maker": {"tenant": "acme", "key_id": "k1"}}')], 0
            )
            await sweeper.sweep("acme")
            assert await bus.jobs.state("j1") is None
        await deletions.close()
        assert refusals(server) == []


def _transcribers(server: redis.Redis) -> int:
    return sum("transcriber" in str(name) for name in server.hkeys("stt:{replicas}:status"))


async def _stored(http: httpx2.AsyncClient, kind: str) -> str:
    """The id of a stored transcript of this kind, '' without one."""
    found = (await http.get(f"/v1/stt/transcripts?kind={kind}")).json()["transcripts"]
    return str(found[0]["id"]) if found else ""


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.name)
def test_nobody_may_do_more(user: RedisUser, tmp_path: Path) -> None:
    port = free_port()
    with EmbeddedRedis(("--port", str(port), "--aclfile", str(acl_file(tmp_path)))):
        with redis.Redis(port=port, username=user.name, password=f"secret of {user.name}") as client:
            for forbidden in (
                "KEYS *",
                "SCAN 0",
                "CONFIG GET dir",
                "FLUSHALL",
                "MONITOR",
                "PSUBSCRIBE stt:*",
                "CLIENT LIST",
                "ACL LIST",
                "MODULE LIST",
                "GET other",
                "PUBLISH other x",
                "SCRIPT FLUSH",
                "SHUTDOWN",
            ):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    client.execute_command(*forbidden.split())
            assert client.hget("stt:stream:session:{a}", "epoch") is None
            for key, readers in (
                ("stt:transcripts:waiting", {"gateway"}),
                ("stt:conversations:said:{c}:log", {"gateway", "transcriber"}),
            ):
                allowed = contextlib.nullcontext()
                refused = pytest.raises(redis.exceptions.NoPermissionError)
                with allowed if user.name in readers else refused:
                    client.xrange(key)


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.name)
async def test_the_gateway_alone_counts_what_is_done_with_keys(user: RedisUser, tmp_path: Path) -> None:
    port = free_port()
    url = f"redis://{user.name}:secret%20of%20{user.name}@127.0.0.1:{port}"
    with EmbeddedRedis(("--port", str(port), "--aclfile", str(acl_file(tmp_path)))):
        async with Bus.connect(url, "counting") as bus:

            async def count() -> None:
                await bus.quotas.note_use("k1", "2026-01-31")
                await bus.quotas.spend([Counter(keys.counted_on_day("k1", "2026-01-31"), "requests", 1, 9, 60)])
                assert await bus.quotas.take_place(keys.open_streams("k1"), "c1", "s1", 1)
                await bus.quotas.renew_places(keys.open_streams("k1"), {"c1": "s1"})
                await bus.quotas.leave_place(keys.open_streams("k1"), "c1")
                for key_id, day in await bus.quotas.uses():
                    assert await bus.quotas.counted(key_id, day, "e1") == ("e1", {"requests": 1})
                    await bus.quotas.forget_use(key_id, day)

            if user.name == "gateway":
                await count()
            else:
                with pytest.raises(NotPermitted):
                    await count()
