"""Health and metrics of a gateway on a real server, also while Redis is unavailable."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from structlog.testing import capture_logs
from support.gateway_harness import Gateway, line, running_gateway, since, stand_ins, tell_status, until
from support.live_client import talk

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.redis.client import connect
from stt_shared.streams import keys
from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work.heartbeat import Heartbeat

pytestmark = pytest.mark.contract


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_client, redis_url, tmp_path) as gateway:
        yield gateway


async def health(http: httpx2.AsyncClient) -> tuple[int, str, str, str]:
    response = await http.get("/health")
    body = response.json()
    services = body["services"]
    return response.status_code, body["status"], services["audio_processor"], services["whisper"]


async def test_health_follows_what_the_replicas_say(redis_client: Redis, http: httpx2.AsyncClient) -> None:
    assert await health(http) == (503, "unhealthy", "missing", "missing")
    await tell_status(redis_client, "audio-processor")
    await tell_status(redis_client, "transcriber", "starting")
    assert await health(http) == (503, "unhealthy", "ready", "loading")
    await tell_status(redis_client, "transcriber")
    assert await health(http) == (200, "healthy", "ready", "loaded")
    await tell_status(redis_client, "transcriber", "stalled", "2", reason="a decode of 30 s")
    assert await health(http) == (200, "degraded", "ready", "loaded")
    await tell_status(redis_client, "transcriber", "stalled", reason="a decode of 30 s")
    assert await health(http) == (503, "unhealthy", "ready", "stalled")
    body = (await http.get("/health")).json()
    assert {entry["reason"] for entry in body["replicas"] if entry["service"] == "transcriber"} == {"a decode of 30 s"}


async def test_a_replica_that_gives_no_sign_of_life_is_missing(redis_client: Redis, http: httpx2.AsyncClient) -> None:
    await tell_status(redis_client, "audio-processor")
    replica_id = await tell_status(redis_client, "transcriber")
    assert (await health(http))[0] == 200
    await redis_client.delete(keys.replica_alive(replica_id))
    assert await health(http) == (503, "unhealthy", "ready", "missing")


async def test_a_gateway_is_among_the_replicas_and_leaves_them(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path):
        (replica_id,) = await until(lambda: redis_client.hkeys(keys.REPLICAS))
        assert replica_id.startswith(b"gateway-")
    assert await redis_client.hkeys(keys.REPLICAS) == []


async def test_an_event_loop_that_stands_still_is_told(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path, health_stall_s=0.5) as gateway:
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            assert (await http.get("/health")).json()["services"]["gateway"] == "ready"
            (replica_id,) = await until(lambda: redis_client.hkeys(keys.REPLICAS))
            time.sleep(0.95)  # noqa: ASYNC251  (what is wanted here)
            status = await redis_client.hget(keys.REPLICAS, replica_id)
            assert b'"state":"stalled"' in status


async def test_metrics_are_one_valid_page_of_every_replica(
    gateway: Gateway, http: httpx2.AsyncClient, redis_client: Redis, redis_url: str
) -> None:
    text = b"# HELP stt_sessions_active Sessions in hand.\n# TYPE stt_sessions_active gauge\n"
    text += b'stt_sessions_active{service="transcriber"} 7.0\n'
    heartbeat = Heartbeat(
        redis_url, "t1", lambda: ReplicaStatus("t1", "transcriber", "ready", 0, capacity=4), lambda: text
    )
    heartbeat.start()
    try:
        await until(lambda: redis_client.exists(keys.replica_metrics("t1")))
        async with stand_ins(redis_client):
            await talk(gateway.stream(), [bytes(3200)])
            response = await http.get("/metrics")
    finally:
        await asyncio.to_thread(heartbeat.stop)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    announced = [row.split()[2] for row in response.text.splitlines() if row.startswith("# TYPE")]
    assert len(announced) == len(set(announced))
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    sessions = {s.labels["service"]: s.value for s in families["stt_sessions_active"].samples}
    assert sessions["transcriber"] == 7.0
    assert "gateway" in sessions
    stages = {sample.labels["stage"] for sample in families["stt_stage_seconds"].samples}
    assert {"receive", "deliver"} <= stages


async def test_metrics_tell_what_an_autoscaler_needs(
    gateway: Gateway, http: httpx2.AsyncClient, redis_client: Redis
) -> None:
    async def value(name: str) -> float:
        families = {each.name: each for each in text_string_to_metric_families((await http.get("/metrics")).text)}
        return max(sample.value for sample in families[name].samples)

    assert (await value("stt_live_waiting"), await value("stt_jobs_waiting")) == (0, 0)
    async with line(gateway.stream()) as client:
        refused = await client.hear("error")
    assert (refused["code"], await value("stt_live_waiting")) == ("no_worker", 1)
    await asyncio.sleep(refused["retry_after_s"])
    assert await value("stt_live_waiting") == 0
    assert (await http.post("/v1/stt/jobs", files={"file": ("a.wav", b"RIFF" + bytes(100))})).status_code == 202
    assert await value("stt_jobs_waiting") == 1
    assert 0 <= await value("stt_jobs_oldest_wait_seconds") < 60
    assert await value("stt_jobs_audio_seconds") == 0


async def test_metrics_that_nobody_can_read_are_left_out_and_counted(
    http: httpx2.AsyncClient, redis_client: Redis
) -> None:
    replica_id = await tell_status(redis_client, "transcriber")
    await redis_client.set(keys.replica_metrics(replica_id), b'load{replica="t1\xff')
    with capture_logs() as logs:
        pages = [await http.get("/metrics") for _ in range(3)]
    assert [page.status_code for page in pages] == [200] * 3
    families = {family.name: family for family in text_string_to_metric_families(pages[-1].text)}
    counts = [sample.value for sample in families["stt_metrics_unreadable"].samples if sample.name.endswith("_total")]
    assert counts == [2.0], "by the two pages before"
    assert [log["replica"] for log in logs if "cannot be parsed" in log["event"]] == [replica_id], "said once"


async def test_errors_are_counted_by_code(http: httpx2.AsyncClient) -> None:
    async def count() -> float:
        families = text_string_to_metric_families((await http.get("/metrics")).text)
        samples = [sample for family in families if family.name == "stt_errors" for sample in family.samples]
        return sum(sample.value for sample in samples if sample.labels["code"] == "method_not_allowed")

    before = await count()
    await http.put("/v1/stt/jobs")
    assert await count() == before + 1


async def test_without_redis_everything_answers_quickly_and_comes_back(tmp_path: Path) -> None:
    """A fixed bug: the file of a job that could not be queued stayed in the spool folder."""
    with EmbeddedRedis() as server:
        client = connect(server.url)
        async with stand_ins(client), running_gateway(client, server.url, tmp_path) as gateway:
            async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http:
                assert (await health(http))[0] == 200
                await client.execute_command("CLIENT", "PAUSE", "1200", "ALL")
                began = time.monotonic()
                response = await http.get("/health")
                assert since(began) < 1.5, "a server that accepts and does not answer is not waited for"
                assert (response.status_code, response.json()["services"]["redis"]) == (503, "unreachable")
                await until(lambda: answers(http))
                await client.shutdown(nosave=True)
                began = time.monotonic()
                response = await http.get("/health")
                assert since(began) < 1.5
                assert (response.status_code, response.json()["status"]) == (503, "unhealthy")
                alive, metrics, job, upload = await asyncio.gather(
                    http.get("/health/live"),
                    http.get("/metrics"),
                    http.get("/v1/stt/jobs/nobody"),
                    http.post("/v1/stt/jobs", files={"file": ("a.mp3", b"x")}),
                )
                assert (alive.status_code, metrics.status_code) == (200, 200)
                for refused in (job, upload):
                    assert refused.status_code == 503
                    error = refused.json()["error"]
                    assert error["code"] == "unavailable"
                    assert 0.5 <= error["retry_after_s"] <= 2
                    assert refused.headers["retry-after"] == str(math.ceil(error["retry_after_s"]))
                assert gateway.spooled == [], "an upload without a job is not kept"
                async with line(gateway.stream()) as session:
                    assert await session.rest() == 4431
                assert session.events[-1]["code"] == "unavailable"
                assert 0.5 <= session.events[-1]["retry_after_s"] <= 2
                server.start()
                await tell_status(client, "audio-processor", capacity=4)
                await tell_status(client, "transcriber", capacity=4)
                await until(lambda: answers(http))
        await client.aclose()


async def answers(http: httpx2.AsyncClient) -> bool:
    return (await http.get("/health")).status_code == 200


async def test_the_page_and_the_api_description_are_served(http: httpx2.AsyncClient) -> None:
    page = await http.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" in page.text
    assert "/v1/stt/jobs" in (await http.get("/openapi.json")).json()["paths"]
