"""Deepgram's API where the file is at a URL, or the answer goes to one."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, running_gateway, stand_ins, until
from support.posted_jobs import AUDIO, RESULT, ended
from support.receiver import Answer, Receiver, receiver
from support.wiring import bus_on

from stt_gateway.outbound import callbacks, fetches
from stt_shared.contracts.jobs import JobError, JobStatus

pytestmark = pytest.mark.contract

COMPLETED = {"result": msgspec.json.encode(RESULT)}
ALLOWING: dict[str, Any] = {
    "callback_secret": "whsec_" + "MTIzNDU2Nzg" * 4,
    "outbound_networks": "127.0.0.1",
    "outbound_http": True,
}


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(fetches, "LOOK_EVERY_S", 0.05)


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path, **ALLOWING) as gateway:
        yield gateway


async def told(hook: Receiver) -> Any:
    await until(lambda: hook.requests, 30)
    return json.loads(hook.requests[0].body)


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_callback_gets_the_answer_and_its_request_only_an_id(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver, method: str
) -> None:
    query = {"callback": f"{hook.url}/hook", "smart_format": "true"}
    query |= {"callback_method": method.lower()} if method == "PUT" else {}
    response = await http.post("/v1/listen", content=AUDIO, params=query)
    assert response.status_code == 200, response.text
    request_id = response.json()["request_id"]
    assert response.json() == {"request_id": response.headers["dg-request-id"]}
    await ended(gateway, uuid.UUID(request_id).hex, JobStatus.COMPLETED, **COMPLETED)
    body = await told(hook)
    assert hook.requests[0].method == method
    assert hook.requests[0].headers["webhook-signature"].startswith("v1,")
    assert body["metadata"]["request_id"] == request_id
    assert len(body["metadata"]["sha256"]) == 64
    view = body["results"]["channels"][0]["alternatives"][0]
    assert view["transcript"] == RESULT.text
    assert view["paragraphs"]["transcript"] == f"\n{RESULT.text}"


async def test_a_callback_is_told_of_a_failure_in_the_same_form(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver
) -> None:
    request_id = (await http.post("/v1/listen", content=AUDIO, params={"callback": hook.url})).json()["request_id"]
    failure = msgspec.json.encode(JobError("bad_audio", "no audio in it"))
    await ended(gateway, uuid.UUID(request_id).hex, JobStatus.FAILED, error=failure)
    assert await told(hook) == {"err_code": "Bad Request", "err_msg": "no audio in it", "request_id": request_id}


async def test_a_url_is_fetched_while_its_client_waits(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver
) -> None:
    hook.answer = lambda _: Answer(200, {"content-type": "audio/wav"}, AUDIO)
    sent = asyncio.create_task(http.post("/v1/listen", json={"url": f"{hook.url}/a.wav"}, params={"language": "en"}))
    await until(lambda: [path for path in gateway.spooled if path.suffix != ".part"])
    job_id = gateway.spooled[0].name.partition(".")[0]
    assert gateway.spooled[0].read_bytes() == AUDIO

    async def is_queued() -> bool:
        return await bus_on(gateway.client).jobs.status(job_id) == "queued"

    await until(is_queued)
    await ended(gateway, job_id, JobStatus.COMPLETED, **COMPLETED)
    body = (await sent).json()
    assert body["results"]["channels"][0]["alternatives"][0]["transcript"].startswith("ever tried ")
    assert body["metadata"]["sha256"] == ""


@pytest.mark.parametrize(
    ("body", "query", "code"),
    [
        ({"url": "{hook}/a.wav"}, {}, "REMOTE_CONTENT_ERROR"),
        ({"url": "https://10.0.0.1/"}, {}, "INVALID_QUERY_PARAMETER"),
        ({"url": "nowhere"}, {}, "Bad Request"),
        ({"uri": "https://example.org/"}, {}, "Bad Request"),
        ([], {}, "Bad Request"),
        ({"url": "{hook}/a.wav"}, {"encoding": "linear16"}, "INVALID_QUERY_PARAMETER"),
        ({"url": "{hook}/a.wav"}, {"callback": "https://10.0.0.1/"}, "INVALID_QUERY_PARAMETER"),
        ({"url": "{hook}/a.wav"}, {"callback": "{hook}", "callback_method": "get"}, "INVALID_QUERY_PARAMETER"),
    ],
)
async def test_what_does_not_come_or_may_not_is_told_in_its_form(
    gateway: Gateway, http: httpx2.AsyncClient, hook: Receiver, body: Any, query: dict[str, str], code: str
) -> None:
    hook.answer = lambda _: Answer(404)
    if isinstance(body, dict):
        body = {name: value.replace("{hook}", hook.url) for name, value in body.items()}
    query = {name: value.replace("{hook}", hook.url) for name, value in query.items()}
    response = await http.post("/v1/listen", json=body, params=query)
    assert (response.status_code, response.json()["err_code"]) == (400, code), response.text
