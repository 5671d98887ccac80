"""Deepgram's API on a real server: live sessions, files, errors in its form, and every way to end."""

import asyncio
import contextlib
import hashlib
import random
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from redis.asyncio import Redis
from starlette.requests import HTTPConnection
from support.gateway_harness import STAMP, Gateway, Hand, Line, Workers, line, running_gateway, tell_status, until
from support.posted_jobs import AUDIO, RESULT, ended
from support.wiring import read_state

from stt_gateway.core.requests.principal import Principal, Scope
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import Finalized, SpeechEnded, SpeechStarted
from stt_shared.contracts.frames import Frame, FrameKind
from stt_shared.contracts.jobs import JobConfig, JobError, JobStatus
from stt_shared.contracts.session import ChannelMode
from stt_shared.streams import keys

pytestmark = pytest.mark.contract

CLOSE_STREAM = '{"type":"CloseStream"}'
FINALIZE = '{"type":"Finalize"}'
SECOND = bytes(32_000)
COMPLETED = {"result": msgspec.json.encode(RESULT)}


async def speech(hand: Hand, frame: Frame) -> None:
    """A transcriber's answers to somebody who speaks all the time: a final for each end of an utterance."""
    if frame.kind is not FrameKind.AUDIO:
        await hand.say(SpeechStarted(session_id=hand.id, start_ms=0, timestamp=STAMP))
        await hand.say(SpeechEnded(session_id=hand.id, end_ms=1, timestamp=STAMP))
        if frame.kind is FrameKind.FINALIZE:
            # Finals take a while to decode.
            await hand.say(Finalized(session_id=hand.id, at_ms=10**6, timestamp=STAMP))
        await hand.final(committed_ms=1)
        if frame.kind is FrameKind.STOP:
            await hand.done()


async def finalized(client: Line) -> dict[str, Any]:
    """The result that answers a Finalize."""
    while not (result := await client.hear("Results"))["from_finalize"]:
        pass
    return result


@pytest.fixture
def workers(workers: Workers) -> Workers:
    workers.script = speech
    return workers


def listening(gateway: Gateway, query: str = "encoding=linear16&session_id=d1") -> str:
    return gateway.url.replace("http", "ws") + f"/v1/listen?{query}"


def texts(client: Line) -> list[str]:
    """Texts of the finals."""
    found = [event for event in client.of("Results") if event["is_final"]]
    return [text for event in found if (text := event["channel"]["alternatives"][0]["transcript"])]


async def test_a_live_session(gateway: Gateway, workers: Workers) -> None:
    await tell_status(gateway.client, "transcriber", capacity=16, detail={"model": "base", "languages": ["en", "de"]})
    query = (
        "encoding=linear16&session_id=d1&sample_rate=8000&language=de-AT&model=nova-3&interim_results=true&punctuate=true"
        "&endpointing=300&vad_events=true&keyterm=Ann&unknown=x"
    )
    async with line(listening(gateway, query)) as client:
        await client.send(SECOND)
        hand = await workers.hand("d1")
        await hand.partial("words")
        await client.send('{"type":"KeepAlive"}', FINALIZE)
        await finalized(client)
        await client.send(CLOSE_STREAM)
        assert await client.rest() == 1000
        request_id = client.socket.response.headers["dg-request-id"]
    assert hand.audio == SECOND
    config = hand.config
    assert (config["sample_rate"], config["language"], config["endpointing_ms"]) == (8000, "de", 300)
    assert config["keyterms"] == ["Ann"]
    assert client.kinds[0] == "Results"
    assert client.kinds[-1] == "Metadata"
    assert texts(client) == ["words 1", "words 2"]
    metadata = client.events[-1]
    assert metadata["request_id"] == request_id == str(uuid.UUID(request_id))
    assert metadata["sha256"] == hashlib.sha256(SECOND).hexdigest()
    assert [one["name"] for one in metadata["model_info"].values()] == ["base"]
    assert {event["metadata"]["request_id"] for event in client.of("Results")} == {request_id}
    assert client.of("SpeechStarted")[0]["channel"] == [0, 1]


@pytest.mark.parametrize("end", [CLOSE_STREAM, b"", CLOSE_STREAM.encode()])
async def test_the_last_words_come_at_the_end_of_the_stream(
    gateway: Gateway, workers: Workers, end: str | bytes
) -> None:
    async with line(listening(gateway)) as client:
        await client.send(SECOND, end)
        assert await client.rest() == 1000
    assert texts(client) == ["words 1"]
    assert client.kinds[-1] == "Metadata"


async def test_the_last_words_come_after_finalize(gateway: Gateway, workers: Workers) -> None:
    async with line(listening(gateway)) as client:
        await client.send(SECOND, FINALIZE)
        assert (await finalized(client))["channel"]["alternatives"][0]["transcript"] == "words 1"
        await client.send(FINALIZE)
        assert (await finalized(client))["channel"]["alternatives"][0]["transcript"] == "", "nothing was said since"


