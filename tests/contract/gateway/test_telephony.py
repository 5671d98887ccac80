"""Calls of Twilio, Asterisk and FreeSWITCH at the gateway's door."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx2
import numpy as np
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, Line, Workers, line, running_gateway, until
from support.key_samples import open_key_store, stored_key
from support.stub_suite import stub_suite
from support.telephony import CALL, CONNECTED, STOP, STREAM, media, media_start, start

from stt_gateway.core.requests.principal import Scope

pytestmark = pytest.mark.contract

Messages = Sequence[str | bytes]


@contextlib.asynccontextmanager
async def dialled(gateway: Gateway, path: str, *messages: str | bytes) -> AsyncIterator[Line]:
    async with line(gateway.url.replace("http", "ws") + path) as client:
        await client.send(*messages)
        yield client


def mulaw(samples: np.ndarray) -> bytes:
    """G.711, from samples between -1 and 1."""
    level = np.minimum(np.abs(samples) * 32768, 32635).astype(int) + 132
    exponent = np.floor(np.log2(level)).astype(int) - 7
    mantissa = (level >> (exponent + 3)) & 15
    return (~(np.where(samples < 0, 0x80, 0) | exponent << 4 | mantissa) & 0xFF).astype(np.uint8).tobytes()


def hum(seconds: float, rate: int = 8000) -> np.ndarray:
    return 0.3 * np.sin(np.arange(round(seconds * rate)) * 0.4)


async def said(gateway: Gateway, conversation: str, utterances: int) -> list[tuple[int | None, str]]:
    """Channels and texts of a conversation, once it has that many utterances."""

    async def read() -> list[tuple[int | None, str]] | None:
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            found = (await http.get(f"/v1/stt/conversations/{conversation}")).json()["utterances"]
        return [(one.get("channel"), one["text"]) for one in found] if len(found) >= utterances else None

    return await until(read, 30)


async def test_both_tracks_of_a_call_reach_the_workers_side_by_side(gateway: Gateway, workers: Workers) -> None:
    async with dialled(gateway, "/v1/twilio", CONNECTED, start({"language": "de-DE", "Caller": "Ada"})) as client:
        for at in range(5):
            await client.send(media("inbound", 20 * at, b"\x01" * 160), media("outbound", 20 * at, b"\x02" * 160))
        await client.send(media("inbound", 100, b"\x03" * 160), '{"event":"mark","mark":{"name":"m"}}', STOP)
        assert await client.rest() == 1000
    hand = await workers.hand(STREAM)
    assert hand.audio == b"\x01\x02" * 800 + b"\x03\xff" * 160
    wanted = {"encoding": "mulaw", "sample_rate": 8000, "channels": 2, "channel_mode": "separate", "language": "de"}
    assert {name: hand.config[name] for name in wanted} == wanted
    assert hand.config["conversation_id"] == CALL
    assert client.events == []


async def test_audio_that_waits_for_another_track_is_heard_when_the_connection_closes(
    gateway: Gateway, workers: Workers
) -> None:
    async with dialled(gateway, "/v1/twilio", start(), media("inbound", 0, b"\x01" * 160)) as client:
        hand = await workers.hand(STREAM)
        await client.send(media("inbound", 20, b"\x02" * 160))
    await until(lambda: hand.kinds[-1:] == ["stop"])
    assert hand.audio == b"\x01\xff" * 160 + b"\x02\xff" * 160


@pytest.mark.parametrize(
    ("path", "messages"),
    [
        ("/v1/asterisk?language=en", [media_start("slin16", "call-1"), "MEDIA_XOFF", b"\x01\x00" * 320]),
        ("/v1/freeswitch?sample_rate=16000&conversation_id=call-1", [b"\x01\x00" * 320]),
        ("/v1/freeswitch?sample_rate=16000", ['{"conversation_id":"call-1","caller":7}', b"\x01\x00" * 320, "more"]),
    ],
)
@pytest.mark.parametrize("end", ["closes", "breaks"])
async def test_a_call_that_is_hung_up_is_heard_to_its_end(
    gateway: Gateway, workers: Workers, path: str, messages: Messages, end: str
) -> None:
    async with dialled(gateway, path, *messages) as client:
        hand = await workers.hand()
        await until(lambda: len(hand.audio) == 640)
        if end == "breaks":
            client.socket.transport.abort()
    await until(lambda: hand.kinds[-1:] == ["stop"])
    assert (hand.audio, hand.config["sample_rate"]) == (b"\x01\x00" * 320, 16000)
    assert hand.config["conversation_id"] == "call-1"


async def test_freeswitch_gets_events_and_may_finalize(gateway: Gateway, workers: Workers) -> None:
    async with dialled(gateway, "/v1/freeswitch?session_id=f1", bytes(640)) as client:
        assert (await client.hear("ready"))["session_id"] == "f1"
        await client.send('{"type":"finalize"}')
        assert (await client.hear("final"))["text"] == "words 1"
        await client.send('{"type":"stop"}')
        assert await client.rest() == 1000
    assert client.kinds[-1] == "done"


@pytest.mark.parametrize(
    ("path", "messages", "code"),
    [
        ("/v1/twilio", ["hello"], 4500),
        ("/v1/twilio", [media("inbound", 0, b"")], 4500),
        ("/v1/twilio", [start(), media("third", 0, b"")], 4500),
        ("/v1/twilio", [start({"language": "klingon"})], 4502),
        ("/v1/twilio?colour=red", [start()], 4502),
        ("/v1/twilio", [CONNECTED] * 101, 4500),
        ("/v1/asterisk", [b"\x00\x00"], 4500),
        ("/v1/asterisk", [media_start("opus")], 4502),
        ("/v1/asterisk", [media_start(), "{"], 4500),
        ("/v1/freeswitch?colour=red", [], 4502),
        ("/v1/freeswitch", ["", '{"type":"audio"}'], 4500),
    ],
)
async def test_what_is_not_allowed_closes_the_connection_with_a_code(
    gateway: Gateway, workers: Workers, path: str, messages: Messages, code: int
) -> None:
    async with dialled(gateway, path, *messages) as client:
        assert await client.rest() == code
    told = next((event["code"] for event in client.events if event["type"] == "error"), "")
    reason = (client.socket.close_reason or "").partition(":")[0]
    assert (told, reason)["freeswitch" not in path] == {4500: "bad_message", 4502: "bad_config"}[code]


async def test_a_key_comes_with_the_call_and_without_one_nobody_is_let_in(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    store = await open_key_store(tmp_path / "spool-data")
    key, reader = await stored_key(store, Scope.STREAM), await stored_key(store, Scope.READ)
    await store.close()
    url = f"sqlite:///{tmp_path / 'spool-data' / 'transcripts.db'}"
    async with running_gateway(redis_client, redis_url, tmp_path / "spool", auth="keys", database_url=url) as gateway:
        for custom, code in (
            ({}, 4510),
            ({"api_key": "stt_x"}, 4510),
            ({"api_key": "é\n"}, 4510),
            ({"api_key": reader.text}, 4511),
        ):
            async with dialled(gateway, "/v1/twilio", start(custom)) as client:
                assert await client.rest() == code
        assert workers.hands == []
        async with dialled(
            gateway, "/v1/twilio", start({"api_key": key.text}), media("inbound", 0, bytes(160)), STOP
        ) as client:
            assert await client.rest() == 1000
        hand = await workers.hand()
        assert key.text not in json.dumps(hand.config)


async def test_whoever_dials_and_says_nothing_is_closed_in_time(
    gateway: Gateway, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.ws.telephony.FIRST_AUDIO_KEPT_S", 0.2)
    async with dialled(gateway, "/v1/twilio", CONNECTED) as client:
        assert await client.rest() == 4408


@pytest.fixture
async def suite(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with stub_suite(redis_client, redis_url, tmp_path) as gateway:
        yield gateway


async def test_a_viewer_of_the_call_reads_what_each_party_says(suite: Gateway) -> None:
    parties = {
        "inbound": mulaw(np.r_[hum(2.0), np.zeros(32_000)]),
        "outbound": mulaw(np.r_[np.zeros(16_000), hum(3.0)]),
    }
    async with dialled(suite, "/v1/twilio", CONNECTED, start({"endpointing_ms": "500"})) as client:
        for at in range(0, 40_000, 160):
            await client.send(*(media(track, at // 8, audio[at : at + 160]) for track, audio in parties.items()))
        await client.send(STOP)
        assert await client.rest(60) == 1000
    assert sorted(await said(suite, CALL, 2)) == [(0, "w0 w1"), (1, "w0 w1 w2")]


@pytest.mark.parametrize("path", ["/v1/asterisk", "/v1/freeswitch?conversation_id=1733000000.15"])
async def test_the_last_words_of_a_call_that_is_hung_up_are_there(suite: Gateway, path: str) -> None:
    audio = (hum(2.0) * 32767).astype("<i2").tobytes()
    first = [media_start("slin")] if "asterisk" in path else []
    async with dialled(suite, path, *first) as client:
        for at in range(0, len(audio), 320):
            await client.send(audio[at : at + 320])
    assert await said(suite, "1733000000.15", 1) == [(None, "w0 w1")]


async def test_broken_calls_disturb_nobody(gateway: Gateway, workers: Workers) -> None:
    dice = random.Random(2)
    good: dict[str, list[str | bytes]] = {
        "/v1/twilio": [CONNECTED, start(streamSid=""), media("inbound", 0, bytes(160)), STOP],
        "/v1/asterisk": [media_start(), bytes(160), "MEDIA_XON"],
        "/v1/freeswitch": ['{"caller":7}', bytes(320), '{"type":"finalize"}'],
    }

    async def disturb() -> None:
        path = dice.choice(list(good))
        messages = [message for message in good[path] if dice.random() < 0.8]
        for at, message in enumerate(messages):
            if dice.random() < 0.5:
                broken = bytearray(message if isinstance(message, bytes) else message.encode())
                for _ in range(3):
                    place = dice.randrange(len(broken) + 1)
                    broken[place : place + 2] = dice.randbytes(2)
                messages[at] = bytes(broken) if dice.random() < 0.3 else broken.decode(errors="replace")
        with contextlib.suppress(Exception):
            async with dialled(gateway, path, *messages):
                await asyncio.sleep(0.01)

    async with dialled(gateway, "/v1/twilio", start()) as client:
        await client.send(media("inbound", 0, b"\x01" * 160), media("outbound", 0, b"\x02" * 160))
        for _ in range(5):
            await asyncio.gather(*(disturb() for _ in range(4)))
        await client.send(media("inbound", 20, b"\x01" * 160), STOP)
        assert await client.rest() == 1000
    assert (await workers.hand(STREAM)).audio == b"\x01\x02" * 160 + b"\x01\xff" * 160
