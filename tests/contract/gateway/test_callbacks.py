"""Callbacks as a receiver gets them, from a gateway that serves."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from redis.asyncio import Redis
from support.gateway_harness import STOP, Gateway, end_job, line, running_gateway, stand_ins, until
from support.posted_jobs import AUDIO, JOBS, assert_refused, ended, posted
from support.receiver import Answer, Receiver, Request, receiver
from support.wiring import open_bus

from stt_gateway.core.outbound import attempts
from stt_gateway.outbound import callbacks
from stt_gateway.outbound.callbacks import CallbackSender, Told
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.jobs import JobStatus
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from stt_shared.streams.callbacks import Callback

pytestmark = pytest.mark.contract

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
ALLOWING: dict[str, Any] = {
    "callback_secret": SECRET,
    "callback_attempts": 3,
    "outbound_networks": "127.0.0.1",
    "outbound_http": True,
}


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "DELAYS_S", (0.05,))
    monkeypatch.setattr(callbacks, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(callbacks, "CHECK_SESSION_EVERY_MS", 200)


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path, **ALLOWING) as gateway:
        yield gateway


async def received(hook: Receiver, number: int = 1) -> Request:
    await until(lambda: len(hook.requests) >= number, 30)
    return hook.requests[number - 1]


async def told(http: httpx2.AsyncClient, job_id: str, status: str) -> dict[str, Any]:
    async def has_it() -> dict[str, Any] | None:
        callback = (await http.get(f"{JOBS}/{job_id}")).json().get("callback")
        return callback if callback and callback["status"] == status else None

    found: dict[str, Any] = await until(has_it, 30)
    return found


def assert_signed(request: Request, key: bytes = KEY) -> None:
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60


async def test_a_completed_job_is_posted_signed_with_its_result(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver
) -> None:
    job_id = await posted(http, callback_url=f"{hook.url}/hook?for=me")
    assert "callback" not in (await http.get(f"{JOBS}/{job_id}")).json()
    await end_job(gateway.client, job_id, "Ever tried.")
    request = await received(hook)
    assert (request.method, request.path) == ("POST", "/hook?for=me")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == job_id
    assert_signed(request)
    body = json.loads(request.body)
    assert body["type"] == "job.completed"
    data = body["data"]
    assert (data["job_id"], data["status"], data["filename"]) == (job_id, "completed", "talk.mp3")
    assert data["result"]["text"] == "Ever tried."
    assert (await http.get(data["status_url"])).json()["result"] == data["result"]
    assert (await http.get(data["result_url"])).json() == data["result"]
    assert await told(http, job_id, "delivered") == {"status": "delivered", "attempts": 1}
    assert len(hook.requests) == 1


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
async def test_other_ends_are_told_too(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver, status: JobStatus
) -> None:
    job_id = await posted(http, callback_url=hook.url)
    error = b'{"code":"bad_audio","message":"no audio"}' if status is JobStatus.FAILED else b""
    await ended(gateway, job_id, status, error=error)
    body = json.loads((await received(hook)).body)
    assert body["type"] == f"job.{status}"
    assert body["data"].get("error") == (json.loads(error) if error else None)
    assert "result_url" not in body["data"]


async def test_each_attempt_has_the_same_id_and_body_until_one_succeeds(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver
) -> None:
    hook.answer = lambda _: Answer(500 if len(hook.requests) < 3 else 200)
    job_id = await posted(http, callback_url=hook.url)
    await end_job(gateway.client, job_id, "Ever tried.")
    await received(hook, 3)
    assert await told(http, job_id, "delivered") == {"status": "delivered", "attempts": 3}
    assert {request.headers["webhook-id"] for request in hook.requests} == {job_id}
    assert len({request.body for request in hook.requests}) == 1
    for request in hook.requests:
        assert_signed(request)


async def test_it_is_given_up_in_the_end_and_that_is_told(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver
) -> None:
    hook.answer = lambda _: Answer(503)
    job_id = await posted(http, callback_url=hook.url)
    await end_job(gateway.client, job_id, "Ever tried.")
    callback = await told(http, job_id, "failed")
    assert callback == {"status": "failed", "attempts": 3, "error": "the receiver answered 503"}
    assert len(hook.requests) == 3
    metrics = (await http.get("/metrics")).text
    assert 'stt_callbacks_total{outcome="failed"' in metrics


@pytest.mark.parametrize(
    ("answer", "attempts", "error"),
    [
        (Answer(410), 1, "the receiver answered 410"),
        (Answer(302, {"location": "http://127.0.0.1:1/"}), 3, "the receiver answered 302"),
    ],
)
async def test_a_receiver_that_wants_none_or_is_elsewhere(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver, answer: Answer, attempts: int, error: str
) -> None:
    hook.answer = lambda _: answer
    job_id = await posted(http, callback_url=hook.url)
    await end_job(gateway.client, job_id, "Ever tried.")
    assert await told(http, job_id, "failed") == {"status": "failed", "attempts": attempts, "error": error}
    assert len(hook.requests) == attempts


async def test_a_name_that_leads_inside_is_given_up_at_once(
    redis_client: Redis, redis_url: str, tmp_path: Path, hook: Receiver
) -> None:
    settings = ALLOWING | {"outbound_networks": "192.0.2.7"}
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path, **settings) as gateway:
        async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http:
            job_id = await posted(http, callback_url=f"http://localhost:{hook.port}/")
            await end_job(redis_client, job_id, "Ever tried.")
            assert (await told(http, job_id, "failed"))["attempts"] == 1
    assert hook.requests == []


async def test_a_receiver_that_never_ends_its_answer_costs_one_attempt_at_most(
    redis_client: Redis, redis_url: str, tmp_path: Path, hook: Receiver
) -> None:
    hook.answer = lambda _: Answer(200, body=b"x" * 1_000_000, slow_s=1.0)
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path, **ALLOWING) as gateway:
        async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http:
            job_id = await posted(http, callback_url=hook.url)
            await end_job(redis_client, job_id, "Ever tried.")
            assert (await told(http, job_id, "delivered"))["attempts"] == 1, "the answer's body is not waited for"


async def test_a_gateway_that_dies_in_the_middle_is_followed_by_another_with_the_same_id(
    redis_client: Redis, redis_url: str, tmp_path: Path, hook: Receiver
) -> None:
    settings = GatewaySettings(redis_url=redis_url, spool_dir=tmp_path, data_dir=tmp_path, **ALLOWING)
    hook.answer = lambda _: Answer(200, slow_s=0.0) if len(hook.requests) > 1 else _hold()
    async with open_bus(redis_client) as bus:
        await bus.callbacks.watch_session("s1", "e1", hook.url, "local")

        async def tell(_: Callback) -> Told:
            return Told(b"{}")

        first = asyncio.create_task(CallbackSender(bus, settings, tell, lease_ms=500).run())
        await received(hook)
        await cancel_and_wait(first)  # what it did not settle is pending still
        second = asyncio.create_task(CallbackSender(bus, settings, tell, lease_ms=500).run())
        try:
            await received(hook, 2)
            await _until_none_waits(bus)
        finally:
            await cancel_and_wait(second)
    assert {request.headers["webhook-id"] for request in hook.requests} == {"session.e1"}


async def _until_none_waits(bus: Any) -> None:
    async def none() -> bool:
        return bool(await bus.callbacks.waiting() == 0)

    await until(none, 30)


def _hold() -> Answer:
    time.sleep(1.0)
    return Answer(200)


async def test_a_silent_host_does_not_hold_up_others(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver
) -> None:
    release = asyncio.Event()

    def wait(_: Request) -> Answer:
        deadline = time.monotonic() + 20
        while not release.is_set() and time.monotonic() < deadline:
            time.sleep(0.02)
        return Answer(200)

    with receiver("127.0.0.1") as silent:
        silent.answer = wait
        stuck = [await posted(http, f"{n}.mp3", callback_url=silent.url) for n in range(callbacks.AT_ONCE_PER_HOST + 4)]
        for job_id in stuck:
            await end_job(gateway.client, job_id, "stuck")
        await received(silent, callbacks.AT_ONCE_PER_HOST)
        job_id = await posted(http, callback_url=hook.url.replace("127.0.0.1", "localhost"))
        await end_job(gateway.client, job_id, "free")
        await received(hook)
        assert len(silent.requests) == callbacks.AT_ONCE_PER_HOST
        release.set()
        for job_id in stuck:
            await told(http, job_id, "delivered")


async def test_a_deleted_job_is_told_to_nobody(gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver) -> None:
    hook.answer = lambda _: Answer(500)
    job_id = await posted(http, callback_url=hook.url)
    await ended(gateway, job_id, JobStatus.CANCELLED)
    await received(hook)
    assert (await http.delete(f"{JOBS}/{job_id}")).status_code == 200
    assert await gateway.client.exists(keys.callback(job_id)) == 0


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://10.0.0.1/hook", "public internet"),
        ("https://169.254.169.254/", "public internet"),
        ("https://[::ffff:10.0.0.1]/", "public internet"),
        ("ftp://example.org/", "a URL such as"),
        ("nonsense", "a URL such as"),
    ],
)
async def test_a_url_that_leads_inside_is_refused_at_once(http: httpx2.AsyncClient, url: str, why: str) -> None:
    response = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, data={"callback_url": url})
    assert why in assert_refused(response, 422, "bad_config")


async def test_without_a_secret_or_plain_http_it_is_refused(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    for settings, url, why in (
        ({}, "https://example.org/", "CALLBACK_SECRET"),
        ({"callback_secret": SECRET}, "http://example.org/", "OUTBOUND_HTTP"),
    ):
        async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path, **settings) as gateway:
            async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http:
                response = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, data={"callback_url": url})
                assert why in assert_refused(response, 422, "bad_config")
                assert gateway.spooled == []


async def test_too_many_that_wait_refuse_the_next(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "MAX_WAITING", 0)
    response = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, data={"callback_url": hook.url})
    assert_refused(response, 503, "at_capacity")


async def test_another_callback_url_is_another_request(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver
) -> None:
    for url, status in ((f"{hook.url}/a", 202), (f"{hook.url}/a", 202), (f"{hook.url}/b", 409)):
        response = await http.post(
            JOBS,
            files={"file": ("a.mp3", AUDIO)},
            data={"callback_url": url},
            headers={"Idempotency-Key": "k"},
        )
        assert response.status_code == status


async def test_the_end_of_a_live_session_is_posted(gateway: Gateway, hook: Receiver) -> None:
    query = f"session_id=talk&store=true&conversation_id=room&callback_url={hook.url}/live"
    async with line(gateway.stream(query)) as client:
        ready = await client.hear("ready")
        assert ready["config"]["callback_url"] == f"{hook.url}/live"
        await client.send(bytes(32_000))
        await asyncio.sleep(0.5)
        assert hook.requests == [], "it has not ended"
        await client.send('{"type":"finalize"}', STOP)
        await client.hear("done")
    request = await received(hook)
    assert_signed(request)
    body = json.loads(request.body)
    assert body["type"] == "session.completed"
    transcript_id = body["data"].pop("transcript_id")
    assert transcript_id.startswith("talk.")
    assert body["data"] == {
        "session_id": "talk",
        "status": "completed",
        "duration_ms": 0,
        "finals": 1,
        "conversation_id": "room",
        "transcript_url": f"/v1/stt/transcripts/{transcript_id}",
    }


async def test_a_session_that_fails_or_vanishes_is_told_too(gateway: Gateway, hook: Receiver) -> None:
    async with line(gateway.stream(f"session_id=gone&callback_url={hook.url}")) as client:
        await client.hear("ready")
        await gateway.client.delete(keys.session_keys("gone").state)
        body = json.loads((await received(hook)).body)
    assert body["type"] == "session.closed"
    assert body["data"] == {"session_id": "gone", "status": "closed"}


async def test_a_session_whose_callback_is_refused_is_not_opened(gateway: Gateway) -> None:
    async with line(gateway.stream("callback_url=https://10.0.0.1/")) as client:
        error = await client.hear("error")
        assert (error["code"], await client.rest()) == ("bad_config", 4502)


async def test_no_log_line_holds_the_url_or_what_is_in_it(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    hook.answer = lambda _: Answer(500)
    with structlog.testing.capture_logs() as logged:
        credentials = hook.url.replace("http://", "http://ann:hidden@")
        job_id = await posted(http, callback_url=f"{credentials}/hook?token=hidden")
        await end_job(gateway.client, job_id, "secret words")
        await told(http, job_id, "failed")
    assert any(entry["event"] == "callback given up" for entry in logged)
    for text in (json.dumps(logged, default=str), caplog.text):
        for secret in ("hidden", "ann", str(hook.port), "secret words"):
            assert secret not in text
    assert hook.requests[0].headers["authorization"].startswith("Basic ")
