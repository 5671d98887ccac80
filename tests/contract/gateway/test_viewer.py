"""Several speak into one conversation, and whoever follows it reads every utterance once, whenever they came."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
import websockets
from redis.asyncio import Redis
from support.gateway_harness import Gateway, Line, line, running_gateway, stand_ins, until
from support.wiring import bus_on

from stt_shared.contracts.conversation import LiveUtterance, Utterance, utterance_from
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus

pytestmark = pytest.mark.contract


@pytest.fixture
async def gateways(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[tuple[Gateway, Gateway]]:
    store = f"sqlite:///{tmp_path}/transcripts.db"
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path / "a", database_url=store) as one,
        running_gateway(redis_client, redis_url, tmp_path / "b", database_url=store) as other,
    ):
        yield one, other


@pytest.fixture
def bus(redis_client: Redis) -> Bus:
    return bus_on(redis_client)


def said(
    session: str, number: int, *, conversation: str | None = "call 7/ä", ago_ms: float = 0.0, lasts_ms: int = 1
) -> Utterance:
    return Utterance(
        conversation_id=conversation,
        session_id=session,
        instance=f"{session}-i",
        utterance=number,
        speaker=session.upper(),
        text=f"{session} says {number}",
        language="en",
        confidence=0.9,
        spoken_ms=int(wall_ms() - ago_ms),
        start_ms=0,
        end_ms=lasts_ms,
    )


def follow(gateway: Gateway, query: str = "", conversation: str = "call 7/ä") -> str:
    path = f"/v1/stt/conversations/{quote(conversation, safe='')}"
    return gateway.url.replace("http", "ws") + path + (f"?{query}" if query else "")


async def texts(viewer: Line, count: int) -> list[str]:
    return [(await viewer.hear("utterance"))["text"] for _ in range(count)]


async def test_viewers_of_two_speakers_end_with_the_same_list(gateways: tuple[Gateway, Gateway], bus: Bus) -> None:
    one, other = gateways
    await bus.conversations.send(said("ann", 1))
    async with line(follow(one)) as early, line(follow(other)) as second:
        for viewer in (early, second):
            assert (await viewer.hear("following"))["conversation_id"] == "call 7/ä"
        await asyncio.gather(*(bus.conversations.send(said(who, 2)) for who in ("ann", "bob")))
        heard = await texts(early, 3)
        assert heard[0] == "ann says 1"
        assert sorted(heard[1:]) == ["ann says 2", "bob says 2"]
        cursor = early.of("utterance")[-1]["cursor"]
        assert await texts(second, 3) == heard
        early.socket.transport.abort()
        await bus.conversations.send(said("bob", 3))
        async with line(follow(other, f"after={cursor}")) as back, line(follow(one)) as late:
            assert await texts(back, 1) == ["bob says 3"]
            assert await texts(late, 4) == [*heard, "bob says 3"]
            assert await texts(second, 1) == ["bob says 3"]
            await bus.conversations.send(said("ann", 3))
            assert {(await texts(viewer, 1))[0] for viewer in (back, late, second)} == {"ann says 3"}
    assert {"instance", "store", "epoch", "words"}.isdisjoint(early.of("utterance")[0])
    assert early.of("utterance")[0]["speaker"] == "ANN"


async def test_an_utterance_that_is_said_again_is_shown_once(
    gateways: tuple[Gateway, Gateway], bus: Bus, redis_client: Redis
) -> None:
    for number in (1, 1, 2, 1, 2):
        await bus.conversations.send(said("ann", number))
    async with line(follow(gateways[0])) as viewer:
        assert await texts(viewer, 2) == ["ann says 1", "ann says 2"]
        await bus.conversations.send(said("ann", 3))
        assert await texts(viewer, 1) == ["ann says 3"]
    added = (await redis_client.xinfo_stream(keys.TRANSCRIPTS_WAITING))["entries-added"]
    assert added == 6, "the store gets each at least once"


async def test_every_kind_of_server_takes_an_utterance_once(any_redis_client: Redis) -> None:
    bus = bus_on(any_redis_client)
    for number in (1, 1, 2):
        await bus.conversations.send(said("ann", number))
    entries = await any_redis_client.xrange(keys.conversation_keys("local", "call 7/ä").log)
    kept = [utterance_from(fields[b"event"]) for _, fields in entries]
    assert [(one.seq, one.utterance) for one in kept] == [(1, 1), (2, 2)]
    assert {one.epoch for one in kept} == {await bus.conversations.epoch("local", "call 7/ä")} != {""}


async def test_two_minutes_come_first_or_as_much_as_is_asked_for(gateways: tuple[Gateway, Gateway], bus: Bus) -> None:
    ages_s = [*range(600, 100, -4), 90, 30]
    for number, age_s in enumerate(ages_s, start=1):
        await bus.conversations.send(said("ann", number, ago_ms=age_s * 1000))
    lately = sum(age_s < 120 for age_s in ages_s)
    async with line(follow(gateways[0])) as viewer:
        assert (await texts(viewer, lately))[-1] == f"ann says {len(ages_s)}"
    async with line(follow(gateways[0], "since_ms=3600000")) as viewer:
        assert (await texts(viewer, len(ages_s)))[0] == "ann says 1"
    async with line(follow(gateways[0], "since_ms=0")) as viewer:
        await viewer.hear("following")
        await bus.conversations.send(said("ann", 999))
        assert await texts(viewer, 1) == ["ann says 999"]


async def test_a_long_utterance_hides_no_shorter_one_that_was_settled_before_it(
    gateways: tuple[Gateway, Gateway], bus: Bus
) -> None:
    """Utterances stand in the order in which they were settled, which is not quite that of the clock."""
    await bus.conversations.send(said("ann", 1, ago_ms=60_000))
    await bus.conversations.send(said("bob", 1, ago_ms=25_000))
    await bus.conversations.send(said("ann", 2, ago_ms=40_000, lasts_ms=10_000))
    await bus.conversations.send(said("ann", 3, ago_ms=1_000))
    async with line(follow(gateways[0], "since_ms=27000")) as viewer:
        assert await texts(viewer, 3) == ["bob says 1", "ann says 2", "ann says 3"]


async def test_what_is_being_said_comes_to_those_who_want_it(gateways: tuple[Gateway, Gateway], bus: Bus) -> None:
    shown = LiveUtterance(
        conversation_id="call 7/ä",
        session_id="ann",
        utterance=1,
        speaker="ANN",
        text="so far",
        stable="so",
        unstable="far",
    )
    async with line(follow(gateways[0], "unsettled=true")) as eager, line(follow(gateways[0])) as calm:
        await eager.hear("following")
        await calm.hear("following")

        async def is_shown() -> bool:
            await bus.conversations.publish_live("local", shown)
            try:
                return bool(await eager.hear("unsettled", timeout_s=0.2))
            except TimeoutError:
                return False

        await until(is_shown)
        assert eager.of("unsettled")[0]["unstable"] == "far"
        await bus.conversations.send(said("ann", 1))
        assert await texts(calm, 1) == ["ann says 1"]
        assert calm.of("unsettled") == []


async def forget(client: Redis, conversation: str = "call 7/ä") -> None:
    """What a Redis that came back empty knows of it."""
    at = keys.conversation_keys("local", conversation)
    await client.delete(at.state, at.log, *[key async for key in client.scan_iter("stt:conversations:newest:*")])


@pytest.mark.parametrize("before", [1, 3])
async def test_a_conversation_that_redis_lost_begins_again_for_those_who_follow_it(
    gateways: tuple[Gateway, Gateway], bus: Bus, redis_client: Redis, before: int
) -> None:
    """Its numbers begin again too: the second utterance after the loss has the number that a viewer of one expects."""
    async with line(follow(gateways[0])) as viewer:
        for number in range(1, before + 1):
            await bus.conversations.send(said("ann", number))
        await texts(viewer, before)
        cursor = viewer.of("utterance")[-1]["cursor"]
        await forget(redis_client)
        for number in (4, 5):
            await bus.conversations.send(said("ann", number))
        assert await texts(viewer, 2) == ["ann says 4", "ann says 5"]
        assert cursor.rpartition("-")[0] != viewer.of("utterance")[-1]["cursor"].rpartition("-")[0]
    async with line(follow(gateways[1], f"after={cursor}&since_ms=0")) as back:
        assert await texts(back, 2) == ["ann says 4", "ann says 5"], "all of the new one is news"


async def test_a_log_that_outlived_its_conversation_takes_new_utterances(
    gateways: tuple[Gateway, Gateway], bus: Bus, redis_client: Redis
) -> None:
    for number in (1, 2):
        await bus.conversations.send(said("ann", number))
    await redis_client.delete(keys.conversation_keys("local", "call 7/ä").state)
    await bus.conversations.send(said("ann", 3))
    async with line(follow(gateways[0])) as viewer:
        assert await texts(viewer, 1) == ["ann says 3"]


async def test_a_conversation_does_not_remember_all_who_ever_spoke_in_it(bus: Bus, redis_client: Redis) -> None:
    for number in range(50):
        await bus.conversations.send(said(f"s{number}", 1))
    at = keys.conversation_keys("local", "call 7/ä")
    assert await redis_client.hlen(at.state) == 2
    assert 0 < await redis_client.ttl(at.newest_of("s1-i")) <= keys.CONVERSATION_TTL_S


async def test_the_whole_is_read_from_the_store(gateways: tuple[Gateway, Gateway], bus: Bus) -> None:
    for number in (1, 2, 3):
        await bus.conversations.send(said("ann", number))
    path = gateways[0].url + f"/v1/stt/conversations/{quote('call 7/ä', safe='')}"
    async with httpx2.AsyncClient() as client:

        async def whole() -> list[str]:
            found = (await client.get(path)).json()["utterances"]
            return [one["text"] for one in found] if len(found) == 3 else []

        assert await until(whole) == ["ann says 1", "ann says 2", "ann says 3"]
        assert {one["session_id"] for one in (await client.get(path)).json()["utterances"]} == {"ann"}
        page = (await client.get(path, params={"after": 1, "limit": 1})).json()
        assert ([one["number"] for one in page["utterances"]], page["next"]) == ([2], 2)
        assert (await client.get(path, params={"limit": 0})).status_code == 422


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("since_ms=-1", "since_ms"),
        ("after=x", "after"),
        ("after=a-b", "after"),
        ("unsettled=maybe", "unsettled"),
        ("x=1", "'x'"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(
    gateways: tuple[Gateway, Gateway], query: str, named: str
) -> None:
    async with line(follow(gateways[0], query)) as viewer:
        assert await viewer.rest() == 4502
        assert named in viewer.events[-1]["message"]


async def test_two_hundred_viewers_follow_and_a_speaker_writes_once(
    gateways: tuple[Gateway, Gateway], bus: Bus, redis_client: Redis
) -> None:
    sockets = await asyncio.gather(*(websockets.connect(follow(gateways[0])) for _ in range(200)))
    try:
        viewers = [Line(socket) for socket in sockets]
        await asyncio.gather(*(viewer.hear("following", 20.0) for viewer in viewers))
        before = await redis_client.info("commandstats")
        began = time.monotonic()
        for number in range(1, 6):
            await bus.conversations.send(said("ann", number))
        spoken_s = time.monotonic() - began
        heard = await asyncio.gather(*(texts(viewer, 5) for viewer in viewers))
        after = await redis_client.info("commandstats")
    finally:
        await asyncio.gather(*(socket.close() for socket in sockets))
    assert {tuple(one) for one in heard} == {tuple(f"ann says {number}" for number in range(1, 6))}
    assert spoken_s < 1.0
    writes = after["cmdstat_xadd"]["calls"] - before.get("cmdstat_xadd", {"calls": 0})["calls"]
    assert writes == 10, "one for the viewers and one for the store, each"


async def test_viewers_of_a_quiet_conversation_ask_redis_for_next_to_nothing(
    gateways: tuple[Gateway, Gateway], bus: Bus, redis_client: Redis
) -> None:
    await bus.conversations.send(said("ann", 1))
    async with contextlib.AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(line(follow(gateways[0], "unsettled=true"))) for _ in range(50)]
        for viewer in viewers:
            assert await texts(viewer, 1) == ["ann says 1"]
        await asyncio.sleep(2.0)  # the first look of all

        async def looks() -> int:
            stats = await redis_client.info("commandstats")
            return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("xrange", "xrevrange", "hget"))

        before = await looks()
        await asyncio.sleep(3.0)
        assert await looks() - before < 10
        await bus.conversations.send(said("ann", 2))
        for viewer in viewers:
            assert await texts(viewer, 1) == ["ann says 2"]


async def test_what_is_said_while_connections_to_redis_are_lost_reaches_every_viewer(
    gateways: tuple[Gateway, Gateway], bus: Bus, redis_client: Redis
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(line(follow(gateway))) for gateway in gateways for _ in range(3)]
        for viewer in viewers:
            await viewer.hear("following")
        killed = 0
        for number in range(1, 41):
            if number % 4 == 0:
                killed += await redis_client.client_kill_filter(_type="pubsub")
            await bus.conversations.send(said("ann", number))
            await asyncio.sleep(0.02)
        assert killed
        for viewer in viewers:
            assert await texts(viewer, 40) == [f"ann says {number}" for number in range(1, 41)]


async def test_legacy_clients_find_their_routes(gateways: tuple[Gateway, Gateway], bus: Bus) -> None:
    one, _ = gateways
    async with httpx2.AsyncClient() as client:
        assert (await client.get(one.url + "/api/stt/healthcheck")).text == "Yes, I'm ok"
    await bus.conversations.send(said("ann", 1, conversation="default"))
    await bus.conversations.send(said("ann", 2, conversation="default", ago_ms=-1))
    async with line(one.url.replace("http", "ws") + "/api/stt/connect") as viewer:
        lately = json.loads(await viewer.socket.recv())
        assert [utterance["text"] for utterance in lately] == ["ann says 1", "ann says 2"]
    async with line(one.url.replace("http", "ws") + "/api/stt/transcribe?sampleRate=44100") as speaker:
        ready = await speaker.hear("ready")
        assert (ready["config"]["sample_rate"], ready["config"]["conversation_id"]) == (44100, "default")


async def test_a_viewer_for_whom_there_is_no_place_is_told_when_to_come_again(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path, gateway_max_viewers=1) as gateway:
        async with line(follow(gateway)) as one:
            await one.hear("following")
            delays = []
            for _ in range(2):
                async with line(follow(gateway)) as other:
                    assert await other.rest() == 4429
                delays.append(other.events[-1]["retry_after_s"])
    assert all(0.5 <= seconds <= 2 for seconds in delays)
    assert delays[0] != delays[1]


async def test_viewers_are_counted_apart_from_speakers(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path, gateway_max_sessions=1, gateway_max_viewers=2) as gateway,
        line(follow(gateway)) as first,
        line(follow(gateway)) as second,
        line(gateway.stream()) as speaker,
    ):
        for one, kind in ((first, "following"), (second, "following"), (speaker, "ready")):
            await one.hear(kind)
        for url in (follow(gateway), gateway.stream()):
            async with line(url) as refused:
                assert (await refused.hear("error"))["code"] == "at_capacity"


async def test_a_viewer_that_answers_no_ping_is_gone(
    redis_client: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.ws.viewer.VIEWER_SILENCE_S", 0.4)
    answered = asyncio.Event()
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path) as gateway,
        line(follow(gateway)) as dead,
        line(follow(gateway)) as alive,
    ):
        await alive.hear("following")

        async def answer() -> None:
            while not answered.is_set():
                await alive.socket.pong()
                await asyncio.sleep(0.1)

        answering = asyncio.create_task(answer())
        assert (await dead.hear("error"))["code"] == "idle"
        await asyncio.sleep(0.5)
        await alive.socket.ping()
        answered.set()
        await answering
        assert alive.of("error") == []
