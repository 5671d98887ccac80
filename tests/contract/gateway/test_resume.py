"""A lost connection loses nothing: the session goes on at any gateway, from the last byte that is held."""

import asyncio
import contextlib
import json
import random
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
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
    until,
)

from stt_gateway.live.session import Session
from stt_shared.contracts.frames import Frame, FrameKind
from stt_shared.contracts.session import TakeoverState
from stt_shared.streams import keys
from stt_shared.streams.session_state import SessionState
from stt_shared.streams.sessions import Commit

pytestmark = pytest.mark.contract


def query(session_id: str, ready: dict[str, Any] | None = None, **more: Any) -> str:
    given = {"session_id": session_id, "framing": "seq32", **more}
    return urlencode(given | ({"resume_token": ready["resume_token"]} if ready else {}))


def numbered(chunks: list[bytes], first: int = 1) -> list[bytes]:
    return [(first + at).to_bytes(4, "big") + chunk for at, chunk in enumerate(chunks)]


def lose(talking: Line) -> None:
    """As a network does: no closing handshake."""
    talking.socket.transport.abort()


async def test_a_session_goes_on_at_another_gateway(gateways: tuple[Gateway, Gateway], workers: Workers) -> None:
    one, other = gateways
    chunks = [bytes([at]) * 3200 for at in range(20)]
    async with line(one.stream(query("s1"))) as before:
        ready = await before.hear("ready")
        assert ready["resumed"] is None
        await before.send(*numbered(chunks[:8]), FINALIZE)
        await before.hear("final")
        hand = await workers.hand("s1")
        await before.send(*numbered(chunks[8:11], 9))
        await until(lambda: len(hand.audio) == 11 * 3200)
        heard = before.events[-1]["event"]
        lose(before)
    missed = await hand.final("missed")
    async with line(other.stream(query("s1", ready, last_event=heard))) as after:
        again = await after.hear("ready")
        assert (again["resumed"], again["resume_from_seq"], again["event"]) == (True, 11, heard)
        assert again["resume_token"] == ready["resume_token"]
        assert (await after.hear("final"))["event"] == missed
        # One that is held already does no harm.
        await after.send(*numbered(chunks[10:], 11), STOP)
        assert await after.rest() == 1000
    assert hand.audio == b"".join(chunks)
    assert [frame.seq for frame in hand.frames] == list(range(1, len(hand.frames) + 1))
    numbers = [event["event"] for event in after.events[1:]]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > heard


@pytest.mark.parametrize("seed", range(6))
async def test_however_often_it_is_lost_every_byte_arrives_once(
    gateways: tuple[Gateway, Gateway], workers: Workers, seed: int
) -> None:
    rng = random.Random(seed)
    audio = rng.randbytes(200_000)
    # Of any length: cut within samples, and longer than a frame in Redis may be.
    cuts = sorted({rng.randrange(1, len(audio)) for _ in range(60)})
    chunks = [audio[a:b] for a, b in zip([0, *cuts], [*cuts, len(audio)], strict=True)]
    ready: dict[str, Any] | None = None
    held, losses = 0, 0
    while True:
        async with line(gateways[losses % 2].stream(query(f"r{seed}", ready))) as talking:
            ready = await talking.hear("ready")
            held = ready["resume_from_seq"]
            upto = min(held + rng.randrange(1, 12), len(chunks))
            with contextlib.suppress(Exception):
                await talking.send(*numbered(chunks[held:upto], held + 1))
            if upto == len(chunks):
                await talking.send(STOP)
                await talking.hear("done")
                break
            await asyncio.sleep(rng.uniform(0, 0.05))
            lose(talking)
            losses += 1
    hand = await workers.hand(f"r{seed}")
    assert losses > 3
    assert hand.audio == audio


async def test_without_resuming_what_was_said_is_gone(gateways: tuple[Gateway, Gateway], workers: Workers) -> None:
    """The negative twin: the same loss, and a client that begins again."""
    one, other = gateways
    async with line(one.stream(query("s2"))) as before:
        await before.hear("ready")
        await before.send(*numbered([bytes(3200)] * 5))
        await until(lambda: len(workers.hands) == 1 and len(workers.hands[0].audio) == 5 * 3200)
        lose(before)
    async with line(other.stream(query("s2-again"))) as after:
        await after.hear("ready")
        await after.send(*numbered([b"\1" * 3200] * 2, 6), STOP)
        await after.hear("done")
    hand = workers.hands[-1]
    assert hand.audio == b"\1" * 6400, "begun again, without the first five"


