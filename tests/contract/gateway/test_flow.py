"""One side slower than the other: nothing that counts is lost, and no queue grows without bound."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
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
    since,
    stand_ins,
    until,
)

from stt_shared.contracts.frames import Frame, FrameKind
from stt_shared.streams import keys
from stt_shared.streams.keys import session_keys
from stt_shared.streams.ownership import WriteResult
from stt_shared.streams.session_state import DecoderPosition

pytestmark = pytest.mark.contract

BUFFER_BYTES = 16_384
BIG = bytes(100_000)
FULL_AFTER = 10
"""So many big messages fill the log of these tests."""


@pytest.fixture(autouse=True)
def short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_gateway.live.backpressure.MAX_INGEST_LOG_BYTES", FULL_AFTER * len(BIG))


@pytest.fixture
async def workers(redis_client: Redis) -> AsyncIterator[Workers]:
    async with stand_ins(redis_client) as workers:
        workers.script = idle
        yield workers


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_client, redis_url, tmp_path, buffer_bytes=BUFFER_BYTES) as gateway:
        yield gateway


async def idle(hand: Hand, frame: Frame) -> None:
    pass


async def talkative(hand: Hand, utterances: int, partials: int) -> None:
    """Says more than the buffers hold. The last utterance stays open."""
    for utterance in range(1, utterances + 1):
        for number in range(1, partials + 1):
            await hand.partial(f"{utterance}.{number} " + "x" * 20_000)
        if utterance < utterances:
            await hand.final(f"final {utterance} " + "x" * 2000)


async def test_a_slow_reader_misses_partials_but_no_final(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream(), buffer_bytes=BUFFER_BYTES, max_queue=1) as client:
        await client.hear("ready")
        hand = await workers.hand()
        await talkative(hand, 20, 15)
        await client.send(FINALIZE)
        await until(lambda: hand.kinds == ["finalize"])
        await hand.final("the last")
        await hand.done()
        assert await client.rest() == 1000
    finals = [event["text"].split(" x")[0] for event in client.of("final")]
    assert finals == [f"final {number}" for number in range(1, 20)] + ["the last"]
    assert len(client.of("partial")) < 100
    numbers = [event["event"] for event in client.events]
    assert numbers == sorted(set(numbers))


async def test_the_newest_partial_is_what_a_slow_reader_gets(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream(), buffer_bytes=BUFFER_BYTES, max_queue=1) as client:
        await client.hear("ready")
        hand = await workers.hand()
        await talkative(hand, 1, 200)
        last = ""
        while not last.startswith("1.200 "):
            last = (await client.hear("partial"))["text"]
    assert len(client.of("partial")) < 100


async def test_who_does_not_read_at_all_is_let_go(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with (
        running_gateway(
            redis_client, redis_url, tmp_path, buffer_bytes=BUFFER_BYTES, send_timeout_s=0.3, resume_window_s=0.2
        ) as gateway,
        line(gateway.stream(), buffer_bytes=BUFFER_BYTES, max_queue=1) as client,
    ):
        await client.hear("ready")
        await client.send(bytes(640))
        hand = await workers.hand()
        await until(lambda: hand.frames)
        began = time.monotonic()
        for number in range(300):
            await hand.final(f"{number} " + "x" * 20_000)
        await until(lambda: hand.kinds[-1:] == ["stop"])
        assert since(began) < 5, "its workers are free again"


async def sent_until_it_waits(client: Line, chunk: bytes) -> tuple[int, "asyncio.Task[None]"]:
    """Sends until the connection takes no more for half a second; answers how many were sent, and the last, waiting."""
    for number in range(1, 1000):
        sending = asyncio.create_task(client.socket.send(chunk))
        done, _ = await asyncio.wait({sending}, timeout=0.5)
        if not done:
            return number, sending
    raise AssertionError("nothing ever pushed back")


async def consumed(workers: Workers, hand: Hand, upto: int) -> None:
    """What an audio-processor does when it has decoded frames."""
    owner = await workers.bus.sessions.claim(hand.owner.keys, hand.owner.epoch, keys.STAGE_AUDIO, "audio")
    assert owner is not None
    frame = Frame(1, FrameKind.AUDIO, b"\0\0")
    decoder = DecoderPosition(1, consumed_bytes=sum(len(frame.data) for frame in hand.frames[:upto]))
    assert await workers.bus.sessions.append_pcm(owner, frame, consumed=upto, decoder=decoder) is WriteResult.OK


async def test_a_full_log_makes_the_client_wait_and_loses_nothing(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("session_id=s1&encoding=webm"), buffer_bytes=BUFFER_BYTES) as client:
        await client.hear("ready")
        n_big, waiting = await sent_until_it_waits(client, BIG)
        hand = await workers.hand()
        await until(lambda: len(hand.frames) == FULL_AFTER)
        assert await gateway.client.xlen(session_keys("s1").audio_log) == FULL_AFTER
        assert not waiting.done()
        assert n_big < 30, "what waits is bounded by the buffers"
        await consumed(workers, hand, 8)
        await asyncio.wait_for(waiting, 5)
        await client.send(b"the end", STOP)
        await until(lambda: hand.kinds == ["audio", "stop"])
        assert hand.audio == BIG * n_big + b"the end"
        await hand.done()
        assert await client.rest() == 1000


async def test_a_client_that_must_wait_is_not_taken_for_dead(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    """A fixed bug: nothing is read of a client that must wait, its pongs neither, so it was cut off after 20 s."""

    def ping_often(config: uvicorn.Config) -> None:
        config.ws_ping_interval = 0.2
        if config.ws_ping_timeout is not None:
            config.ws_ping_timeout = 0.2

    async with running_gateway(redis_client, redis_url, tmp_path, configure=ping_often) as gateway:
        async with line(gateway.stream("encoding=webm")) as client:
            await client.hear("ready")
            for _ in range(FULL_AFTER + 2):
                await client.send(BIG)
            hand = await workers.hand()
            await until(lambda: len(hand.frames) == FULL_AFTER)
            await asyncio.sleep(1.0)
            assert client.socket.close_code is None
            await consumed(workers, hand, 8)
            await client.send(STOP)
            await until(lambda: hand.kinds == ["audio", "stop"])
            assert hand.audio == BIG * (FULL_AFTER + 2)


async def test_who_waits_for_room_is_neither_silent_nor_idle(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.ws.attachment.CHECK_EVERY_S", 0.1)
    async with running_gateway(redis_client, redis_url, tmp_path, session_idle_timeout_s=1) as gateway:
        async with line(gateway.stream("encoding=webm&endpointing_ms=100")) as client:
            await client.hear("ready")
            for _ in range(FULL_AFTER + 2):
                await client.send(BIG)
            hand = await workers.hand()
            await until(lambda: len(hand.frames) == FULL_AFTER)
            await asyncio.sleep(1.5)
            assert client.socket.close_code is None
            await consumed(workers, hand, 8)
            await until(lambda: len(hand.frames) >= FULL_AFTER + 2)
            assert hand.kinds == ["audio"]


async def test_a_session_whose_log_is_full_can_be_superseded(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("session_id=s1&encoding=webm")) as first:
        await first.hear("ready")
        for _ in range(FULL_AFTER + 1):
            await first.send(BIG)
        hand = await workers.hand()
        await until(lambda: len(hand.frames) == FULL_AFTER)
        ready = first.of("ready")[0]
        async with line(gateway.stream(f"session_id=s1&resume_token={ready['resume_token']}")) as second:
            await second.hear("ready")
            assert await first.rest(3) == 4509
            assert first.events[-1]["code"] == "superseded"


async def serve(client: Redis, hand: Hand) -> None:
    """Both stages of a session have owners that are alive."""
    for stage in (keys.STAGE_AUDIO, keys.STAGE_TRANSCRIBER):
        await client.hset(hand.owner.keys.state, f"owner:{stage}", "a worker")
    await client.set(keys.replica_alive("a worker"), 1, ex=60)


async def filled(client: Line, workers: Workers) -> Hand:
    await client.hear("ready")
    for _ in range(FULL_AFTER + 2):
        await client.send(BIG)
    hand = await workers.hand()
    await until(lambda: len(hand.frames) == FULL_AFTER)
    return hand


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_gateway.ws.attachment.CHECK_EVERY_S", 0.05)
    monkeypatch.setattr("stt_gateway.core.live.stall.UNSERVED_MS", 300.0)


@pytest.mark.usefixtures("impatient")
async def test_a_full_log_without_workers_is_no_worker_and_can_be_resumed(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("session_id=s1&encoding=webm")) as client:
        hand = await filled(client, workers)
        assert await client.rest(5) == 4430
        error = client.events[-1]
        assert (error["code"], error["retryable"]) == ("no_worker", True)
        token = client.of("ready")[0]["resume_token"]
    await consumed(workers, hand, 8)
    async with line(gateway.stream(f"session_id=s1&encoding=webm&resume_token={token}")) as again:
        assert (await again.hear("ready"))["resumed"] is True
        await again.send(BIG, STOP)
        await until(lambda: hand.kinds == ["audio", "stop"])
        assert hand.audio == BIG * (FULL_AFTER + 1)


@pytest.mark.usefixtures("impatient")
async def test_slow_workers_end_no_session(gateway: Gateway, workers: Workers, redis_client: Redis) -> None:
    async with line(gateway.stream("encoding=webm")) as client:
        hand = await filled(client, workers)
        await serve(redis_client, hand)
        await asyncio.sleep(1.0)
        assert client.socket.close_code is None


@pytest.mark.usefixtures("impatient")
async def test_live_workers_that_never_move_are_no_worker(
    gateway: Gateway, workers: Workers, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.core.live.stall.UNMOVED_MS", 500.0)
    async with line(gateway.stream("encoding=webm")) as client:
        hand = await filled(client, workers)
        await serve(redis_client, hand)
        assert await client.rest(5) == 4430


async def test_the_session_limit_holds_whatever_the_log_holds(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path, beyond_bounds={"max_session_s": 2}) as gateway:
        async with line(gateway.stream("encoding=webm")) as client:
            hand = await filled(client, workers)
            await until(lambda: hand.kinds == ["audio", "stop"], timeout_s=5)
            assert len(hand.audio) >= (FULL_AFTER + 1) * len(BIG)


async def test_a_client_that_is_gone_ends_its_session_whatever_its_log_holds(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path, resume_window_s=0.3) as gateway:
        async with line(gateway.stream("encoding=webm")) as client:
            hand = await filled(client, workers)
            client.socket.transport.abort()
            await until(lambda: hand.kinds == ["audio", "stop"], timeout_s=8)
