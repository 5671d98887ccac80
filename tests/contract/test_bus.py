"""The atomic functions, the readers and the work queue on a real server: order, no loss, no doubling, fences."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
from redis.asyncio import Redis
from support.wiring import bus_on, open_bus, read_state

from stt_shared.contracts.events import Final, Partial, SpeechStarted, decode_event
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta, IngestPosition
from stt_shared.contracts.session import SessionConfig, TakeoverState, encode_json, session_state
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.channels import MAX_INBOX, ChannelHub, Inbox
from stt_shared.redis.cluster import as_cluster
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import session_keys
from stt_shared.streams.reader import LogHole, RawEvent
from stt_shared.streams.replicas import Replicas, ReplicaStatus
from stt_shared.streams.sessions import (
    LOG_ENTRY_BYTES,
    MAX_INGEST_LOG_BYTES,
    MAX_PCM_LOG_SAMPLES,
    Commit,
    Ownership,
    WriteResult,
    pcm_log_is_full,
)
from stt_shared.work.heartbeat import Heartbeat
from stt_shared.work.queue import SECOND_LOOK_S
from stt_shared.work.stage import SESSIONS, Assignment, StageWorker, WorkQueue

pytestmark = pytest.mark.contract

AT = session_keys("s1")
STAMP = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def redis_client(any_redis_client: Redis) -> Redis:
    return any_redis_client


@pytest.fixture
async def bus(redis_client: Redis) -> AsyncIterator[Bus]:
    async with open_bus(redis_client) as bus:
        yield bus


async def opened(bus: Bus, epoch: str = "e1") -> Ownership:
    await bus.sessions.open(AT, epoch, encode_json(SessionConfig()), 0, keys.SESSION_TTL_S)
    return Ownership(AT, epoch)


def frame(seq: int, data: bytes = b"\x01\x02") -> Frame:
    return Frame(seq, FrameKind.AUDIO, data, FrameMeta(received_ms=1.0))


def final(utterance: int) -> Final:
    return Final(
        session_id="s1",
        text=f"text {utterance}",
        confidence=0.9,
        timestamp=STAMP,
        utterance=utterance,
        start_ms=0,
        end_ms=1,
        language="en",
        words=[],
    )


def partial(text: str) -> Partial:
    return Partial(
        session_id="s1",
        text=text,
        new_text=text,
        stable="",
        unstable=text,
        confidence=0.5,
        timestamp=STAMP,
        utterance=1,
        start_ms=0,
        end_ms=1,
        lag_ms=0,
    )


async def test_open_writes_a_readable_state_that_expires(bus: Bus, redis_client: Redis) -> None:
    await opened(bus)
    state = session_state(await read_state(redis_client, AT))
    assert (state.epoch, state.state, state.finals, state.config) == ("e1", "active", 0, SessionConfig())
    assert 3500 < await redis_client.ttl(AT.state) <= 3600


async def test_a_frame_is_published_as_base64_json_and_logged_as_bytes(bus: Bus, redis_client: Redis) -> None:
    owner = await opened(bus)
    async with ChannelHub(redis_client, "stt:replica:outsider") as outsider, outsider.listen(AT.audio) as inbox:
        assert await inbox.get(1) is None, "subscribed: the log is to be looked at"
        assert await bus.sessions.append_audio(owner, frame(1)) is WriteResult.OK
        message = await inbox.get(1)
    assert message is not None
    body = msgspec.json.decode(message)
    assert (body["session_id"], body["seq"], body["pcm"]) == ("s1", 1, "AQI=")
    ((entry_id, fields),) = await redis_client.xrange(AT.audio_log)
    assert (entry_id, fields[b"data"]) == (b"1-0", b"\x01\x02")


async def test_duplicates_holes_and_foreign_epochs_change_nothing(bus: Bus, redis_client: Redis) -> None:
    owner = await opened(bus)
    assert await bus.sessions.append_audio(owner, frame(1)) is WriteResult.OK
    assert await bus.sessions.append_audio(owner, frame(1)) is WriteResult.DUPLICATE
    assert await bus.sessions.append_audio(owner, frame(3)) is WriteResult.HOLE
    assert await bus.sessions.append_audio(Ownership(AT, "other"), frame(2)) is WriteResult.GONE
    assert await redis_client.xlen(AT.audio_log) == 1


async def claimed(bus: Bus, stage: str) -> Ownership:
    owner = await bus.sessions.claim(AT, "e1", stage, f"a {stage}")
    assert owner is not None
    return owner


async def test_a_full_ingest_log_pushes_back_and_loses_nothing(bus: Bus, redis_client: Redis) -> None:
    owner = await opened(bus)
    data = bytes(MAX_INGEST_LOG_BYTES // 20)

    async def append(seq: int) -> WriteResult:
        return await bus.sessions.append_audio(owner, frame(seq, data), IngestPosition(total_bytes=seq * len(data)))

    for seq in range(1, 21):
        assert await append(seq) is WriteResult.OK
    assert await append(21) is WriteResult.FULL
    assert await redis_client.xlen(AT.audio_log) == 20
    worker = await claimed(bus, keys.STAGE_AUDIO)
    fields = {"consumed_bytes": 2 * len(data)}
    assert await bus.sessions.append_pcm(worker, frame(1), consumed=2, fields=fields) is WriteResult.OK
    assert await redis_client.xlen(AT.audio_log) == 18, "what the decoder has consumed is trimmed"
    assert await append(21) is WriteResult.OK
    assert await append(22) is WriteResult.OK
    assert await append(23) is WriteResult.FULL


async def test_small_entries_do_not_fill_a_log_that_has_room(bus: Bus) -> None:
    """A minute in messages of 10 ms."""
    owner = await opened(bus)
    minute_bytes = 60 * 32_000
    for seq in range(1, 6001):
        held = IngestPosition(total_bytes=seq * 320)
        assert (
            await bus.sessions.append_audio(owner, frame(seq, bytes(320)), held, max_bytes=2 * minute_bytes)
            is WriteResult.OK
        )


async def test_empty_entries_fill_a_log_in_the_end(bus: Bus) -> None:
    owner = await opened(bus)
    for seq in range(1, 12):
        control = Frame(seq, FrameKind.FINALIZE)
        written = await bus.sessions.append_audio(owner, control, IngestPosition(), max_bytes=10 * LOG_ENTRY_BYTES)
        assert written is (WriteResult.OK if seq <= 10 else WriteResult.FULL)


async def test_a_full_pcm_log_has_room_again_once_audio_is_settled(bus: Bus) -> None:
    await opened(bus)
    worker = await claimed(bus, keys.STAGE_AUDIO)
    seconds = MAX_PCM_LOG_SAMPLES // 16000

    async def append(second: int) -> WriteResult:
        meta = FrameMeta(start_sample=(second - 1) * 16000)
        fields = {"pcm_samples": second * 16000}
        return await bus.sessions.append_pcm(
            worker, Frame(second, FrameKind.AUDIO, bytes(32_000), meta), consumed=0, fields=fields
        )

    async def is_full() -> bool:
        names = ("pcm_seq", "pcm_samples", "committed_seq", "committed_samples")
        return pcm_log_is_full(*(int(value or 0) for value in await bus.sessions.fields(AT, *names)))

    for second in range(1, seconds + 1):
        assert not await is_full()
        assert await append(second) is WriteResult.OK
    assert await append(seconds + 1) is WriteResult.FULL
    assert await is_full()
    transcriber = await claimed(bus, keys.STAGE_TRANSCRIBER)
    await bus.sessions.commit(transcriber, Commit(2 * 16000, 2, TakeoverState()))
    assert not await is_full()
    assert await append(seconds + 1) is WriteResult.OK
    assert await append(seconds + 2) is WriteResult.OK
    assert await append(seconds + 3) is WriteResult.FULL


async def test_a_stage_has_a_worker_while_its_owner_lives(bus: Bus, redis_client: Redis) -> None:
    await opened(bus)
    assert not await bus.sessions.has_worker(AT, keys.STAGE_AUDIO)
    await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "r1")
    assert not await bus.sessions.has_worker(AT, keys.STAGE_AUDIO)
    await redis_client.set(keys.replica_alive("r1"), 1)
    assert await bus.sessions.has_worker(AT, keys.STAGE_AUDIO)
    assert not await bus.sessions.has_worker(AT, keys.STAGE_TRANSCRIBER)


async def test_stop_always_finds_room(bus: Bus) -> None:
    owner = await opened(bus)
    assert (
        await bus.sessions.append_audio(owner, frame(1), IngestPosition(total_bytes=2), max_bytes=1) is WriteResult.OK
    )
    assert (
        await bus.sessions.append_audio(owner, frame(2), IngestPosition(total_bytes=4), max_bytes=1) is WriteResult.FULL
    )
    assert (
        await bus.sessions.append_audio(owner, Frame(2, FrameKind.STOP), IngestPosition(), max_bytes=1)
        is WriteResult.OK
    )
    worker = await claimed(bus, keys.STAGE_AUDIO)
    late = FrameMeta(start_sample=2 * MAX_PCM_LOG_SAMPLES)
    assert await bus.sessions.append_pcm(worker, Frame(1, FrameKind.AUDIO, b"ab", late), consumed=0) is WriteResult.FULL
    assert await bus.sessions.append_pcm(worker, Frame(1, FrameKind.STOP, b"", late), consumed=0) is WriteResult.OK


async def test_only_the_owner_may_write(bus: Bus) -> None:
    await opened(bus)
    first = await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "r1")
    assert first is not None
    assert await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "r2") is None, "owned"
    second = await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "r2", follows="r1")
    assert second is not None
    assert await bus.sessions.append_pcm(first, frame(1), consumed=0) is WriteResult.FENCED
    assert await bus.sessions.append_pcm(second, frame(1), consumed=0) is WriteResult.OK
    assert (await bus.sessions.emit(first, final(1)))[0] is WriteResult.FENCED


async def test_a_reopened_session_shuts_out_its_former_owners(bus: Bus) -> None:
    await opened(bus)
    owner = await bus.sessions.claim(AT, "e1", keys.STAGE_TRANSCRIBER, "r1")
    assert owner is not None
    reopened = await bus.sessions.open(AT, "e2", encode_json(SessionConfig()), 0, 60)
    assert reopened is not None
    assert reopened.replaces == "e1"
    assert (await bus.sessions.emit(owner, final(1)))[0] is WriteResult.GONE
    forged = Ownership(AT, "e2", keys.STAGE_TRANSCRIBER, owner.fence)
    assert (await bus.sessions.emit(forged, final(1)))[0] is WriteResult.FENCED, "fences rise over epochs"


async def test_finals_are_numbered_without_holes_and_never_doubled(bus: Bus, redis_client: Redis) -> None:
    owner = await opened(bus)
    assert await bus.sessions.emit(owner, final(1)) == (WriteResult.OK, 1)
    assert (await bus.sessions.emit(owner, final(1)))[0] is WriteResult.DUPLICATE
    assert (await bus.sessions.emit(owner, final(3)))[0] is WriteResult.HOLE
    assert await bus.sessions.emit(owner, final(2)) == (WriteResult.OK, 2)
    assert await redis_client.xlen(AT.results_log) == 2


async def test_a_commit_moves_the_position_and_trims_the_audio(bus: Bus, redis_client: Redis) -> None:
    owner = await opened(bus)
    for seq in range(1, 6):
        await bus.sessions.append_pcm(owner, frame(seq), consumed=0)
    context = TakeoverState("en", "text", 3000)
    await bus.sessions.emit(owner, final(1), Commit(3000, 3, context))
    state = session_state(await read_state(redis_client, AT))
    assert (state.committed_samples, state.committed_seq, state.context) == (3000, 3, context)
    assert [entry_id for entry_id, _ in await redis_client.xrange(AT.pcm_log)] == [b"4-0", b"5-0"]
    await bus.sessions.commit(owner, Commit(1000, 1, TakeoverState()))
    assert session_state(await read_state(redis_client, AT)).committed_samples == 3000, "never back"


async def test_an_overtaken_partial_leaves_the_log(bus: Bus, redis_client: Redis) -> None:
    owner = await opened(bus)
    for text in ("a", "a b", "a b c"):
        await bus.sessions.emit(owner, partial(text))
    assert await redis_client.xlen(AT.results_log) == 1
    await bus.sessions.emit(owner, final(1))
    entries = await redis_client.xrange(AT.results_log)
    assert [fields[b"kind"] for _, fields in entries] == [b"final"]
    event = decode_event(entries[0][1][b"event"])
    assert isinstance(event, Final)
    assert event.event == 4


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


async def kill_subscribers(client: Redis) -> None:
    cluster = as_cluster(client)
    nodes = [client] if cluster is None else [cluster.on_node(node.name) for node in cluster.get_nodes()]
    for node in nodes:
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


async def test_a_slow_inbox_says_that_it_missed_something() -> None:
    inbox = Inbox()
    for number in range(MAX_INBOX + 1):
        inbox.put(str(number).encode())
    assert await inbox.get(0.01) is None
    assert await inbox.get(0.01) is None
    inbox.put(b"next")
    assert await inbox.get(0.01) == b"next"


async def waiting(client: Redis, bus: Bus, *names: str) -> None:
    for name in names:
        at = session_keys(name)
        await bus.sessions.open(at, f"epoch-{name}", encode_json(SessionConfig()), 0, 60)
        await client.xadd(keys.SESSIONS_WAITING, {"id": name, "epoch": f"epoch-{name}"})


def stage(
    client: Redis,
    bus: Bus,
    replica: str,
    handle: Callable[[Assignment], Awaitable[None]],
    capacity: int,
) -> StageWorker:
    return StageWorker(
        bus,
        SESSIONS,
        stage=keys.STAGE_TRANSCRIBER,
        replica_id=replica,
        capacity=capacity,
        handle=handle,
        deletes=True,
    )


async def test_replicas_share_the_sessions_each_owned_by_one(bus: Bus, redis_client: Redis) -> None:
    taken: dict[str, list[str]] = {"r1": [], "r2": []}
    release = asyncio.Event()

    def handler(replica: str) -> Callable[[Assignment], Awaitable[None]]:
        async def handle(assignment: Assignment) -> None:
            taken[replica].append(assignment.owner.keys.id)
            await release.wait()

        return handle

    for replica in taken:
        await redis_client.set(keys.replica_alive(replica), 1)
    stages = [stage(redis_client, bus, replica, handler(replica), capacity=6) for replica in taken]
    running = [asyncio.create_task(each.run()) for each in stages]
    names = [f"n{i}" for i in range(10)]
    await waiting(redis_client, bus, *names)
    await asyncio.sleep(1.5)
    assert sorted(taken["r1"] + taken["r2"]) == sorted(names)
    assert min(len(taken["r1"]), len(taken["r2"])) >= 4, "no replica takes more than it has room for"
    release.set()
    for each in stages:
        await each.drain(2)
    for task in running:
        await cancel_and_wait(task)
    assert await redis_client.xlen(keys.SESSIONS_WAITING) == 0


async def test_work_of_a_dead_replica_is_taken_over_and_the_dead_can_write_no_more(
    bus: Bus, redis_client: Redis
) -> None:
    await waiting(redis_client, bus, "n0")
    dead = WorkQueue(bus_on(redis_client), keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER, "dead")
    await dead.open()
    (item,) = await dead.take(1)
    zombie = await bus.sessions.claim(session_keys("n0"), "epoch-n0", keys.STAGE_TRANSCRIBER, "dead")
    assert zombie is not None
    heir = WorkQueue(bus_on(redis_client), keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER, "heir")
    await redis_client.set(keys.replica_alive("dead"), 1, px=700)
    assert await heir.adopt(1) == [], "still alive"
    await asyncio.sleep(0.8)
    assert await heir.adopt(1) == [], "one look finds nobody dead"
    await asyncio.sleep(SECOND_LOOK_S)
    (adopted,) = await heir.adopt(1)
    assert (adopted.entry_id, adopted.follows) == (item.entry_id, "dead")
    owner = await bus.sessions.claim(session_keys("n0"), "epoch-n0", keys.STAGE_TRANSCRIBER, "heir", adopted.follows)
    assert owner is not None
    assert (await bus.sessions.emit(zombie, final(1)))[0] is WriteResult.FENCED
    assert (await bus.sessions.emit(owner, final(1)))[0] is WriteResult.OK


async def test_a_session_that_breaks_does_not_take_the_others_along(bus: Bus, redis_client: Redis) -> None:
    handled: list[str] = []

    async def handle(assignment: Assignment) -> None:
        if assignment.owner.keys.id == "bad":
            raise ValueError("broken")
        handled.append(assignment.owner.keys.id)

    each = stage(redis_client, bus, "r1", handle, capacity=4)
    running = asyncio.create_task(each.run())
    await waiting(redis_client, bus, "bad", "good")
    async with asyncio.timeout(10):
        while not handled:
            await asyncio.sleep(0.02)
    await cancel_and_wait(running)
    assert handled == ["good"]


async def test_signs_of_life_come_and_go(any_redis_url: str, redis_client: Redis) -> None:
    def describe() -> ReplicaStatus:
        return ReplicaStatus(id="r1", service="transcriber", state="ready", started_ms=1, sessions=2, capacity=3)

    heartbeat = Heartbeat(any_redis_url, "r1", describe, lambda: b"metric 1\n")
    heartbeat.start()
    await asyncio.sleep(0.4)
    (replica,) = await Replicas(redis_client).living()
    assert replica == describe()
    assert await Replicas(redis_client).metrics([replica]) == {"r1": b"metric 1\n"}
    await asyncio.to_thread(heartbeat.stop)
    assert await Replicas(redis_client).living() == []


async def test_a_replica_that_dies_without_a_word_is_forgotten(redis_client: Redis) -> None:
    status = ReplicaStatus(id="r9", service="transcriber", state="ready", started_ms=1)
    await redis_client.hset(keys.REPLICAS, "r9", msgspec.json.encode(status))
    assert await Replicas(redis_client).living() == []
    assert await redis_client.hlen(keys.REPLICAS) == 0
