"""OpenAI's API for audio on a real server: answers, events, errors in its form, and clients that leave."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from redis.asyncio import Redis
from starlette.requests import HTTPConnection
from support.gateway_harness import Gateway, running_gateway, stand_ins, tell_status, until
from support.posted_jobs import AUDIO, JOBS, RESULT, SEGMENTS, ended
from support.wiring import read_state

from stt_gateway.core.requests.principal import Principal, Scope
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import ChunkResult, JobConfig, JobError, JobResult, JobStatus, JobWarning, SpeakerCount
from stt_shared.contracts.session import Task
from stt_shared.streams import keys

pytestmark = pytest.mark.contract

TRANSCRIPTIONS = "/v1/audio/transcriptions"
COMPLETED = {"result": msgspec.json.encode(RESULT)}


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path, max_upload_bytes=20_000) as gateway,
    ):
        await tell_status(redis_client, "transcriber", detail={"model": "base", "languages": ["en", "de"]})
        yield gateway


async def job_ids(gateway: Gateway) -> list[str]:
    prefix = keys.job_keys("").state
    found = [key.decode().removeprefix(prefix) for key in await gateway.client.keys(f"{prefix}*")]
    return [job_id for job_id in found if ":" not in job_id]


async def new_job(gateway: Gateway) -> str:
    """The job of a request that waits for its answer."""
    found: list[str] = await until(lambda: job_ids(gateway))
    return found[0]


async def status_of(gateway: Gateway, job_id: str) -> str:
    return (await read_state(gateway.client, keys.job_keys(job_id)))[b"status"].decode()


def send(
    http: httpx2.AsyncClient, path: str = TRANSCRIPTIONS, headers: dict[str, str] | None = None, **fields: Any
) -> "asyncio.Task[httpx2.Response]":
    """A request under way; the file comes before the fields, as npm's client sends it."""
    return asyncio.create_task(http.post(path, files={"file": ("talk.mp3", AUDIO)}, data=fields, headers=headers))


async def answered(
    gateway: Gateway, sent: "asyncio.Task[httpx2.Response]", status: JobStatus = JobStatus.COMPLETED, **more: bytes
) -> httpx2.Response:
    """The answer once the job has ended so."""
    await ended(gateway, await new_job(gateway), status, **(more or COMPLETED))
    return await sent