async def test_the_last_words_are_written_after_a_plain_close(gateway: Gateway, workers: Workers) -> None:
    async with line(listening(gateway)) as client:
        await client.send(SECOND)
        hand = await workers.hand("d1")
    await until(lambda: hand.finals == ["words 1"])
    assert (hand.audio, hand.kinds) == (SECOND, ["audio", "stop"])


async def test_channels_apart(gateway: Gateway, workers: Workers) -> None:
    async with line(listening(gateway, "encoding=mulaw&multichannel=true&channels=2&session_id=d1")) as client:
        await client.send(SECOND)
        hand = await workers.hand("d1")
        await client.send(CLOSE_STREAM)
        assert await client.rest() == 1000
    assert (hand.config["channels"], hand.config["channel_mode"]) == (2, ChannelMode.SEPARATE)
    assert client.of("Results")[0]["channel_index"] == [0, 2]


async def test_what_is_refused_is_told_in_its_form(gateway: Gateway, workers: Workers) -> None:
    for query, variant in (
        ("callback=http://x", "INVALID_QUERY_PARAMETER"),
        ("encoding=g729", "INVALID_QUERY_PARAMETER"),
    ):
        async with line(listening(gateway, query)) as client:
            assert await client.rest() == 1008
            assert client.socket.close_reason == variant
        (event,) = client.events
        assert (event["type"], event["variant"]) == ("Error", variant)
        assert event["request_id"] == client.socket.response.headers["dg-request-id"]
    assert workers.hands == []


async def test_an_error_of_the_session(gateway: Gateway, workers: Workers) -> None:
    async with line(listening(gateway)) as client:
        await client.send(SECOND)
        hand = await workers.hand("d1")
        await hand.error("bad_audio", "no audio in it")
        assert await client.rest() == 1008
        assert client.socket.close_reason == "DATA-0000"
    assert (client.events[-1]["variant"], client.events[-1]["description"]) == ("Bad Request", "no audio in it")


async def test_without_workers(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path) as gateway:
        async with line(listening(gateway)) as client:
            assert await client.rest() == 1011
            assert client.socket.close_reason == "NET-0000"
        assert client.events[-1]["variant"] == "NO_WORKER"
        async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http:
            refused(await http.post("/v1/listen", content=AUDIO), 503, "NO_WORKER")


async def test_messages_that_cannot_be_read_disturb_nobody(gateway: Gateway, workers: Workers) -> None:
    rng = random.Random(3)
    async with line(listening(gateway)) as client, line(listening(gateway, "encoding=linear16&session_id=d2")) as other:
        await other.send(SECOND)
        for _ in range(50):
            await client.send("".join(rng.choices('{}[]":,typeKaAlive\u0000\u2028é', k=rng.randrange(1, 40))))
        await client.send(SECOND, CLOSE_STREAM)
        await other.send(CLOSE_STREAM)
        assert (await client.rest(), await other.rest()) == (1000, 1000)
    errors = client.of("Error")
    assert len(errors) == 50
    assert {one["variant"] for one in errors} == {"SchemaError"}
    assert texts(client) == texts(other) == ["words 1"]


# Files


def refused(response: httpx2.Response, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"err_code", "err_msg", "request_id"}
    assert body["err_code"] == code
    assert body["request_id"] == response.headers["dg-request-id"]
    return str(body["err_msg"])


async def job_ids(gateway: Gateway) -> list[str]:
    prefix = keys.job_keys("").state
    found = [key.decode().removeprefix(prefix) for key in await gateway.client.keys(f"{prefix}*")]
    return [job_id for job_id in found if ":" not in job_id]


async def new_job(gateway: Gateway) -> str:
    found: list[str] = await until(lambda: job_ids(gateway))
    return found[0]


async def status_of(gateway: Gateway, job_id: str) -> str:
    return (await read_state(gateway.client, keys.job_keys(job_id)))[b"status"].decode()


def send(http: httpx2.AsyncClient, body: bytes = AUDIO, **query: str) -> "asyncio.Task[httpx2.Response]":
    headers = {"Content-Type": "application/octet-stream"}
    return asyncio.create_task(http.post("/v1/listen", content=body, params=query, headers=headers))


