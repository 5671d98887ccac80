"""Readers of channel and log: no loss, no doubling, whatever the connection does."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from support.session_samples import AT, STAMP, final, frame, opened, partial
from support.wiring import open_bus

from stt_shared.contracts.events import Final, Partial, SpeechStarted, decode_event
from stt_shared.contracts.frames import Frame
from stt_shared.contracts.session import SessionConfig, encode_json
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.cluster import as_cluster
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import SESSION_TTL_S, session_keys
from stt_shared.streams.ownership import Ownership
from stt_shared.streams.reader import LogHole, RawEvent

pytestmark = pytest.mark.contract


@pytest.fixture
def redis_client(any_redis_client: Redis) -> Redis:
    return any_redis_client


@pytest.fixture
async def bus(redis_client: Redis) -> AsyncIterator[Bus]:
    async with open_bus(redis_client) as bus:
        yield bus


async def collect(
    reader: AsyncIterator[Frame | None] | AsyncIterator[RawEvent | None], count: int
) -> list[Frame | RawEvent]:
    items: list[Frame | RawEvent] = []
    async with asyncio.timeout(10):
        async for item in reader:
            if item is not None:
                items.append(item)
            if len(items) == count:
                return items
    raise AssertionError


async def test_reading_catches_up_then_follows_without_loss_or_doubling(bus: Bus, redis_client: Redis) -> None:
    owner = await opened(bus)
    for seq in range(1, 151):
        await bus.sessions.append_audio(owner, frame(seq))
    reading = asyncio.create_task(collect(bus.sessions.read_audio(AT, 20).items(), 430))
    for seq in range(151, 451):
        await bus.sessions.append_audio(owner, frame(seq))
    assert [item.seq for item in await reading] == list(range(21, 451))


def nodes_of(client: Redis) -> list[Redis]:
    cluster = as_cluster(client)
    return [client] if cluster is None else [cluster.on_node(node.name) for node in cluster.get_nodes()]


async def kill_subscribers(client: Redis) -> None:
    for node in nodes_of(client):
        await node.client_kill_filter(_type="pubsub", skipme=False)


@pytest.mark.parametrize("with_log", [True, False])
async def test_messages_lost_on_the_channel_come_from_the_log(
    bus: Bus, redis_client: Redis, with_log: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run is the negative twin: without the log, the killed connection's messages are gone."""
    owner = await opened(bus)
    if not with_log:

        async def nothing(*_: object, **__: object) -> list[object]:
            return []

        monkeypatch.setattr(bus.pipeline, "command", nothing)
    reader = bus.sessions.read_audio(AT, 0)
    reader._allow_holes = not with_log
    seen: list[int] = []

    async def read() -> None:
        async for item in reader.items():
            if item is not None:
                seen.append(item.seq)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.1)
    for seq in range(1, 201):
        if seq % 40 == 0:
            await kill_subscribers(redis_client)
        await bus.sessions.append_audio(owner, frame(seq))
    await asyncio.sleep(2.5)
    await cancel_and_wait(reading)
    assert seen == sorted(set(seen))
    assert (len(seen) == 200) is with_log


async def test_frames_trimmed_before_they_were_read_are_reported(bus: Bus, redis_client: Redis) -> None:
    owner = await opened(bus)
    for seq in range(1, 11):
        await bus.sessions.append_audio(owner, frame(seq))
    await redis_client.xtrim(AT.audio_log, minid="6-0", approximate=False)
    with pytest.raises(LogHole):
        await collect(bus.sessions.read_audio(AT, 0).items(), 1)


async def test_events_reach_a_reader_in_order(bus: Bus, redis_client: Redis) -> None:
    owner = await opened(bus)
    await bus.sessions.emit(owner, SpeechStarted(session_id="s1", start_ms=0, timestamp=STAMP))
    reading = asyncio.create_task(collect(bus.sessions.read_events(AT, owner.epoch, 0).items(), 3))
    await asyncio.sleep(0.05)
    await bus.sessions.emit(owner, partial("a"))
    await bus.sessions.emit(owner, final(1))
    items = await reading
    assert [item.seq for item in items] == [1, 2, 3]
    kinds = [type(decode_event(item.body)) for item in items if isinstance(item, RawEvent)]
    assert kinds == [SpeechStarted, Partial, Final]


async def subscribers(client: Redis) -> list[set[str]]:
    return [{each["id"] for each in await node.client_list(_type="pubsub")} for node in nodes_of(client)]


async def test_large_frames_do_not_disconnect_the_subscriber(bus: Bus, redis_client: Redis) -> None:
    """All sessions of a process share it, so that one session's large frames would delay all others."""
    limits = [await node.config_get("client-output-buffer-limit") for node in nodes_of(redis_client)]
    for node in nodes_of(redis_client):
        await node.config_set("client-output-buffer-limit", "pubsub 256kb 0 0")
    try:
        large, small, neighbour = bytes(400_000), b"\x01\x02", session_keys("s2")
        owner = await opened(bus)
        await bus.sessions.open(neighbour, "e1", encode_json(SessionConfig()), 0, SESSION_TTL_S)
        reading = asyncio.create_task(collect(bus.sessions.read_audio(AT, 0).items(), 12))
        beside = asyncio.create_task(collect(bus.sessions.read_audio(neighbour, 0).items(), 12))
        await asyncio.sleep(0.2)
        connected = await subscribers(redis_client)
        for seq in range(1, 13):
            await bus.sessions.append_audio(owner, frame(seq, small if seq % 4 == 0 else large))
            await bus.sessions.append_audio(Ownership(neighbour, "e1"), frame(seq))
        assert [(item.seq, len(item.data)) for item in await reading if isinstance(item, Frame)] == [
            (seq, 2 if seq % 4 == 0 else 400_000) for seq in range(1, 13)
        ]
        assert [item.seq for item in await beside] == list(range(1, 13))
        assert await subscribers(redis_client) == connected
    finally:
        for node, limit in zip(nodes_of(redis_client), limits, strict=True):
            await node.config_set("client-output-buffer-limit", limit["client-output-buffer-limit"])
