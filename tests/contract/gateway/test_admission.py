"""Places are for those who speak: silent and abandoned sessions give them up."""

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import (
    FINALIZE,
    KEEPALIVE,
    Gateway,
    Hand,
    Line,
    Workers,
    line,
    running_gateway,
    since,
    stand_ins,
    tell_status,
    until,
)
from support.live_client import as_json

from stt_shared.streams import keys

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("_quick")]

CHUNK = bytes(3200)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of replicas is never taken from memory, and sessions are looked after often."""
    monkeypatch.setattr("stt_gateway.live.admission.FRESH_MS", -1.0)
    monkeypatch.setattr("stt_gateway.ws.attachment.CHECK_EVERY_S", 0.1)


async def lost(gateway: Gateway, workers: Workers, session_id: str) -> tuple[Hand, str]:
    """A session with audio whose connection was lost, and its token."""
    async with line(gateway.stream(f"session_id={session_id}")) as talking:
        token = (await talking.hear("ready"))["resume_token"]
        await talking.send(CHUNK)
        hand = await workers.hand(session_id)
        await until(lambda: hand.audio)
        talking.socket.transport.abort()
    return hand, token


async def full(client: Redis, sessions: int) -> None:
    await tell_status(client, "transcriber", capacity=sessions, sessions=sessions)


@pytest.mark.parametrize("closed", [True, False])
async def test_a_session_without_audio_is_not_parked(
    gateways: tuple[Gateway, Gateway], workers: Workers, redis_client: Redis, closed: bool
) -> None:
    async with line(gateways[0].stream("session_id=s1")) as silent:
        await silent.hear("ready")
        await until(lambda: workers.stage.running == 1)
        if not closed:
            silent.socket.transport.abort()
    await until(lambda: _is_gone(redis_client, "s1"))


async def _is_gone(client: Redis, session_id: str) -> bool:
    return not await client.exists(keys.session_keys(session_id).state)


async def test_a_session_without_audio_idles_out_soon(
    gateways: tuple[Gateway, Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.core.live.time_limits.FIRST_AUDIO_S", 0.5)
    monkeypatch.setattr("stt_gateway.core.live.time_limits.FIRST_AUDIO_KEPT_S", 1.5)

    began = time.monotonic()

    async def ends(talking: Line, first: bytes | str | None) -> float:
        keeping = asyncio.create_task(_keep(talking, first))
        await talking.rest(5)
        keeping.cancel()
        assert talking.events[-1]["code"] == "idle"
        return since(began)

    one = gateways[0]
    async with line(one.stream()) as silent, line(one.stream()) as kept, line(one.stream()) as speaking:
        await asyncio.gather(*(each.hear("ready") for each in (silent, kept, speaking)))
        await speaking.send(CHUNK)
        took_s = await asyncio.gather(ends(silent, None), ends(kept, KEEPALIVE))
        assert 0.4 < took_s[0] < took_s[1]
        assert took_s[1] > 1.4
        await speaking.send(CHUNK)
        await speaking.hear("final")


async def _keep(talking: Line, message: bytes | str | None) -> None:
    while message:
        await talking.send(message)
        await asyncio.sleep(0.2)


async def test_a_newcomer_displaces_the_oldest_parked_session(
    gateways: tuple[Gateway, Gateway], workers: Workers, redis_client: Redis
) -> None:
    one, _ = gateways
    older, _ = await lost(one, workers, "older")
    younger, token = await lost(one, workers, "younger")
    await full(redis_client, 2)
    async with line(one.stream("session_id=new")) as new:
        await new.hear("ready")
        await until(lambda: older.kinds[-1] == "stop")
        await asyncio.sleep(0.2)
        assert younger.kinds == ["audio"]
        async with line(one.stream(f"session_id=younger&resume_token={token}")) as again:
            assert (await again.hear("ready"))["resumed"]
            async with line(one.stream("session_id=late")) as late:
                assert (await late.hear("error"))["code"] == "at_capacity", "nobody is parked any more"
    async with line(one.stream("session_id=older")) as again:
        assert (await again.hear("error"))["code"] == "at_capacity", "its id is free, but there is no place"


async def test_parked_sessions_stay_while_there_are_places(gateways: tuple[Gateway, Gateway], workers: Workers) -> None:
    parked, token = await lost(gateways[0], workers, "parked")
    async with line(gateways[0].stream("session_id=new")) as new:
        await new.hear("ready")
        await asyncio.sleep(0.2)
    assert parked.kinds == ["audio"]
    async with line(gateways[1].stream(f"session_id=parked&resume_token={token}")) as again:
        assert (await again.hear("ready"))["resumed"]


async def test_a_session_parked_at_another_gateway_makes_room_too(
    gateways: tuple[Gateway, Gateway], workers: Workers, redis_client: Redis
) -> None:
    one, other = gateways
    parked, _ = await lost(one, workers, "parked")
    await full(redis_client, 1)

    async def refused_and_asked() -> bool:
        async with line(other.stream("session_id=new")) as new:
            assert (await new.hear("error"))["code"] == "at_capacity"
        return parked.kinds[-1] == "stop"

    assert await until(refused_and_asked)
    await tell_status(redis_client, "transcriber", capacity=1, sessions=0)
    async with line(other.stream("session_id=new")) as new:
        await new.hear("ready")


async def test_a_caller_who_is_alone_waits_for_the_place_of_the_one_before(
    gateways: tuple[Gateway, Gateway], redis_client: Redis
) -> None:
    await full(redis_client, 1)
    async with line(gateways[0].stream()) as unnamed, line(gateways[1].stream("session_id=new")) as named:
        await asyncio.sleep(0.3)
        await tell_status(redis_client, "transcriber", capacity=1, sessions=0)
        await unnamed.hear("ready")
        await named.hear("ready")


async def test_a_session_that_is_named_late_needs_one_place(
    redis_client: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.live.admission.FRESH_MS", 60_000.0)
    async with stand_ins(redis_client, capacity=1), running_gateway(redis_client, redis_url, tmp_path) as gateway:
        async with line(gateway.stream()) as talking:
            await talking.hear("ready")
            await talking.send(as_json(CHUNK, "late"))
            assert (await talking.hear("ready"))["session_id"] == "late"


async def _has_stopped(hand: Hand) -> None:
    await until(lambda: hand.kinds[-1] == "stop")


LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the loopback interface has one address")


class TestScarcity:
    """All places are taken by sessions with a connection."""

    @pytest.fixture
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("stt_gateway.core.live.fairness.QUIET_MS", 500.0)

    @pytest.mark.usefixtures("_short")
    async def test_a_session_without_audio_gives_its_place_to_a_newcomer(
        self, gateway: Gateway, redis_client: Redis
    ) -> None:
        async with line(gateway.stream("session_id=quiet")) as quiet, line(gateway.stream("session_id=busy")) as busy:
            for one in (quiet, busy):
                await one.hear("ready")
                await one.send(CHUNK)
            keeping = asyncio.create_task(_keep(busy, CHUNK))
            await asyncio.sleep(0.7)
            await full(redis_client, 2)
            async with line(gateway.stream("session_id=new")) as new:
                await new.hear("ready")
                error = await quiet.hear("error")
                assert error["code"] == "at_capacity"
                assert error["retry_after_s"] > 0
                await new.send(CHUNK)
                keeping.cancel()
                await busy.send(FINALIZE)
                await busy.hear("final")
                async with line(gateway.stream("session_id=late")) as late:
                    assert (await late.hear("error"))["code"] == "at_capacity", "the others speak"

    @LINUX
    async def test_one_address_cannot_keep_all_others_out(
        self, gateway: Gateway, redis_client: Redis, workers: Workers
    ) -> None:
        async with contextlib.AsyncExitStack() as lines:

            async def speaks(session_id: str, source: str) -> Line:
                one = await lines.enter_async_context(
                    line(gateway.stream(f"session_id={session_id}"), local_addr=(source, 0))
                )
                await one.hear("ready")
                await one.send(CHUNK)
                return one

            greedy = [await speaks(f"g{number}", "127.0.0.2") for number in range(6)]
            await full(redis_client, 6)
            for number in range(4):
                await speaks(f"n{number}", f"127.0.0.{number + 3}")
            for cut in greedy[:1:-1]:
                assert (await cut.hear("error"))["code"] == "at_capacity"
                hand = await workers.hand(cut.events[0]["session_id"])
                await _has_stopped(hand)
            for source in ("127.0.0.2", "127.0.0.99"):
                async with line(gateway.stream(), local_addr=(source, 0)) as late:
                    assert (await late.hear("error"))["code"] == "at_capacity"
            for kept in greedy[:2]:
                await kept.send(FINALIZE)
                await kept.hear("final")

    @LINUX
    async def test_who_opens_and_closes_sessions_all_the_time_is_refused(
        self, redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
    ) -> None:
        async with running_gateway(redis_client, redis_url, tmp_path, max_openings_per_minute=3) as gateway:
            codes = []
            for _ in range(5):
                async with line(gateway.stream()) as one:
                    first = json.loads(await one.socket.recv())
                    codes.append(first.get("code", first["type"]))
            assert codes == ["ready"] * 3 + ["at_capacity"] * 2
            async with line(gateway.stream(), local_addr=("127.0.0.2", 0)) as other:
                await other.hear("ready")


async def test_finals_on_demand_have_a_pace(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_gateway.ws.attachment.CONTROLS_AT_ONCE", 3.0)
    monkeypatch.setattr("stt_gateway.ws.attachment.CONTROLS_PER_S", 2.0)
    async with line(gateway.stream()) as talking:
        await talking.hear("ready")
        began = time.monotonic()
        for _ in range(6):
            await talking.send(CHUNK)
            await talking.send(FINALIZE)
        for _ in range(6):
            await talking.hear("final")
        assert since(began) > 0.9, "later, and none is lost"


async def test_nothing_new_is_begun_while_redis_is_nearly_full_and_what_has_begun_goes_on(
    gateways: tuple[Gateway, Gateway], redis_client: Redis
) -> None:
    gateway = gateways[0]
    async with (
        httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http,
        line(gateway.stream("session_id=before")) as talking,
    ):
        await talking.hear("ready")
        memory = await redis_client.info("memory")
        await redis_client.config_set("maxmemory", int(memory["used_memory"] / 0.95))
        refused = await http.post("/v1/stt/jobs", files={"file": ("a.wav", CHUNK)})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert "nearly full" in refused.json()["error"]["message"]
        assert int(refused.headers["retry-after"]) >= 1
        async with line(gateway.stream("session_id=newcomer")) as newcomer:
            error = await newcomer.hear("error")
            assert (error["code"], error["retryable"]) == ("unavailable", True)
        assert (await http.get("/health")).json()["services"]["redis"] == "nearly_full"
        await talking.send(CHUNK)
        await until(lambda: _has_audio(redis_client, "before"))
        await redis_client.config_set("maxmemory", 0)
        assert (await http.post("/v1/stt/jobs", files={"file": ("a.wav", CHUNK)})).status_code == 202


async def _has_audio(client: Redis, session_id: str) -> bool:
    return await client.xlen(keys.session_keys(session_id).audio_log) > 0