async def test_a_file_becomes_a_job_and_its_transcript_the_answer(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    sent = send(http, model="nova-3", smart_format="true", language="en", multichannel="true", utterances="true")
    job_id = await new_job(gateway)
    config = msgspec.json.decode((await read_state(gateway.client, keys.job_keys(job_id)))[b"config"], type=JobConfig)
    assert (config.language, config.channel_mode) == ("en", ChannelMode.SEPARATE)
    assert (gateway.settings.spool_dir / config.spool_name).read_bytes() == AUDIO
    await ended(gateway, job_id, JobStatus.COMPLETED, **COMPLETED)
    response = await sent
    assert response.status_code == 200, response.text
    body = response.json()
    view = body["results"]["channels"][0]["alternatives"][0]
    assert view["transcript"] == RESULT.text
    assert [word["punctuated_word"] for word in view["words"][:2]] == ["Ever", "tried."]
    assert view["paragraphs"]["transcript"] == f"\n{RESULT.text}"
    assert len(body["results"]["utterances"]) == 1
    metadata = body["metadata"]
    assert metadata["sha256"] == hashlib.sha256(AUDIO).hexdigest()
    assert metadata["request_id"] == response.headers["dg-request-id"] == str(uuid.UUID(job_id))
    assert (metadata["duration"], metadata["channels"]) == (3.0, 1)


async def test_bare_samples_become_a_wav(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    sent = send(http, SECOND, encoding="linear16", sample_rate="8000")
    job_id = await new_job(gateway)
    config = msgspec.json.decode((await read_state(gateway.client, keys.job_keys(job_id)))[b"config"], type=JobConfig)
    stored = (gateway.settings.spool_dir / config.spool_name).read_bytes()
    assert (stored[:4], stored[44:]) == (b"RIFF", SECOND)
    await ended(gateway, job_id, JobStatus.COMPLETED, **COMPLETED)
    assert (await sent).json()["metadata"]["sha256"] == hashlib.sha256(SECOND).hexdigest()


async def test_a_client_that_leaves_cancels_its_job(gateway: Gateway) -> None:
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as leaving:
        sent = send(leaving)
        job_id = await new_job(gateway)
        sent.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sent

    async def is_cancelled() -> bool:
        return await status_of(gateway, job_id) == "cancelled"

    await until(is_cancelled)


async def test_a_job_that_fails(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    sent = send(http)
    failure = msgspec.json.encode(JobError("bad_audio", "no audio in it"))
    await ended(gateway, await new_job(gateway), JobStatus.FAILED, error=failure)
    assert refused(await sent, 400, "Bad Request") == "no audio in it"


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "nothing": ({"content": b""}, 400, "Bad Request"),
    "a link inside": ({"json": {"url": "https://10.0.0.1/a.wav"}}, 400, "INVALID_QUERY_PARAMETER"),
    "a form": ({"files": {"file": ("a.wav", AUDIO)}}, 400, "Bad Request"),
    "too much": ({"content": AUDIO * 4}, 413, "PAYLOAD_TOO_LARGE"),
    "too much in pieces": ({"content": [AUDIO] * 4}, 413, "PAYLOAD_TOO_LARGE"),
    "a callback": ({"content": AUDIO, "params": {"callback": "https://example.org"}}, 400, "INVALID_QUERY_PARAMETER"),
    "a wrong language": ({"content": AUDIO, "params": {"language": "klingon"}}, 400, "INVALID_QUERY_PARAMETER"),
    "a forbidden page": ({"content": AUDIO, "headers": {"origin": "https://evil.example"}}, 403, "FORBIDDEN_ORIGIN"),
}


async def test_what_is_refused_leaves_nothing(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with (
        running_gateway(redis_client, redis_url, tmp_path, max_upload_bytes=20_000) as gateway,
        httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http,
    ):
        for name, (request, status, code) in REFUSED.items():
            if isinstance(request.get("content"), list):
                request = {"content": _pieces(request["content"])}
            refused(await http.post("/v1/listen", **request), status, code)
            assert gateway.spooled == [], name
            assert await job_ids(gateway) == [], name
        assert "POST" in refused(await http.get("/v1/listen"), 405, "METHOD_NOT_ALLOWED")


async def _pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class Keys:
    """Check by a header, as Deepgram's clients send it."""

    parameters = ()

    async def __call__(self, connection: HTTPConnection) -> Principal:
        if connection.headers.get("authorization") != "Token stream":
            raise SttError("unauthorized", "no valid key")
        return Principal("local", "k", "k", frozenset({Scope.STREAM}))


async def test_who_may_not_is_told_in_its_form(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with (
        running_gateway(redis_client, redis_url, tmp_path, authorize=Keys()) as gateway,
        httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http,
    ):
        refused(await http.post("/v1/listen", content=AUDIO), 401, "INVALID_AUTH")
        headers = {"Authorization": "Token stream"}
        refused(await http.post("/v1/listen", content=AUDIO, headers=headers), 403, "INSUFFICIENT_PERMISSIONS")
        async with line(listening(gateway)) as client:
            assert await client.rest() == 1008
        assert client.events[-1]["variant"] == "INVALID_AUTH"
        async with line(listening(gateway), additional_headers=headers) as client:
            await client.send(SECOND, CLOSE_STREAM)
            assert await client.rest() == 1000