def error_of(response: httpx2.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


async def test_a_file_becomes_a_job_and_its_text_the_answer(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    sent = send(http, model="whisper-1", language="en", temperature="0", user="u")
    job_id = await new_job(gateway)
    config = msgspec.json.decode((await read_state(gateway.client, keys.job_keys(job_id)))[b"config"], type=JobConfig)
    assert (config.filename, config.language, config.task) == ("talk.mp3", "en", Task.TRANSCRIBE)
    assert not sent.done()
    response = await answered(gateway, sent)
    assert response.json() == {
        "text": RESULT.text,
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 3},
    }
    assert response.headers["x-ignored-fields"] == "user"


async def test_every_format(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    await answered(gateway, send(http, model="whisper-1"))
    job_id = await new_job(gateway)

    async def is_stored() -> bool:
        return (await http.get(f"/v1/stt/transcripts/{job_id}")).status_code == 200

    await until(is_stored)
    # The same file again: its transcript is in the store.
    got = {}
    for kind in ("text", "srt", "vtt", "verbose_json"):
        got[kind] = await http.post(
            TRANSCRIPTIONS, files={"file": ("talk.mp3", AUDIO)}, data={"model": "base", "response_format": kind}
        )
    assert await job_ids(gateway) == [job_id]
    assert got["text"].text == f"{RESULT.text}\n"
    for kind in ("srt", "vtt"):
        assert got[kind].text == (await http.get(f"{JOBS}/{job_id}/result.{kind}")).text
        assert got[kind].headers["content-type"].startswith("text/plain")
    verbose = got["verbose_json"].json()
    assert (verbose["language"], len(verbose["segments"]), "words" in verbose) == ("english", 2, False)


async def test_speakers(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    sent = send(http, model="gpt-4o-transcribe-diarize", response_format="diarized_json")
    fields = await read_state(gateway.client, keys.job_keys(await new_job(gateway)))
    assert msgspec.json.decode(fields[b"config"], type=JobConfig).speakers == SpeakerCount()
    said = [msgspec.structs.replace(one, speaker=f"Speaker {one.id + 1}") for one in SEGMENTS]
    result = JobResult(RESULT.text, "en", 3.0, said)
    response = await answered(gateway, sent, result=msgspec.json.encode(result))
    assert [one["speaker"] for one in response.json()["segments"]] == ["A", "B"]


async def test_speakers_that_could_not_be_told_apart_are_an_error(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    result = msgspec.structs.replace(RESULT, warnings=[JobWarning("no_speakers", "no model")])
    sent = send(http, response_format="diarized_json")
    response = await answered(gateway, sent, result=msgspec.json.encode(result))
    assert error_of(response, 422)["param"] == "response_format"


async def test_translations_are_in_english(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    sent = send(http, "/v1/audio/translations", model="whisper-1", response_format="verbose_json")
    fields = await read_state(gateway.client, keys.job_keys(await new_job(gateway)))
    assert msgspec.json.decode(fields[b"config"], type=JobConfig).task is Task.TRANSLATE
    assert (await answered(gateway, sent)).json()["task"] == "translate"


async def test_parts_are_told_in_order_while_the_rest_is_in_work(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    first, second = (ChunkResult("en", [one], one.text) for one in SEGMENTS)
    files, data = {"file": ("talk.mp3", AUDIO)}, {"model": "whisper-1", "stream": "true"}
    async with http.stream("POST", TRANSCRIPTIONS, files=files, data=data) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()

        async def next_event() -> dict[str, Any]:
            kind, data, end = [await anext(lines) for _ in range(3)]
            event: dict[str, Any] = json.loads(data.removeprefix("data: "))
            assert (kind, end) == (f"event: {event['type']}", "")
            return event

        job_id = await new_job(gateway)

        async def done(number: int, part: ChunkResult) -> None:
            await gateway.client.hset(keys.job_parts(job_id), str(number), msgspec.json.encode(part))
            await gateway.client.publish(keys.job_changes(job_id), b"progress")

        await done(1, second)
        await done(0, first)
        heard = [await next_event(), await next_event()]
        await ended(gateway, job_id, JobStatus.COMPLETED, **COMPLETED)
        heard.append(await next_event())
        with pytest.raises(StopAsyncIteration):
            await anext(lines)
    assert [one.get("delta") for one in heard] == ["Ever tried.", " Ever <failed> --> & on.", None]
    assert (heard[-1]["type"], heard[-1]["text"]) == ("transcript.text.done", RESULT.text)


async def test_a_job_that_fails_is_an_error_that_nobody_repeats(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    failure = msgspec.json.encode(JobError("bad_audio", "no audio in it"))
    response = await answered(gateway, send(http), JobStatus.FAILED, error=failure)
    error = error_of(response, 400)
    assert (error["code"], error["message"]) == ("bad_audio", "no audio in it")
    assert response.headers["x-should-retry"] == "false"


async def test_a_job_that_fails_while_it_streams_is_an_event(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    failure = msgspec.json.encode(JobError("bad_audio", "no audio in it"))
    response = await answered(gateway, send(http, stream="true"), JobStatus.FAILED, error=failure)
    kind, data, *_ = response.text.split("\n")
    assert kind == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "bad_audio"


async def test_a_cancelled_job_is_a_conflict(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    sent = send(http)
    await http.post(f"{JOBS}/{await new_job(gateway)}/cancel")
    response = await sent
    assert "cancelled" in error_of(response, 409)["message"]
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", ["false", "true"])
@pytest.mark.parametrize("key", [None, "k"])
async def test_a_client_that_leaves_cancels_its_job_unless_it_may_come_back(
    gateway: Gateway, http: httpx2.AsyncClient, stream: str, key: str | None
) -> None:
    headers = {"Idempotency-Key": key} if key else {}
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as leaving:
        sent = send(leaving, headers=headers, stream=stream)
        job_id = await new_job(gateway)
        sent.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sent
    if key is None:
        await until(lambda: _is(gateway, job_id, "cancelled"))
        return
    await asyncio.sleep(0.3)
    assert await status_of(gateway, job_id) == "queued"
    again = send(http, headers=headers)
    assert (await answered(gateway, again)).json()["text"] == RESULT.text
    assert await job_ids(gateway) == [job_id]


async def _is(gateway: Gateway, job_id: str, status: str) -> bool:
    return await status_of(gateway, job_id) == status


async def test_models(http: httpx2.AsyncClient) -> None:
    listed = (await http.get("/v1/models")).json()
    assert listed["object"] == "list"
    names = [one["id"] for one in listed["data"]]
    assert names[0] == "whisper-1"
    assert names[-1] == "base"
    assert (await http.get("/v1/models/base")).json() == listed["data"][-1]
    assert error_of(await http.get("/v1/models/org/large"), 404)["code"] == "model_not_found"
    response = await http.post(TRANSCRIPTIONS, files={"file": ("a.mp3", AUDIO)}, data={"model": "large"})
    assert error_of(response, 404)["code"] == "model_not_found"


REFUSED: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "no form": ("POST", {"json": {"file": "a.mp3"}}, 400, "bad_message"),
    "no file": ("POST", {"files": {"audio": ("a.mp3", AUDIO)}}, 400, "bad_message"),
    "two files": ("POST", {"files": [("file", ("a", AUDIO)), ("file", ("b", AUDIO))]}, 400, "bad_message"),
    "too large": ("POST", {"files": {"file": ("a.mp3", AUDIO * 4)}}, 413, "too_large"),
    "a language that the model does not know": (
        "POST", {"files": {"file": ("a.mp3", AUDIO)}, "data": {"language": "fr"}}, 422, "bad_config"
    ),
    "a wrong format": (
        "POST", {"files": {"file": ("a.mp3", AUDIO)}, "data": {"response_format": "xml"}}, 422, "bad_config"
    ),
    "another method": ("PUT", {}, 405, "method_not_allowed"),
    "a forbidden page": ("POST", {"headers": {"origin": "https://evil.example"}}, 403, "forbidden_origin"),
    "a forbidden host": ("POST", {"headers": {"host": "evil.example"}}, 421, "forbidden_host"),
}  # fmt: skip


async def test_what_is_refused_leaves_nothing_and_is_told_in_openais_form(
    gateway: Gateway, http: httpx2.AsyncClient
) -> None:
    for name, (method, request, status, code) in REFUSED.items():
        error = error_of(await http.request(method, TRANSCRIPTIONS, **request), status)
        assert (error["code"], error["type"]) == (code, "invalid_request_error"), name
        assert gateway.spooled == [], name
        assert await job_ids(gateway) == [], name
    assert error_of(await http.get("/v1/audio/nothing"), 404)["code"] == "not_found"
    assert "retry_after_s" not in (await http.get("/v1/audio/nothing")).text
    assert set((await http.get("/v1/stt/nothing")).json()["error"]) == {"code", "message"}, "its own form elsewhere"


async def test_without_workers_nobody_waits(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    await tell_status(gateway.client, "transcriber", state="starting")
    await asyncio.sleep(0.6)  # until the gateway reads the list of replicas again
    response = await http.post(TRANSCRIPTIONS, files={"file": ("a.mp3", AUDIO)})
    error = error_of(response, 503)
    assert (error["code"], error["type"]) == ("no_worker", "server_error")
    assert response.headers["x-should-retry"] == "true"
    assert int(response.headers["retry-after"]) >= 1


class Keys:
    """Check by a header, as OpenAI's clients send it."""

    parameters = ()

    async def __call__(self, connection: HTTPConnection) -> Principal:
        scopes = {"Bearer stream": {Scope.STREAM}, "Bearer jobs": {Scope.JOBS}}
        granted = scopes.get(connection.headers.get("authorization", ""))
        if granted is None:
            raise SttError("unauthorized", "no valid key")
        return Principal("local", "k", "k", frozenset(granted))


async def test_who_may_not_is_told_in_openais_form(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path, authorize=Keys()) as gateway,
        httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http,
    ):
        expected = [(None, 401, "invalid_api_key"), ("stream", 403, "insufficient_permissions")]
        for key, status, code in expected:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            response = await http.post(TRANSCRIPTIONS, files={"file": ("a.mp3", AUDIO)}, headers=headers)
            assert error_of(response, status)["code"] == code
        assert error_of(await http.get("/v1/models"), 401)["code"] == "invalid_api_key"
        assert (await http.get("/v1/models", headers={"Authorization": "Bearer jobs"})).status_code == 200
