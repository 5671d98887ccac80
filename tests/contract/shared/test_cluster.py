"""Faults that only a Redis Cluster has: several nodes, slots that move, a node that stops answering; and one session
from start to end. Sessions, readers, stages and ownership are tested on a cluster in their own modules."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis
from redis.asyncio import Redis
from support.wiring import bus_on, read_state

from stt_shared.contracts.events import Done, Final, decode_event
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import SessionConfig, TakeoverState, encode_json
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.client import connect, connect_sync
from stt_shared.redis.cluster import ClusterClient, as_cluster, is_cluster_url, node_urls
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import session_keys
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.streams.quotas import Counter
from stt_shared.streams.reader import RawEvent
from stt_shared.streams.sessions import Commit
from stt_shared.work.stage import SESSIONS, Assignment, StageWorker

pytestmark = pytest.mark.contract

STAMP = "2026-01-01T00:00:00.000Z"
N_FRAMES = 30


@pytest.fixture
async def client(cluster_url: str) -> AsyncIterator[Redis]:
    client = connect(cluster_url)
    await client.flushall()
    yield client
    await client.aclose()


def the_cluster(client: Redis) -> ClusterClient:
    cluster = as_cluster(client)
    assert cluster is not None
    return cluster


def frame(seq: int, kind: FrameKind = FrameKind.AUDIO) -> Frame:
    return Frame(seq, kind, bytes([seq % 256, 0]), FrameMeta(received_ms=1.0))


async def opened(bus: Bus, name: str) -> Ownership:
    at = session_keys(name)
    await bus.sessions.open(at, f"epoch-{name}", encode_json(SessionConfig()), 0, 60)
    return Ownership(at, f"epoch-{name}")


async def a_session_at_each_node(client: Redis) -> dict[str, str]:
    """Node -> a session whose keys it has."""
    found: dict[str, str] = {}
    number = 0
    while len(found) < 3:
        number += 1
        found.setdefault(await the_cluster(client).node_of(session_keys(f"s{number}").state), f"s{number}")
    return found


def test_a_cluster_url_names_nodes_and_what_holds_for_all() -> None:
    url = "rediss+cluster://me:secret@one:7000,two:7001/0?ssl_cert_reqs=none"
    assert is_cluster_url(url)
    assert not is_cluster_url("redis://one:7000")
    assert node_urls(url) == [
        "rediss://me:secret@one:7000/0?ssl_cert_reqs=none",
        "rediss://me:secret@two:7001/0?ssl_cert_reqs=none",
    ]


async def test_sessions_of_all_nodes_are_heard_through_one_hub(client: Redis) -> None:
    bus = bus_on(client)
    sessions = await a_session_at_each_node(client)
    async with bus.channels:

        async def heard(name: str) -> list[int]:
            seqs: list[int] = []
            async for item in bus.sessions.read_audio(session_keys(name), 0).items():
                if item is not None:
                    seqs.append(item.seq)
                if len(seqs) == N_FRAMES:
                    return seqs
            raise AssertionError

        reading = [asyncio.create_task(heard(name)) for name in sessions.values()]
        owners = [await opened(bus, name) for name in sessions.values()]
        for seq in range(1, N_FRAMES + 1):
            written = await asyncio.gather(*(bus.sessions.append_audio(owner, frame(seq)) for owner in owners))
            assert written == [WriteResult.OK] * 3
        async with asyncio.timeout(10):
            assert await asyncio.gather(*reading) == [list(range(1, N_FRAMES + 1))] * 3


async def test_a_message_comes_by_the_channel_not_by_the_log(client: Redis) -> None:
    bus = bus_on(client)
    owners = [await opened(bus, name) for name in (await a_session_at_each_node(client)).values()]
    async with bus.channels:
        for owner in owners:
            async with bus.channels.listen(owner.keys.audio) as inbox:
                assert await inbox.get(1.0) is None, "subscribed"
                await bus.sessions.append_audio(owner, frame(1))
                assert await inbox.get(1.0) is not None


async def test_a_session_goes_all_the_way(client: Redis) -> None:
    """Gateway, audio-processor and transcriber as the bus sees them."""
    bus = bus_on(client)
    async with bus.channels:

        async def decode(assignment: Assignment) -> None:
            async for item in bus.sessions.read_audio(assignment.owner.keys, 0).items():
                if item is not None:
                    assert await bus.sessions.append_pcm(assignment.owner, item, consumed=item.seq) is WriteResult.OK
                    if item.kind is FrameKind.STOP:
                        return

        async def transcribe(assignment: Assignment) -> None:
            owner, name = assignment.owner, assignment.owner.keys.id
            utterance = 0
            async for item in bus.sessions.read_pcm(owner.keys, 0).items():
                if item is None:
                    continue
                if item.kind is FrameKind.STOP:
                    await bus.sessions.emit(
                        owner, Done(session_id=name, text="", duration_ms=0, finals=utterance, timings_ms={})
                    )
                    return
                if item.seq % 10 == 0:
                    utterance += 1
                    commit = Commit(item.seq, item.seq, TakeoverState())
                    assert (await bus.sessions.emit(owner, final(name, utterance), commit))[0] is WriteResult.OK

        stages = [
            StageWorker(
                bus,
                SESSIONS,
                stage=name,
                replica_id=f"replica-{name}",
                capacity=8,
                handle=handle,
                deletes=name == keys.STAGE_TRANSCRIBER,
            )
            for name, handle in ((keys.STAGE_AUDIO, decode), (keys.STAGE_TRANSCRIBER, transcribe))
        ]
        running = [asyncio.create_task(stage.run()) for stage in stages]
        sessions = list((await a_session_at_each_node(client)).values())

        async def talk(name: str) -> list[str]:
            owner = await opened(bus, name)
            await client.xadd(keys.SESSIONS_WAITING, {"id": name, "epoch": owner.epoch})
            for seq in range(1, N_FRAMES + 1):
                assert await bus.sessions.append_audio(owner, frame(seq)) is WriteResult.OK
            assert await bus.sessions.append_audio(owner, frame(N_FRAMES + 1, FrameKind.STOP)) is WriteResult.OK
            events: list[str] = []
            async for item in bus.sessions.read_events(owner.keys, owner.epoch, 0).items():
                if isinstance(item, RawEvent):
                    event = decode_event(item.body)
                    events.append(event.text if isinstance(event, Final) else type(event).__name__)
                    if isinstance(event, Done):
                        return events
            raise AssertionError

        async with asyncio.timeout(20):
            received = await asyncio.gather(*(talk(name) for name in sessions))
            while await client.xlen(keys.SESSIONS_WAITING):
                await asyncio.sleep(0.01)
        for task in running:
            await cancel_and_wait(task)
    assert received == [["text 1", "text 2", "text 3", "Done"]] * 3


def final(name: str, utterance: int) -> Final:
    return Final(
        session_id=name,
        text=f"text {utterance}",
        confidence=0.9,
        timestamp=STAMP,
        utterance=utterance,
        start_ms=0,
        end_ms=1,
        language="en",
        words=[],
    )


async def test_a_slot_that_moves_takes_its_session_along(client: Redis) -> None:
    bus, cluster = bus_on(client), the_cluster(client)
    sessions = await a_session_at_each_node(client)
    (giver, name), (getter, _), *_ = sessions.items()
    owner = await opened(bus, name)
    async with bus.channels:
        reader = bus.sessions.read_audio(owner.keys, 0)
        seqs: list[int] = []

        async def read() -> None:
            async for item in reader.items():
                if item is not None:
                    seqs.append(item.seq)

        reading = asyncio.create_task(read())
        for seq in range(1, 11):
            assert await bus.sessions.append_audio(owner, frame(seq)) is WriteResult.OK
        slot = cluster.keyslot(owner.keys.state)
        await move_slot(cluster, slot, giver, getter)
        try:
            for seq in range(11, 21):
                assert await bus.sessions.append_audio(owner, frame(seq)) is WriteResult.OK
            assert await cluster.node_of(owner.keys.state) == getter
            async with asyncio.timeout(5):
                while len(seqs) < 20:
                    await asyncio.sleep(0.02)
            assert seqs == list(range(1, 21))
            async with bus.channels.listen(owner.keys.audio) as inbox:
                await inbox.get(0.2)
                await bus.sessions.append_audio(owner, frame(21))
                assert await inbox.get(1.0) is not None, "heard at the node that has the slot now"
        finally:
            await cancel_and_wait(reading)
            await cluster.on_node(getter).flushall()
            await move_slot(cluster, slot, getter, giver)
            await cluster.refresh()


async def move_slot(cluster: ClusterClient, slot: int, giver: str, getter: str) -> None:
    giving, getting = cluster.on_node(giver), cluster.on_node(getter)
    giver_id, getter_id = [(await node.execute_command("CLUSTER MYID")).decode() for node in (giving, getting)]
    await getting.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", giver_id)
    await giving.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", getter_id)
    host, port = getter.rsplit(":", 1)
    names = await giving.execute_command("CLUSTER GETKEYSINSLOT", slot, 100)
    if names:
        await giving.execute_command("MIGRATE", host, int(port), "", 0, 5000, "KEYS", *names)
    for node in (getting, giving):
        await node.execute_command("CLUSTER SETSLOT", slot, "NODE", getter_id)
    for node in cluster.get_nodes():
        if node.name not in (giver, getter):
            await cluster.on_node(node.name).execute_command("CLUSTER SETSLOT", slot, "NODE", getter_id)


async def test_a_transaction_with_watch_works(client: Redis) -> None:
    """The audio-processor writes a job's state so."""
    await client.hset("{job}:state", mapping={"status": "queued"})
    async with client.pipeline() as pipe:
        await pipe.watch("{job}:state")
        assert await pipe.hmget("{job}:state", ["status"]) == [b"queued"]
        pipe.multi()  # type: ignore[no-untyped-call]
        pipe.hset("{job}:state", mapping={"status": "processing"})
        await pipe.execute()
    assert await client.hget("{job}:state", "status") == b"processing"
    async with client.pipeline() as pipe:
        await pipe.watch("{job}:state")
        await client.hset("{job}:state", "status", "cancelled")
        pipe.multi()  # type: ignore[no-untyped-call]
        pipe.hset("{job}:state", mapping={"status": "processing"})
        with pytest.raises(redis.WatchError):
            await pipe.execute()


