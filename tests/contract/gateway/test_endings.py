"""Sessions that fail: each ends with one error, its code and close code, and no other session notices."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from redis.asyncio import Redis
from support.gateway_harness import (
    FINALIZE,
    KEEPALIVE,
    STOP,
    Gateway,
    Hand,
    Line,
    Workers,
    kinds_of,
    line,
    running_gateway,
    since,
    stand_ins,
    tell_status,
    until,
)
from support.live_client import as_json, talk

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.contracts.errors import ERRORS
from stt_shared.contracts.frames import Frame
from stt_shared.redis.client import connect
from stt_shared.streams import keys

pytestmark = pytest.mark.contract

CHUNK = bytes(640)


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_client, redis_url, tmp_path, max_message_bytes=10_000) as gateway:
        yield gateway


async def ends_with(client: Line, code: str) -> dict[str, Any]:
    """Hears the session's end, which must be one error with ``code``, and its close code; answers the error."""
    close_code = await client.rest()
    assert client.kinds[-1] == "error", client.events
    assert len(client.of("error")) == 1
    error = client.events[-1]
    assert error["code"] == code, error
    assert close_code == ERRORS[code].close_code
    assert error["retryable"] is ERRORS[code].retryable
    assert error["message"]
    assert "Traceback" not in error["message"]
    numbers = [event["event"] for event in client.events]
    assert numbers == sorted(set(numbers))
    return error


async def test_a_connection_that_resumes_a_session_supersedes_the_first(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("session_id=s1")) as first:
        ready = await first.hear("ready")
        await first.send(CHUNK)
        hand = await workers.hand("s1")
        await until(lambda: hand.audio)
        async with line(gateway.stream(f"session_id=s1&resume_token={ready['resume_token']}")) as second:
            began = time.monotonic()
            error = await ends_with(first, "superseded")
            assert since(began) < 0.5, "at once, not at the next check"
            assert "s1" in error["message"]
            assert first.socket.close_code == 4509
            await second.hear("ready")
            await second.send(CHUNK * 5, FINALIZE)
            await second.hear("final")
            await second.send(STOP)
            assert await second.rest() == 1000
    assert hand.audio == CHUNK * 6
    assert hand.kinds == ["audio", "finalize", "stop"], "the first one's end did not end the session"


async def test_an_id_may_be_used_again_when_its_session_is_over(gateway: Gateway) -> None:
    for _ in range(2):
        heard = await talk(gateway.stream("session_id=s1"), [CHUNK])
        assert kinds_of(heard.events) == ["ready", "done"]
        assert heard.events[0]["event"] == 1


@pytest.fixture
def read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of replicas is never taken from memory."""
    monkeypatch.setattr("stt_gateway.live.admission.FRESH_MS", -1.0)


@pytest.mark.usefixtures("read_each_time")
async def test_without_workers_a_session_is_refused_at_once(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path) as gateway:
        for missing, present in (("audio-processor", "transcriber"), ("transcriber", "audio-processor")):
            await redis_client.flushall()
            await tell_status(redis_client, present, capacity=4)
            await tell_status(redis_client, missing, "starting", capacity=4)
            async with line(gateway.stream("session_id=s1")) as client:
                error = await ends_with(client, "no_worker")
            assert f"no {missing} is ready" in error["message"]
            assert 0.5 <= error["retry_after_s"] <= 2
            assert client.kinds == ["error"]
        assert not await redis_client.exists(keys.session_keys("s1").state), "nothing waits for nobody"


@pytest.mark.usefixtures("read_each_time")
async def test_a_full_house_refuses_and_its_guests_stay(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    async with stand_ins(redis_client, capacity=1), running_gateway(redis_client, redis_url, tmp_path) as gateway:
        async with line(gateway.stream("session_id=a")) as a:
            await a.hear("ready")
            await tell_status(redis_client, "transcriber", capacity=1, sessions=1)
            async with line(gateway.stream("session_id=b")) as b:
                delays = [(await ends_with(b, "at_capacity"))["retry_after_s"]]
            async with line(gateway.stream()) as b:
                delays.append((await ends_with(b, "at_capacity"))["retry_after_s"])
            assert all(0.5 <= seconds <= 2 for seconds in delays)
            assert len(set(delays)) == 2, "they do not come back together"
            await a.send(CHUNK, STOP)
            assert await a.rest() == 1000
            await tell_status(redis_client, "transcriber", capacity=1, sessions=0)
            async with line(gateway.stream("session_id=c")) as c:
                await c.hear("ready")


async def test_a_full_house_does_not_wait_for_what_a_guest_would_say(
    redis_client: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.ws.stream.FIRST_MESSAGE_S", 30.0)
    async with stand_ins(redis_client, capacity=0), running_gateway(redis_client, redis_url, tmp_path) as gateway:
        began = time.monotonic()
        async with line(gateway.stream()) as silent:
            await ends_with(silent, "at_capacity")
        assert since(began) < 2


async def test_a_crowd_at_the_door_takes_no_more_places_than_there_are(
    redis_client: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fixed bug: each client that came while the list of replicas was read began to count from zero."""
    monkeypatch.setattr("stt_gateway.live.admission.FRESH_MS", 60_000.0)
    async with stand_ins(redis_client, capacity=2), running_gateway(redis_client, redis_url, tmp_path) as gateway:
        heard = await asyncio.gather(*(talk(gateway.stream(f"session_id=s{n}"), [CHUNK]) for n in range(10)))
    assert sorted(kinds_of(one.events)[0] for one in heard) == ["error"] * 8 + ["ready"] * 2


