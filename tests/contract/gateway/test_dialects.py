"""One door: a protocol in another shape is one class, and one check decides who may use WebSockets and HTTP."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx2
import pytest
import uvicorn
from fastapi import APIRouter, WebSocket
from redis.asyncio import Redis
from starlette.requests import HTTPConnection
from support.gateway_harness import Gateway, Workers, line, running_gateway

from stt_gateway.authorize import needs
from stt_gateway.core.live.messages import Finalize, Keepalive, Message, Stop
from stt_gateway.core.requests.principal import LOCAL, Principal, Scope
from stt_gateway.core.requests.session_request import Defaults, SessionRequest
from stt_gateway.dialects.native import NATIVE
from stt_gateway.ws.endpoint import serve
from stt_gateway.ws.stream import StreamConnection
from stt_shared.contracts.errors import ERRORS, SttError
from stt_shared.contracts.events import Done, Error, Final, Partial, decode_event

pytestmark = pytest.mark.contract


class VendorDialect:
    """Protocol in the shape of a vendor of speech recognition: everything that another protocol needs."""

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest:
        names = {"rate": "sample_rate", "lang": "language", "endpointing": "endpointing_ms"}
        return NATIVE.parse_query([(names.get(name, name), value) for name, value in pairs], defaults)

    def parse_message(self, data: str | bytes, request: SessionRequest, max_bytes: int) -> Message:
        if isinstance(data, bytes):
            return NATIVE.parse_message(data, request, max_bytes)
        match json.loads(data):
            case {"type": "CloseStream"}:
                return Stop()
            case {"type": "Finalize"}:
                return Finalize()
            case {"type": "KeepAlive"}:
                return Keepalive()
        raise SttError("bad_message", "type must be CloseStream, Finalize or KeepAlive")

    def render_event(self, kind: str, body: bytes) -> str | bytes | None:
        match decode_event(body):
            case Partial() | Final() as event:
                alternatives = [{"transcript": event.text, "confidence": event.confidence}]
                return json.dumps({"type": "Results", "is_final": kind == "final", "alternatives": alternatives})
            case Done() as event:
                return json.dumps({"type": "Metadata", "duration": event.duration_ms / 1000})
        return None

    def render_error(self, error: Error) -> str | bytes | None:
        return json.dumps({"type": "Error", "description": error.message, "variant": error.code})

    def close_code(self, code: str) -> int:
        return 1011 if ERRORS[code].retryable else 1008


class TokenCheck:
    """Check that a team would write: a token in the query, where pages can put it."""

    parameters = ("token",)

    async def __call__(self, connection: HTTPConnection) -> Principal:
        if connection.query_params.get("token") != "right":
            raise SttError("unauthorized", "a token is needed")
        return LOCAL


router = APIRouter()


@router.websocket("/v2/listen")
@needs(Scope.STREAM)
async def listen(websocket: WebSocket) -> None:
    await serve(websocket, StreamConnection(websocket, VendorDialect()))


def with_vendor(config: uvicorn.Config) -> None:
    config.app.include_router(router)  # type: ignore[union-attr]


def vendor_url(gateway: Gateway, query: str) -> str:
    return gateway.url.replace("http", "ws") + f"/v2/listen?{query}"


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_client, redis_url, tmp_path, configure=with_vendor) as gateway:
        yield gateway


@pytest.fixture
async def guarded(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(
        redis_client, redis_url, tmp_path, configure=with_vendor, authorize=TokenCheck()
    ) as gateway:
        yield gateway


async def test_another_protocol_streams_through_the_same_gateway(gateway: Gateway, workers: Workers) -> None:
    audio = bytes(range(256)) * 50
    async with line(vendor_url(gateway, "rate=8000&lang=de-AT&endpointing=900&session_id=v1")) as client:
        await client.send(audio)
        hand = await workers.hand("v1")
        await hand.partial("zum")
        await client.send('{"type":"Finalize"}')
        await client.hear("Results")
        await client.hear("Results")
        await client.send('{"type":"CloseStream"}')
        assert await client.rest() == 1000
    assert hand.audio == audio
    assert (hand.config["sample_rate"], hand.config["language"], hand.config["endpointing_ms"]) == (8000, "de", 900)
    assert client.events == [
        {"type": "Results", "is_final": False, "alternatives": [{"transcript": "zum", "confidence": 0.5}]},
        {"type": "Results", "is_final": True, "alternatives": [{"transcript": "words 1", "confidence": 0.9}]},
        {"type": "Metadata", "duration": 0.0},
    ]


@pytest.mark.parametrize(
    ("query", "message", "variant"),
    [("colour=red", "", "bad_config"), ("", '{"type":"Sing"}', "bad_message")],
)
async def test_its_errors_have_its_shape_and_its_close_codes(
    gateway: Gateway, workers: Workers, query: str, message: str, variant: str
) -> None:
    async with line(vendor_url(gateway, query)) as client:
        if message:
            await client.send(message)
        assert await client.rest() == 1008
    assert [(event["type"], event["variant"]) for event in client.events] == [("Error", variant)]


async def test_an_error_of_the_session_has_its_shape_too(gateway: Gateway, workers: Workers) -> None:
    async with line(vendor_url(gateway, "session_id=v1")) as client:
        hand = await workers.hand("v1")
        await hand.error("bad_audio", "no audio in it")
        assert await client.rest() == 1008
    assert client.events == [{"type": "Error", "description": "no audio in it", "variant": "bad_audio"}]


async def test_who_may_not_use_the_gateway_is_refused_in_the_words_of_each_protocol(
    guarded: Gateway, workers: Workers, redis_client: Redis
) -> None:
    keys_before = set(await redis_client.keys())
    async with line(vendor_url(guarded, "token=wrong&session_id=v1")) as client:
        assert await client.rest() == 1008
    assert client.events == [{"type": "Error", "description": "a token is needed", "variant": "unauthorized"}]
    async with line(guarded.stream("session_id=v1")) as client:
        assert await client.rest() == 4510
    assert [(event["type"], event["code"]) for event in client.events] == [("error", "unauthorized")]
    async with line(guarded.url.replace("http", "ws") + "/v1/stt/conversations/c1") as client:
        assert await client.rest() == 4510
    async with httpx2.AsyncClient(base_url=guarded.url, trust_env=False) as http:
        for method, path in [
            ("POST", "/v1/stt/jobs"),
            ("GET", "/v1/stt/jobs/1"),
            ("GET", "/v1/stt/transcripts"),
            ("GET", "/v1/stt/conversations/c1"),
            ("GET", "/metrics"),
        ]:
            answer = await http.request(method, path)
            assert answer.status_code == 401, path
            assert answer.json() == {"error": {"code": "unauthorized", "message": "a token is needed"}}
    assert workers.hands == []
    assert {key for key in await redis_client.keys() if b"replica" not in key} <= keys_before
    assert guarded.spooled == []


async def test_the_checks_own_parameters_are_no_matter_of_the_routes(guarded: Gateway, workers: Workers) -> None:
    async with line(guarded.stream("token=right&session_id=v1")) as client:
        assert (await client.hear("ready"))["session_id"] == "v1"
    async with httpx2.AsyncClient(base_url=guarded.url, trust_env=False) as http:
        assert (await http.get("/v1/stt/transcripts", params={"token": "right"})).status_code == 200
