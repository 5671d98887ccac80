"""Whose session an id is: nobody gets another's session, token or events, and everybody gets his own back."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.asyncio import Redis
from support.gateway_harness import (
    FINALIZE,
    STOP,
    Gateway,
    Hand,
    Line,
    Workers,
    line,
    running_gateway,
    stand_ins,
    until,
)
from support.wiring import bus_on

from stt_shared.contracts.events import Notice
from stt_shared.contracts.frames import Frame
from stt_shared.streams import keys
from stt_shared.streams.ownership import Ownership
from stt_shared.streams.session_opening import Hold
from stt_shared.streams.sessions import SessionStreams

pytestmark = pytest.mark.contract

CHUNK = bytes(3200)
AT = keys.session_keys("s1")


@pytest.fixture
async def workers(redis_client: Redis) -> AsyncIterator[Workers]:
    async with stand_ins(redis_client, capacity=1000) as workers:
        yield workers


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_client, redis_url, tmp_path, resume_window_s=2.0) as gateway:
        yield gateway


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_gateway.live.opening.IN_USE_PATIENCE_MS", 0.0)


async def speaking(talking: Line, workers: Workers) -> dict[str, Any]:
    """Its `ready`, once its first audio has arrived."""
    ready = await talking.hear("ready")
    await talking.send(CHUNK)
    hand = await workers.hand("s1")
    await until(lambda: hand.audio)
    return ready


async def refused(gateway: Gateway, query: str) -> tuple[str, int | None]:
    async with line(gateway.stream(query)) as stranger:
        close_code = await stranger.rest()
    assert stranger.kinds == ["error"]
    return stranger.events[0]["code"], close_code


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    ("claim", "code"),
    [
        ("", ("conflict", 4506)),
        ("&resume_token=mine&committed_ms=0", ("conflict", 4506)),
        ("&resume_token=mine", ("not_found", 4504)),
        ("&resume_token=mine&committed_ms=40&last_event=3", ("not_found", 4504)),
    ],
)
async def test_a_stranger_cannot_open_an_id_in_use(
    gateway: Gateway, workers: Workers, claim: str, code: tuple[str, int]
) -> None:
    async with line(gateway.stream("session_id=s1")) as talking:
        await speaking(talking, workers)
        assert await refused(gateway, "session_id=s1" + claim) == code
        await talking.send(CHUNK, FINALIZE)
        await talking.hear("final")
        await talking.send(STOP)
        assert await talking.rest() == 1000
    assert talking.kinds == ["ready", "final", "done"]
    assert [hand.audio for hand in workers.hands] == [CHUNK * 2]


@pytest.mark.usefixtures("_impatient")
async def test_a_lost_session_keeps_its_id_until_its_window_ends(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("session_id=s1")) as talking:
        await speaking(talking, workers)
        talking.socket.transport.abort()
    async with line(gateway.stream("session_id=s1")) as again:
        error = await again.hear("error")
    assert error["code"] == "conflict"
    assert "in use" in error["message"]
    assert "2 s" in error["message"]

    async def opened() -> bool:
        async with line(gateway.stream("session_id=s1")) as again:
            return await first_kind(again) == "ready"

    assert await until(opened)


async def first_kind(talking: Line) -> str:
    return str(json.loads(await talking.socket.recv())["type"])


async def test_a_client_that_closed_may_use_its_id_at_once(gateway: Gateway, workers: Workers) -> None:
    async def listen(_: Hand, __: Frame) -> None:
        """Says nothing: the next one may have the id already."""

    workers.script = listen
    for _ in range(10):
        async with line(gateway.stream("session_id=s1")) as talking:
            await talking.hear("ready")
            await talking.send(CHUNK)


async def test_a_session_left_by_everybody_frees_its_id(gateway: Gateway, redis_client: Redis) -> None:
    """As after the death of a gateway: nobody stops it."""
    bus = bus_on(redis_client)
    for audio_seq, quiet_s, admitted in ((1, 20, False), (1, 63, True), (0, 5, False), (0, 16, True)):
        await bus.sessions.open(AT, f"epoch-{audio_seq}-{quiet_s}", b"{}", 0, keys.SESSION_TTL_S)
        await redis_client.hset(AT.state, "audio_seq", audio_seq)
        await redis_client.expire(AT.state, keys.SESSION_TTL_S - quiet_s)
        async with line(gateway.stream("session_id=s1")) as talking:
            assert await first_kind(talking) == ("ready" if admitted else "error")


@pytest.mark.usefixtures("_impatient")
async def test_two_that_open_one_id_never_get_the_token_of_each_other(gateway: Gateway) -> None:
    async def opens(session_id: str, speaker: str, delay_s: float, start: asyncio.Barrier) -> dict[str, Any]:
        await asyncio.sleep(delay_s)
        async with line(gateway.stream(f"session_id={session_id}&speaker={speaker}")) as talking:
            first: dict[str, Any] = json.loads(await talking.socket.recv())
            await start.wait()
            return first

    for number in range(150):
        start = asyncio.Barrier(2)
        async with asyncio.timeout(10):
            both = await asyncio.gather(
                opens(f"race-{number}", "alice", 0.0005 * (number % 8), start),
                opens(f"race-{number}", "mallory", 0, start),
            )
        assert sorted(event["type"] for event in both) == ["error", "ready"]
        for speaker, event in zip(("alice", "mallory"), both, strict=True):
            assert event.get("config", {}).get("speaker", speaker) == speaker
            assert event.get("code", "conflict") == "conflict"


async def test_a_resume_token_is_nowhere_in_redis(gateway: Gateway, workers: Workers, redis_client: Redis) -> None:
    heard: list[bytes] = []
    async with redis_client.pubsub() as listener:
        await listener.psubscribe("*")
        async with line(gateway.stream("session_id=s1")) as talking:
            ready = await speaking(talking, workers)
            await talking.send(FINALIZE)
            final = await talking.hear("final")
            async with line(gateway.stream(f"session_id=s1&resume_token={ready['resume_token']}")) as again:
                assert (await again.hear("ready"))["resume_token"] == ready["resume_token"]
                assert (await again.hear("final")) == final, "repeated for one that has seen nothing"
        while message := await listener.get_message(timeout=0.2):
            heard.append(repr(message).encode())
    assert (ready["event"], final["event"] > ready["event"]) == (1, True)
    stored = [await redis_client.dump(key) or b"" for key in await redis_client.keys("*")]
    assert any(b"words 1" in entry for entry in heard)
    assert not [entry for entry in [*heard, *stored] if ready["resume_token"].encode() in entry]


async def test_an_opening_repeated_is_the_same_opening(redis_client: Redis) -> None:
    bus, hold = bus_on(redis_client), Hold(60, 60)
    first = await bus.sessions.open(AT, "e1", b"{}", 0, 60, token_hash="a", hold=hold)
    assert first is not None
    again = await bus.sessions.open(AT, "e1", b"{}", 0, 60, token_hash="a", hold=hold)
    assert again == first
    assert await bus.sessions.open(AT, "e2", b"{}", 0, 60, token_hash="b", hold=hold) is None
    mine = await bus.sessions.open(AT, "e3", b"{}", 0, 60, token_hash="a", hold=hold)
    assert mine is not None
    assert mine.replaces == "e1"


async def test_a_reader_drops_the_events_of_another_epoch(redis_client: Redis) -> None:
    bus = bus_on(redis_client)
    await bus.sessions.open(AT, "e1", b"{}", 0, 60)
    async with bus.channels:
        live = bus.sessions.read_events(AT, "e1", 0).items()
        assert await anext(live) is None
        await bus.sessions.open(AT, "e2", b"{}", 0, 60)
        for _ in range(3):
            await bus.sessions.emit(Ownership(AT, "e2"), Notice(session_id="s1", code="half_sample", message="m"))
        assert await anext(live) is None
        late = bus.sessions.read_events(AT, "e1", 0).items()
        assert await anext(late) is None
        own = await anext(bus.sessions.read_events(AT, "e2", 0).items())
    assert own is not None
    assert b"epoch" not in own.body, "clients are not sent it"


async def test_a_client_with_a_token_of_its_own_finds_the_session_whose_ready_was_lost(
    gateway: Gateway, workers: Workers
) -> None:
    query = "session_id=s1&resume_token=mine&committed_ms=0"
    async with line(gateway.stream(query)) as talking:
        assert (await speaking(talking, workers))["resume_token"] == "mine"
        async with line(gateway.stream(query)) as again:
            ready = await again.hear("ready")
            assert (ready["resumed"], ready["resume_from_seq"]) == (True, 1)
            await again.send(STOP)
            assert await again.rest() == 1000
    async with line(gateway.stream("session_id=s1&resume_token=other&committed_ms=0")) as next_one:
        assert (await next_one.hear("ready"))["resumed"] is False, "an id that is free again may be opened so"


@pytest.mark.usefixtures("_impatient")
async def test_an_id_whose_opening_got_no_reply_may_be_opened_again(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried_out = SessionStreams.open

    async def reply_lost(*arguments: Any, **options: Any) -> None:
        await carried_out(*arguments, **options)
        raise redis.ConnectionError("the reply is lost")

    monkeypatch.setattr(SessionStreams, "open", reply_lost)
    async with line(gateway.stream("session_id=s1")) as first:
        error = await first.hear("error")
    assert (error["code"], error["retryable"]) == ("unavailable", True)
    monkeypatch.setattr(SessionStreams, "open", carried_out)

    async def opens_again() -> bool:
        async with line(gateway.stream("session_id=s1")) as second:
            return await first_kind(second) == "ready"

    await until(opens_again, timeout_s=5.0)