BAD_QUERIES = {
    "unknown encoding": "encoding=wax",
    "impossible rate": "sample_rate=1",
    "unknown parameter": "colour=red",
    "a parameter twice": "language=en&language=de",
    "no language": "language=klingon",
    "an id with a brace": "session_id=a%7Bb%7D",
    "an empty id": "session_id=",
    "an id that is too long": "session_id=" + "a" * 129,
}
BAD_MESSAGES: dict[str, tuple[str, str | bytes, str]] = {
    "cut off": ("", '{"type":"stop"', "bad_message"),
    "broken base64": ("", '{"type":"audio","chunk":"@@@"}', "bad_message"),
    "too deep": ("", "[" * 4000 + "]" * 4000, "bad_message"),
    "a bad id": ("", as_json(CHUNK, "a b"), "bad_message"),
    "another id than its own": ("session_id=a", as_json(CHUNK, "b"), "bad_message"),
    "too short for its number": ("framing=seq32", b"\0\0", "bad_message"),
    "too large": ("", bytes(10_001), "too_large"),
    "too large text": ("", '"' + "\U0001f3a4" * 4000 + '"', "too_large"),
}


async def test_a_bad_query_is_told_on_the_open_connection(gateway: Gateway) -> None:
    for query in BAD_QUERIES.values():
        async with line(gateway.stream(query)) as client:
            error = await ends_with(client, "bad_config")
        assert client.kinds == ["error"]
        assert query.partition("=")[0] in error["message"]
        assert len(error["message"]) < 400


FOREIGN_MESSAGES: tuple[str | bytes, ...] = (
    "MEDIA_START connection_id:x channel:WebSocket/y format:slin16",
    '{"event":"start"}',
    b'{"type":"metadata"}',
    "ping",
    "",
    "[1, 2]",
)


@pytest.mark.parametrize("named", ["", "session_id=greeted"])
async def test_messages_of_other_protocols_before_the_audio_are_ignored(gateway: Gateway, named: str) -> None:
    async with line(gateway.stream(named)) as client:
        await client.send(*FOREIGN_MESSAGES)
        await client.hear("ready")
        warning = await client.hear("warning")
        await client.send(CHUNK, b'{"type":"keepalive"}')
        await client.send("ping")
        error = await ends_with(client, "bad_message")
    assert warning["code"] == "unknown_message"
    assert "type is audio, finalize, configure, stop or keepalive" in warning["message"]
    assert "type is audio, finalize, configure, stop or keepalive" in error["message"]
    assert client.kinds.count("warning") == 1