async def test_the_second_connection_of_a_session_shuts_out_the_first(
    gateways: tuple[Gateway, Gateway], workers: Workers
) -> None:
    one, other = gateways
    async with line(one.stream(query("s3"))) as first:
        ready = await first.hear("ready")
        await first.send(*numbered([b"\1" * 3200]))
        await until(lambda: workers.hands and workers.hands[0].audio)
        async with line(other.stream(query("s3", ready, last_event=1))) as second:
            await second.hear("ready")
            assert await first.rest() == 4509
            assert first.events[-1]["code"] == "superseded"
            await second.send(*numbered([b"\2" * 3200], 2), STOP)
            assert await second.rest() == 1000
    assert workers.hands[0].audio == b"\1" * 3200 + b"\2" * 3200


async def test_a_frozen_connection_writes_nothing_once_another_has_the_session(
    gateways: tuple[Gateway, Gateway], workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = gateways
    thawed = asyncio.Event()
    pass_on = Session._append

    async def frozen(self: Session, kind: FrameKind, data: bytes, received_wall_ms: float) -> None:
        if data[:1] == b"\7":
            await thawed.wait()
        await pass_on(self, kind, data, received_wall_ms)

    monkeypatch.setattr(Session, "_append", frozen)
    async with line(one.stream(query("s4"))) as first:
        ready = await first.hear("ready")
        await first.send(*numbered([b"\7" * 3200]))
        await asyncio.sleep(0.1)
        async with line(other.stream(query("s4", ready))) as second:
            await second.hear("ready")
            await second.send(*numbered([b"\1" * 3200]))
            await until(lambda: workers.hands and workers.hands[0].audio)
            thawed.set()
            assert await first.rest() == 4509
            await second.send(STOP)
            await second.hear("done")
    assert workers.hands[0].audio == b"\1" * 3200


@pytest.mark.parametrize("more", [{}, {"session_id": "other"}, {"resume_token": "wrong"}])
async def test_who_has_no_token_of_a_session_cannot_go_on_with_it(
    gateways: tuple[Gateway, Gateway], workers: Workers, more: dict[str, str]
) -> None:
    one, _ = gateways
    async with line(one.stream(query("s5"))) as first:
        ready = await first.hear("ready")
        if more:
            async with line(
                one.stream(urlencode({"session_id": "s5", "resume_token": ready["resume_token"]} | more))
            ) as thief:
                assert await thief.rest() == 4504
                assert thief.events[-1]["code"] == "not_found"
        else:
            async with line(one.stream("resume_token=x")) as thief:
                assert await thief.rest() == 4502
        await first.send(STOP)
        assert await first.rest() == 1000


async def commit(hand: Hand, samples: int, seq: int) -> None:
    await hand._bus.sessions.commit(hand.owner, Commit(samples, seq, TakeoverState()))


async def test_a_session_that_redis_lost_is_rebuilt_from_what_its_client_knows(
    gateways: tuple[Gateway, Gateway], workers: Workers, redis_client: Redis
) -> None:
    one, other = gateways
    async with line(one.stream(query("s6"))) as before:
        ready = await before.hear("ready")
        await before.send(*numbered([b"\1" * 3200] * 3), FINALIZE)
        final = await before.hear("final")
        lose(before)
    replicas = await redis_client.hgetall(keys.REPLICAS)
    await redis_client.flushall()
    await redis_client.hset(keys.REPLICAS, mapping=replicas)
    for replica in replicas:
        await redis_client.set(keys.replica_alive(replica.decode()), 1)
    known = {"last_event": final["event"], "committed_ms": 200, "finals": 1}
    async with line(other.stream(query("s6", ready, **known))) as after:
        again = await after.hear("ready")
        assert (again["resumed"], again["resume_from_seq"]) == (False, 0)
        assert again["event"] == final["event"] + 1
        state = SessionState.read(await redis_client.hgetall(keys.session_keys("s6").state))
        assert (state.committed_samples, state.finals) == (3200, 1)
        assert int(await redis_client.hget(keys.session_keys("s6").state, "start_samples") or -1) == 3200
        hand = workers.hands[-1]
        await after.send(*numbered([b"\2" * 3200]))
        hand = await workers.hand("s6")
        await until(lambda: workers.hands[-1].audio == b"\2" * 3200)
        hand = workers.hands[-1]
        hand.finals.append("the first")
        await hand.final("the second")
        assert (await after.hear("final"))["utterance"] == 2


async def test_a_store_that_knows_less_than_the_client_is_no_place_to_go_on(
    gateways: tuple[Gateway, Gateway], workers: Workers, redis_client: Redis
) -> None:
    one, _ = gateways
    async with line(one.stream(query("s7"))) as before:
        ready = await before.hear("ready")
        await before.send(*numbered([bytes(3200)]))
        lose(before)
    async with line(one.stream(query("s7", ready, last_event=9, committed_ms=400, finals=2))) as after:
        again = await after.hear("ready")
        assert again["resumed"] is False
        assert again["event"] == 10
        assert again["resume_token"] == ready["resume_token"], "it is the same session to its client"


async def test_a_session_that_ended_meanwhile_tells_how(gateways: tuple[Gateway, Gateway], workers: Workers) -> None:
    one, other = gateways
    held = asyncio.Event()

    async def late(hand: Hand, frame: Frame) -> None:
        if frame.kind is FrameKind.STOP:
            await held.wait()
            await hand.final("the last words")
            await hand.done()

    workers.script = late
    async with line(one.stream(query("s8"))) as before:
        ready = await before.hear("ready")
        await before.send(*numbered([bytes(3200)]), STOP)
        hand = await workers.hand("s8")
        await until(lambda: hand.kinds[-1:] == ["stop"])
        lose(before)
    held.set()
    await asyncio.sleep(0.1)
    async with line(other.stream(query("s8", ready, last_event=1))) as after:
        await after.hear("ready")
        await after.send(STOP)
        assert await after.rest() == 1000
    assert [event["type"] for event in after.events if event["type"] != "ack"] == ["ready", "final", "done"]


@pytest.mark.parametrize(("code", "at_once"), [(1000, True), (1001, True), (None, False), (3000, False)])
async def test_a_client_that_says_goodbye_ends_its_session_one_that_vanishes_does_not(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers, code: int | None, at_once: bool
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path, resume_window_s=1.0) as gateway:
        async with line(gateway.stream(query("s9"))) as talking:
            await talking.hear("ready")
            await talking.send(*numbered([bytes(3200)]))
            hand = await workers.hand("s9")
            await until(lambda: hand.audio)
            if code is None:
                lose(talking)
            else:
                await talking.socket.close(code)
        await asyncio.sleep(0.5)
        assert (hand.kinds[-1] == "stop") is at_once
        await until(lambda: hand.kinds[-1] == "stop")


async def test_a_gateway_in_trouble_leaves_the_session_to_the_next_connection(
    gateways: tuple[Gateway, Gateway], workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = gateways
    async with line(one.stream(query("s10"))) as before:
        ready = await before.hear("ready")
        await before.send(*numbered([b"\1" * 3200]))
        hand = await workers.hand("s10")
        await until(lambda: hand.audio)

        async def broken(*_: Any) -> None:
            raise RuntimeError("a mistake")

        with monkeypatch.context() as patch:
            patch.setattr(Session, "audio", broken)
            await before.send(*numbered([b"\2" * 3200], 2))
            assert await before.rest() == 4432
        assert before.events[-1]["retryable"]
    async with line(other.stream(query("s10", ready))) as after:
        await after.hear("ready")
        await after.send(*numbered([b"\2" * 3200], 2), STOP)
        assert await after.rest() == 1000
    assert hand.audio == b"\1" * 3200 + b"\2" * 3200


async def test_a_client_that_sends_too_fast_is_read_later_and_loses_nothing(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    audio = random.Random(1).randbytes(32_000 * 4)
    async with running_gateway(redis_client, redis_url, tmp_path, audio_burst_s=1.0, max_audio_rate=2.0) as gateway:
        async with line(gateway.stream(query("fast"))) as talking:
            await talking.hear("ready")
            began = asyncio.get_running_loop().time()
            await talking.send(*numbered([audio[at : at + 3200] for at in range(0, len(audio), 3200)]), STOP)
            await talking.hear("done")
            took_s = asyncio.get_running_loop().time() - began
    assert workers.hands[-1].audio == audio
    assert 1.3 < took_s < 3.0, "four seconds of audio: one at once, three at twice real time"


async def test_connections_are_counted_by_gateway_and_by_client(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path, max_sessions_per_client=2) as gateway:
        async with line(gateway.stream(query("c1"))) as one, line(gateway.stream(query("c2"))) as two:
            await one.hear("ready")
            await two.hear("ready")
            async with line(gateway.stream(query("c3"))) as three:
                assert await three.rest() == 4429
                assert "2 live connections" in three.events[-1]["message"]

        async def admitted() -> bool:
            async with line(gateway.stream(query("c3"))) as three:
                return json.loads(await three.socket.recv())["type"] == "ready"

        assert await until(admitted), "their places are free again"
