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
from stt_gateway.core.live.messages import Audio, Finalize, Keepalive, Stop
from stt_gateway.core.requests.principal import LOCAL, Principal, Scope
from stt_gateway.core.requests.session_request import Defaults, SessionRequest
from stt_gateway.dialects.base import Begin, Payload, Reply, Step
from stt_gateway.dialects.native import NATIVE
from stt_gateway.ws import stream
from stt_gateway.ws.endpoint import serve
from stt_gateway.ws.stream import StreamConnection
from stt_shared.contracts.errors import ERRORS, SttError
from stt_shared.contracts.events import Done, Error, Final, Partial, decode_event

pytestmark = pytest.mark.contract


class VendorDialect:
    """Protocol in the shape of a vendor of speech recognition: everything that another protocol needs."""

    resumable = False

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest | None:
        names = {"rate": "sample_rate", "lang": "language", "endpointing": "endpointing_ms"}
        return NATIVE.parse_query([(names.get(name, name), value) for name, value in pairs], defaults)

    def greeting(self) -> Sequence[Payload]:
        return ()

    def parse_message(self, data: Payload, request: SessionRequest | None, max_bytes: int) -> Sequence[Step]:
        if isinstance(data, bytes):
            return NATIVE.parse_message(data, request, max_bytes)
        match json.loads(data):
            case {"type": "CloseStream"}:
                return [Stop()]
            case {"type": "Finalize"}:
                return [Finalize()]
            case {"type": "KeepAlive"}:
                return [Keepalive()]
        raise SttError("bad_message", "type must be CloseStream, Finalize or KeepAlive")

    def render_event(self, kind: str, body: bytes) -> Sequence[Payload]:
        match decode_event(body):
            case Partial() | Final() as event:
                alternatives = [{"transcript": event.text, "confidence": event.confidence}]
                return [json.dumps({"type": "Results", "is_final": kind == "final", "alternatives": alternatives})]
            case Done() as event:
                return [json.dumps({"type": "Metadata", "duration": event.duration_ms / 1000})]
        return []

    def render_error(self, error: Error) -> Payload | None:
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
phone_router = APIRouter()


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


class PhoneDialect(VendorDialect):
    """Protocol whose client says in a message what it is going to send, and is greeted and answered."""

    def __init__(self) -> None:
        self._defaults: Defaults | None = None

    def parse_query(self, pairs: Sequence[tuple[str, str]], defaults: Defaults) -> SessionRequest | None:
        self._defaults = defaults
        return None

    def greeting(self) -> Sequence[Payload]:
        return ['{"type":"hello"}']

    def parse_message(self, data: Payload, request: SessionRequest | None, max_bytes: int) -> Sequence[Step]:
        match json.loads(data):
            case {"type": "start", "rate": rate, "id": name}:
                assert self._defaults is not None
                query = [("sample_rate", str(rate)), ("session_id", name)]
                return [Begin(NATIVE.parse_query(query, self._defaults)), Reply('{"type":"started"}')]
            case {"type": "mark"}:
                return [Reply('{"type":"marked"}')]
            case {"type": "media", "twice": letter}:
                return [Audio(chunk=letter.encode() * 400)] * 2
            case {"type": "hangup"}:
                return [Finalize(), Stop()]
        raise SttError("bad_message", "type must be start, mark, media or hangup")

    def render_event(self, kind: str, body: bytes) -> Sequence[Payload]:
        return [json.dumps({"type": kind, "part": part}) for part in (1, 2)]


@phone_router.websocket("/v1/phone")
@needs(Scope.STREAM)
async def phone(websocket: WebSocket) -> None:
    await serve(websocket, StreamConnection(websocket, PhoneDialect()))


def phone_url(gateway: Gateway) -> str:
    return gateway.url.replace("http", "ws") + "/v1/phone"


@pytest.fixture
async def exchange(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    def with_phone(config: uvicorn.Config) -> None:
        config.app.include_router(phone_router)  # type: ignore[union-attr]

    async with running_gateway(redis_client, redis_url, tmp_path, configure=with_phone) as gateway:
        yield gateway


async def test_a_message_may_begin_the_session_and_be_answered(exchange: Gateway, workers: Workers) -> None:
    async with line(phone_url(exchange)) as client:
        await client.hear("hello")
        await client.send('{"type":"mark"}')
        await client.hear("marked")
        assert workers.hands == []
        await client.send('{"type":"start","rate":8000,"id":"p1"}', '{"type":"media","twice":"x"}')
        hand = await workers.hand("p1")
        await client.send('{"type":"mark"}', '{"type":"hangup"}')
        assert await client.rest() == 1000
    told = [kind for kind in client.kinds if kind != "marked"]
    assert told == ["hello", "started", "ready", "ready", "final", "final", "done", "done"]
    assert client.kinds.count("marked") == 2
    assert hand.config["sample_rate"] == 8000
    assert hand.audio == b"x" * 800


async def test_a_client_that_never_begins_a_session_is_told(
    exchange: Gateway, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with line(phone_url(exchange)) as client:
        await client.send(*['{"type":"mark"}'] * 200)
        assert await client.rest() == 1008
    assert client.events[-1]["variant"] == "bad_message"
    monkeypatch.setattr(stream, "FIRST_AUDIO_KEPT_S", 0.3)
    async with line(phone_url(exchange)) as client:
        assert await client.rest() == 1011
    assert client.events[-1]["description"] == "no audio came within 0.3 s; connect when there is some"
    assert workers.hands == []