async def test_nobody_there_is_a_lost_connection_as_with_one_server() -> None:
    url = "redis+cluster://127.0.0.1:1"
    client = connect(url)
    bus = bus_on(client)
    with pytest.raises(redis.ConnectionError):
        await client.ping()
    with pytest.raises(redis.ConnectionError):
        await read_state(client, session_keys("s1"))
    with pytest.raises(redis.ConnectionError):
        await opened(bus, "s1")
    with pytest.raises(redis.ConnectionError):
        await asyncio.to_thread(connect_sync, url)
    await client.aclose()


class _Reset:
    """The writer of a connection that the other side has reset, as uvloop's transports answer."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.refused = 0

    def writelines(self, parts: object) -> None:
        self.refused += 1
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    def __getattr__(self, name: str) -> object:
        return getattr(self._writer, name)


async def test_a_reset_connection_to_a_node_is_replaced(client: Redis) -> None:
    cluster = the_cluster(client)
    sessions = list((await a_session_at_each_node(client)).values())
    for name in sessions:
        await read_state(client, session_keys(name))
    resets = []
    for node in cluster.get_nodes():
        for connection in node._free:
            connection._writer = _Reset(connection._writer)
            resets.append(connection._writer)
    assert len(resets) >= 3
    for name in sessions:
        assert await read_state(client, session_keys(name)) == {}
    assert any(reset.refused for reset in resets)


async def test_what_is_done_with_a_key_is_counted(client: Redis) -> None:
    quotas = bus_on(client).quotas
    for number in range(8):
        key_id, day = f"k{number}", "2026-01-31"
        at = [keys.requests_counted(key_id, 7), keys.counted_on_day(key_id, day)]
        assert list((await quotas.spend([Counter(one, "requests", 1, 1, 60) for one in at])).held) == [1, 1]
        assert await quotas.take_place(keys.open_streams(key_id), "c1", "s1", 1)
        assert not await quotas.take_place(keys.open_streams(key_id), "c2", "s2", 1)
        await quotas.note_use(key_id, day)
        assert await quotas.counted(key_id, day, "e1") == ("e1", {"requests": 1})
    assert len(await quotas.uses()) == 8
