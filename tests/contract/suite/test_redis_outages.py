"""Redis answers, but "not now": full, read-only after a failover, or unusable at the start."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis
from chaos.oracle import speech
from chaos.service import MODULES
from chaos.talk import Talk, speak_raw
from structlog.testing import capture_logs
from support.failed_start import failed_start
from support.fault_proxy import FaultProxy
from support.file_client import finished, post
from support.gateway_harness import STOP, line, running_gateway, stand_ins, until
from support.ports import free_port
from support.process_suite import Suite, heard, running_suite, wav, words_of
from support.redis_servers import redis_binary, redis_server
from support.wiring import bus_on

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_gateway.live import ingest
from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.client import connect, wait_until_ready
from stt_shared.redis.cluster_pipeline import new_pipeline
from stt_shared.redis.outage import Full, ReadOnly, Refused
from stt_shared.redis.pipeline import LuaFunction
from stt_shared.streams import keys
from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work import heartbeat as replicas
from stt_shared.work.heartbeat import Heartbeat
from stt_shared.work.queue import WorkQueue

# Three processes start in some of them.
pytestmark = [pytest.mark.contract, pytest.mark.timeout(240)]

SPEECH = speech([14, 14, 14], [300, 900, 900])
LONG = speech([20] * 200, [1000] * 200)
"""Ten minutes: no job of it ends before Redis is full."""
WRITES = LuaFunction.of("return redis.call('SET', KEYS[1], ARGV[1])")


@pytest.fixture(scope="module", params=["valkey", "redis7"])
def breakable(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    if request.param == "redis7":
        binary = redis_binary()
        if binary is None:
            pytest.skip("no redis-server: set REDIS_SERVER, or install Debian's package redis-server")
        running: Any = redis_server(binary)
    else:
        running = _embedded()
    with running as url, redis.Redis.from_url(url) as client:
        yield client


@pytest.fixture
def own_server(breakable: redis.Redis) -> redis.Redis:
    """An empty server of each kind that a test may break; its URL is ``url_of(server)``."""
    breakable.flushall()
    return breakable


@contextlib.contextmanager
def _embedded(*arguments: str) -> Iterator[str]:
    with EmbeddedRedis(arguments) as server:
        yield server.url


def url_of(client: redis.Redis) -> str:
    return "unix://" + str(client.connection_pool.connection_kwargs["path"])


@contextlib.contextmanager
def full(client: redis.Redis) -> Iterator[None]:
    client.config_set("maxmemory", "1")
    try:
        yield
    finally:
        client.config_set("maxmemory", "0")


@contextlib.contextmanager
def demoted(client: redis.Redis) -> Iterator[None]:
    """Nobody is at the address that it is to follow."""
    client.replicaof("127.0.0.1", "1")
    try:
        yield
    finally:
        client.replicaof("NO", "ONE")


async def spoken_until(talk: Talk, sent_ms: float) -> None:
    await until(lambda: talk.sent_ms >= sent_ms or talk.ended, 30)


async def test_a_failover_with_old_connections_is_only_a_pause(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    with EmbeddedRedis(("--port", str(ports[0]))), EmbeddedRedis(("--port", str(ports[1]))):
        old, new = (redis.Redis(port=port, decode_responses=True) for port in ports)
        new.replicaof("127.0.0.1", str(ports[0]))
        await until(lambda: new.info("replication")["master_link_status"] == "up", 20)
        async with running_suite(tmp_path, f"redis://127.0.0.1:{ports[0]}") as suite:
            talk = suite.talk("during", SPEECH)
            talking = asyncio.create_task(speak_raw(talk))
            await spoken_until(talk, 2000)
            suite.proxy.lead_to(f"redis://127.0.0.1:{ports[1]}")
            # As managed servers do it: no write is accepted that the new master lacks.
            old.execute_command("FAILOVER", "TO", "127.0.0.1", ports[1])
            await until(lambda: old.info("replication")["role"] == "slave", 20)
            await talking
            assert (talk.cause, heard(talk)) == ("", words_of(SPEECH)), suite.logs()[-3000:]
            # Whoever stays connected to the old server could not write.
            await until(suite.healthy)
            after = suite.talk("after", SPEECH)
            async with httpx2.AsyncClient(base_url=suite.url, trust_env=False, timeout=20) as http:
                job_id = await post(http, "a.wav", wav(SPEECH))
                _, view = await asyncio.gather(speak_raw(after), finished(http, job_id))
            assert (after.cause, heard(after)) == ("", words_of(SPEECH))
            assert view["result"]["text"].split() == words_of(SPEECH)
            assert suite.deaths == []
            assert "Traceback" not in suite.logs()
            assert '"exception"' not in suite.logs()


async def test_a_full_redis_is_unavailable_and_recovered_from(tmp_path: Path) -> None:
    port = free_port()
    with EmbeddedRedis(("--port", str(port))):
        server = redis.Redis(port=port)
        async with running_suite(tmp_path, f"redis://127.0.0.1:{port}") as suite:
            talk = suite.talk("during", SPEECH)
            talking = asyncio.create_task(speak_raw(talk))
            await spoken_until(talk, 2000)
            async with httpx2.AsyncClient(base_url=suite.url, trust_env=False, timeout=20) as http:
                in_hand = await post(http, "long.wav", wav(LONG))
                with full(server):
                    await until(lambda: _redis_says(suite, "full"))
                    assert (await http.get("/health")).status_code == 503
                    refused = await http.post("/v1/stt/jobs", files={"file": ("a.wav", wav(SPEECH))})
                    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
                    assert int(refused.headers["retry-after"]) >= 1
                    async with line(suite.replicas[0].url) as client:
                        error = await client.hear("error")
                        assert (error["code"], error["retryable"]) == ("unavailable", True)
                    await asyncio.sleep(1)
                    # All still count as alive, or others would take over what they have in hand.
                    assert len((await suite.health())["replicas"]) == 3
                await talking
                assert (talk.cause, heard(talk)) == ("", words_of(SPEECH)), suite.logs()[-3000:]
                await until(suite.healthy)
                long = await finished(http, in_hand)
                assert long["result"]["text"].split() == words_of(LONG)
                view = await finished(http, await post(http, "a.wav", wav(SPEECH)))
            assert view["result"]["text"].split() == words_of(SPEECH)
            assert suite.deaths == []
            assert "Traceback" not in suite.logs()
            assert '"exception"' not in suite.logs()


async def _redis_says(suite: Suite, state: str) -> bool:
    health = await suite.health()
    return bool(health["services"]["redis"] == state and health["status"] == "unhealthy")


async def test_a_session_waits_for_a_full_redis_only_so_long(
    own_server: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "REDIS_PATIENCE_MS", 500.0)
    url = url_of(own_server)
    async with connect(url) as client, stand_ins(client), running_gateway(client, url, tmp_path) as gateway:
        async with line(gateway.stream()) as talking:
            await talking.hear("ready")
            with full(own_server):
                await talking.send(bytes(32000))
                error = await talking.hear("error")
        assert (error["code"], error["retryable"]) == ("unavailable", True)
        async with line(gateway.stream()) as talking:
            await talking.hear("ready")
            await talking.send(bytes(3200), STOP)
            await talking.hear("done")


async def test_health_warns_before_redis_is_full(own_server: redis.Redis, tmp_path: Path) -> None:
    url = url_of(own_server)
    async with connect(url) as client, stand_ins(client), running_gateway(client, url, tmp_path) as gateway:
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            used = own_server.info("memory")["used_memory"]
            own_server.config_set("maxmemory", str(int(used * 1.15)))
            try:
                answer = await http.get("/health")
            finally:
                own_server.config_set("maxmemory", "0")
    body = answer.json()
    assert (answer.status_code, body["status"], body["services"]["redis"]) == (200, "degraded", "nearly_full")


async def test_health_shows_that_its_own_heartbeat_is_missing(
    own_server: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "BEAT_S", 60.0)
    url = url_of(own_server)
    async with connect(url) as client, stand_ins(client), running_gateway(client, url, tmp_path) as gateway:
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:

            async def health() -> tuple[str, str]:
                body = (await http.get("/health")).json()
                return body["status"], body["services"]["gateway"]

            # Its only heartbeat, that of its start, expires.
            async with asyncio.timeout(5):
                while await health() != ("degraded", "missing"):
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize(("breakage", "kind"), [(full, Full), (demoted, ReadOnly)], ids=["full", "replica"])
async def test_every_way_to_write_says_that_redis_is_unavailable(
    own_server: redis.Redis, breakage: Any, kind: type[Exception]
) -> None:
    async with connect(url_of(own_server)) as client:
        pipeline = new_pipeline(client)
        await pipeline.call(WRITES, ["stt:x"], ["1"])
        with breakage(own_server):
            with pytest.raises(kind):
                await pipeline.call(WRITES, ["stt:x"], ["2"])
            with pytest.raises(kind):
                await pipeline.command("SET", "stt:x", "2")
            with pytest.raises(kind):
                await client.set("stt:x", "2")
            with pytest.raises(kind):
                await client.eval(WRITES.source, 1, "stt:x", "2")
            with pytest.raises(kind):
                await client.pipeline().set("stt:x", "2").execute()
            assert await pipeline.command("GET", "stt:x") == b"1", "it still reads"
        assert await pipeline.call(WRITES, ["stt:x"], ["3"]) == b"OK"


async def test_too_few_replicas_is_a_refusal_that_passes(own_server: redis.Redis) -> None:
    own_server.config_set("min-replicas-to-write", "1")
    try:
        async with connect(url_of(own_server)) as client:
            with pytest.raises(Refused):
                await new_pipeline(client).call(WRITES, ["stt:x"], ["2"])
    finally:
        own_server.config_set("min-replicas-to-write", "0")


async def test_a_blocked_reader_outlives_a_failover(own_server: redis.Redis) -> None:
    async with connect(url_of(own_server)) as client:
        queue = WorkQueue(bus_on(client), "stt:queue", "group", "r1")
        await queue.open()
        reading = asyncio.create_task(queue.take(1))
        await asyncio.sleep(0.2)
        with demoted(own_server):
            await asyncio.sleep(0.05)
        own_server.xadd("stt:queue", {"id": "1"})
        async with asyncio.timeout(5):
            items = await reading or await queue.take(1)
        assert [item.fields for item in items] == [{b"id": b"1"}]


async def test_a_subscriber_leaves_a_server_that_became_a_replica() -> None:
    ports = free_port(), free_port()
    with EmbeddedRedis(("--port", str(ports[0]))), EmbeddedRedis(("--port", str(ports[1]))):
        old, new = (redis.Redis(port=port) for port in ports)
        async with FaultProxy(f"redis://127.0.0.1:{ports[0]}") as proxy, connect(proxy.url) as client:
            async with ChannelHub(client, "stt:replica:r1") as hub, hub.listen("stt:channel") as inbox:
                proxy.lead_to(f"redis://127.0.0.1:{ports[1]}")
                old.replicaof("127.0.0.1", "1")
                await until(lambda: new.pubsub_numsub("stt:channel")[0][1] == 1, 10)
                # Repeated: what arrives together with the confirmation is for the log, as the inbox says.
                async with asyncio.timeout(5):
                    while await inbox.get(0.1) != b"hello":
                        new.publish("stt:channel", b"hello")


@pytest.mark.parametrize(("breakage", "state"), [(full, "full"), (demoted, "read_only")])
async def test_a_heartbeat_outlives_what_redis_answers(own_server: redis.Redis, breakage: Any, state: str) -> None:
    status = ReplicaStatus("r1", "gateway", "ready", 0)
    heartbeat = Heartbeat(url_of(own_server), "r1", lambda: status, lambda: b"")
    heartbeat.start()
    try:
        await until(lambda: own_server.exists(keys.replica_alive("r1")))
        with breakage(own_server):
            await until(lambda: heartbeat.trouble == state)
            await asyncio.sleep(1)
            assert own_server.exists(keys.replica_alive("r1")) == (state == "full")
        await until(lambda: heartbeat.trouble == "" and own_server.exists(keys.replica_alive("r1")))
    finally:
        await asyncio.to_thread(heartbeat.stop)


async def test_a_heartbeat_outlives_a_mistake_of_its_own(own_server: redis.Redis) -> None:
    failing = True

    def describe() -> ReplicaStatus:
        if failing:
            raise ValueError("a mistake")
        return ReplicaStatus("r1", "gateway", "ready", 0)

    heartbeat = Heartbeat(url_of(own_server), "r1", describe, lambda: b"")
    with capture_logs() as logs:
        heartbeat.start()
        try:
            await until(lambda: any(entry.get("exc_info") for entry in logs))
            failing = False
            await until(lambda: own_server.exists(keys.replica_alive("r1")))
        finally:
            await asyncio.to_thread(heartbeat.stop)


async def started(service: str, url: str, folder: Path) -> tuple[int | None, str]:
    """Exit code and stderr of a service that cannot start."""
    return await failed_start(
        *("-m", MODULES[service]),
        REDIS_URL=url,
        REDIS_WAIT_S="1",
        SPOOL_DIR=str(folder),
        DATA_DIR=str(folder),
        PORT="0",
        WHISPER_ENGINE="instant",
        VAD="rms",
    )


@pytest.mark.parametrize("service", MODULES)
async def test_an_unusable_redis_at_the_start_is_one_line(service: str, tmp_path: Path) -> None:
    with _embedded("--requirepass", "right", "--replicaof", "127.0.0.1 1") as url:
        (code, refused), (replica_code, replica), (none_code, without) = await asyncio.gather(
            started(service, url + "?password=wrong", tmp_path),
            started(service, url + "?password=right", tmp_path),
            started(service, url, tmp_path),
        )
    assert (code, replica_code, none_code) == (1, 1, 1)
    assert len(without.splitlines()) == 1, without
    assert "uthentic" in without
    assert len(refused.splitlines()) == 1, refused
    assert "invalid username-password pair" in refused
    assert "wrong" not in refused
    assert len(replica.splitlines()) == 1, replica
    assert "read only replica" in replica


async def test_the_launcher_names_an_unusable_redis_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"not read here")
    with _embedded("--requirepass", "right", "--replicaof", "127.0.0.1 1") as url:
        said = []
        for password in ("wrong", "right"):
            code, err = await failed_start(
                *("-c", "from stt_cli.main import app; app()", "up", "--port", "0"),
                cwd=str(tmp_path),
                REDIS_URL=f"{url}?password={password}",
                WHISPER_MODEL=str(tmp_path / "model"),
            )
            said.append((code, err.splitlines()))
    (wrong_code, (wrong,)), (replica_code, (replica,)) = said
    assert (wrong_code, replica_code) == (1, 1)
    assert wrong.startswith("error: cannot use Redis at unix://")
    assert "invalid username-password pair" in wrong
    assert "read only replica" in replica


async def test_waiting_for_a_redis_that_becomes_writable(own_server: redis.Redis) -> None:
    with full(own_server):
        with pytest.raises(redis.ConnectionError, match="maxmemory"):
            await wait_until_ready(url_of(own_server), 1)
        waiting = asyncio.create_task(wait_until_ready(url_of(own_server), 20))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    await waiting


async def test_a_start_without_permission_to_write_does_not_wait(own_server: redis.Redis) -> None:
    own_server.execute_command("ACL SETUSER reader on >secret ~stt:* &stt:* +@all -set")
    began = time.monotonic()
    with pytest.raises(redis.ConnectionError, match="no permissions"):
        await wait_until_ready(url_of(own_server) + "?username=reader&password=secret", 60)
    assert time.monotonic() - began < 30