async def test_too_many_messages_of_other_protocols_end_the_session(gateway: Gateway) -> None:
    async with line(gateway.stream()) as client:
        await client.send(*["ping"] * 17)
        await ends_with(client, "bad_message")


@pytest.mark.parametrize("first", [True, False])
async def test_a_bad_message_ends_its_session(gateway: Gateway, first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_gateway.ws.stream.FIRST_MESSAGE_S", 5.0 if first else 0.02)
    for query, message, code in BAD_MESSAGES.values():
        async with line(gateway.stream(query)) as client:
            if not first:
                await client.hear("ready")
                await client.send(b"\0\0\0\1" + CHUNK, KEEPALIVE)
            await client.send(message, CHUNK)
            await ends_with(client, code)


async def test_an_id_that_changes_amid_the_audio_is_refused(gateway: Gateway) -> None:
    async with line(gateway.stream()) as client:
        await client.send(as_json(CHUNK, "a"), as_json(CHUNK, "b"))
        error = await ends_with(client, "bad_message")
    assert "'b'" in error["message"]
    assert "'a'" in error["message"]


async def test_a_monster_is_cut_off_without_being_read(gateway: Gateway) -> None:
    async with line(gateway.stream()) as client:
        await client.hear("ready")
        with contextlib.suppress(websockets.ConnectionClosed):
            await client.send(bytes(5_000_000))
        assert await client.rest() == 1009


async def test_a_bad_client_disturbs_no_neighbour(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("session_id=good&endpointing_ms=5000")) as good:
        await good.hear("ready")
        for query, message, _ in BAD_MESSAGES.values():
            async with line(gateway.stream(query)) as bad:
                await good.send(CHUNK)
                await bad.send(message)
                await bad.rest()
        for query in BAD_QUERIES.values():
            async with line(gateway.stream(query)) as bad:
                await good.send(CHUNK)
                await bad.rest()
        await good.send(FINALIZE, STOP)
        assert await good.rest() == 1000
    assert good.kinds == ["ready", "final", "done"]
    assert (await workers.hand("good")).audio == CHUNK * (len(BAD_MESSAGES) + len(BAD_QUERIES))


async def test_an_error_of_the_transcriber_goes_to_the_client_and_ends_the_session(
    gateway: Gateway, workers: Workers
) -> None:
    async def fail(hand: Hand, frame: Frame) -> None:
        await hand.final("said before")
        await hand.error("bad_audio", "the stream was announced as webm but is none")

    workers.script = fail
    async with line(gateway.stream("encoding=webm")) as client:
        await client.send(CHUNK)
        error = await ends_with(client, "bad_audio")
    assert error["message"] == "the stream was announced as webm but is none"
    assert client.kinds == ["ready", "final", "error"]


async def test_an_error_code_that_this_gateway_does_not_know_closes_as_internal(
    gateway: Gateway, workers: Workers
) -> None:
    async def fail(hand: Hand, frame: Frame) -> None:
        await hand.error("from_the_future", "says a newer transcriber")

    workers.script = fail
    async with line(gateway.stream()) as client:
        await client.send(CHUNK)
        assert await client.rest() == ERRORS["internal"].close_code
    assert client.events[-1]["code"] == "from_the_future"


async def test_what_waits_is_heard_before_the_error_that_ends_it(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream()) as client:
        await client.hear("ready")
        await client.send(CHUNK)
        hand = await workers.hand()
        for _ in range(50):
            await hand.final()
        await client.send("nonsense")
        await ends_with(client, "bad_message")
    assert client.kinds == ["ready"] + ["final"] * 50 + ["error"]


async def test_a_session_that_was_ended_lets_its_workers_go(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("session_id=s1")) as client:
        await client.send(CHUNK, "nonsense")
        await ends_with(client, "bad_message")
    state = keys.session_keys("s1").state
    assert await gateway.client.hget(state, "state") == b"done"


@pytest.fixture
def looked_after_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_gateway.ws.attachment.CHECK_EVERY_S", 0.1)


@pytest.mark.usefixtures("looked_after_often")
async def test_who_says_nothing_for_too_long_is_let_go_and_keepalive_helps(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path, session_idle_timeout_s=1) as gateway:
        async with line(gateway.stream()) as client, line(gateway.stream()) as kept:
            began = time.monotonic()
            pings = asyncio.create_task(keep_alive(kept))
            error = await ends_with(client, "idle")
            assert "retry_after_s" not in error
            assert 0.9 < since(began) < 3
            assert "1 s" in error["message"]
            await pings
            await kept.send(STOP)
            assert await kept.rest() == 1000


async def keep_alive(client: Line) -> None:
    for _ in range(4):
        await client.send(KEEPALIVE)
        await asyncio.sleep(0.4)


@pytest.mark.usefixtures("looked_after_often")
async def test_workers_that_do_not_answer_a_stop_are_told_as_such(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async def say_nothing(hand: Hand, frame: Frame) -> None:
        pass

    workers.script = say_nothing
    async with running_gateway(redis_client, redis_url, tmp_path, session_idle_timeout_s=1) as gateway:
        async with line(gateway.stream()) as client:
            await client.send(CHUNK, STOP)
            await ends_with(client, "no_worker")


@pytest.mark.usefixtures("looked_after_often")
async def test_a_session_that_is_too_long_is_warned_and_stopped(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    limit = {"max_session_s": 1}
    async with running_gateway(redis_client, redis_url, tmp_path, beyond_bounds=limit) as gateway:
        async with line(gateway.stream()) as client:
            await client.hear("ready")
            await client.send(CHUNK)
            assert await client.rest() == 1000
    assert client.kinds[-2:] == ["warning", "done"]
    assert client.of("warning")[0]["code"] == "session_limit"
    assert workers.hands[0].kinds[-1] == "stop"


async def test_a_store_that_forgets_a_session_is_told_as_unavailable(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream()) as client:
        await client.hear("ready")
        await client.send(CHUNK)
        await workers.hand()
        await gateway.client.flushall()
        await client.send(CHUNK * 5)
        error = await ends_with(client, "unavailable")
    assert "retry_after_s" not in error, "an open session is come back for at once"


async def test_a_mistake_of_ours_is_told_without_its_traceback(
    gateway: Gateway, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    async with line(gateway.stream()) as client:
        await client.hear("ready")
        monkeypatch.setattr("stt_gateway.live.session.Session.finalize", broken)
        await client.send(FINALIZE)
        error = await ends_with(client, "internal")
    assert "secret" not in json.dumps(error)


async def test_no_line_of_the_log_holds_a_query_or_a_word(
    gateway: Gateway, workers: Workers, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fixed bug: uvicorn logs each WebSocket that it accepts with its query, and a query can hold a prompt."""
    with caplog.at_level(logging.INFO):
        async with line(gateway.stream("prompt=tellnobody&conversation_id=callseven&session_id=s1")) as client:
            await client.send(CHUNK)
            hand = await workers.hand()
            await hand.final("wordofmouth")
            await client.send('{"type":"whispered"}')
            await ends_with(client, "bad_message")
    out, err = capsys.readouterr()
    logged = out + err + caplog.text
    assert "s1" in logged, "something was logged at all"
    for secret in ("tellnobody", "callseven", "wordofmouth", "whispered"):
        assert secret not in logged


async def test_redis_away_for_a_moment_costs_nothing_for_long_ends_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fixed bug: a keepalive while Redis was away ended the session as a mistake of ours."""
    monkeypatch.setattr("stt_gateway.live.ingest.REDIS_PATIENCE_MS", 100.0)
    with EmbeddedRedis() as server:
        client = connect(server.url)
        async with stand_ins(client), running_gateway(client, server.url, tmp_path) as gateway:
            async with line(gateway.stream("session_id=s1&endpointing_ms=5000")) as one:
                await one.hear("ready")
                await client.execute_command("CLIENT", "PAUSE", "400", "ALL")
                await one.send(CHUNK * 5, KEEPALIVE, FINALIZE)
                await one.hear("final")
                await client.shutdown(nosave=True)
                await one.send(KEEPALIVE, CHUNK * 5)
                await ends_with(one, "unavailable")
        await client.aclose()
