"""Writes to a session's streams: order, no doubling, bounds, fences."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis
from support.session_samples import AT, final, frame, opened, partial
from support.wiring import open_bus, read_state

from stt_shared.contracts.events import Error, Final, decode_event
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta, IngestPosition
from stt_shared.contracts.session import SessionConfig, TakeoverState, encode_json
from stt_shared.redis.channels import ChannelHub
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.streams.session_state import LOG_ENTRY_BYTES, MAX_PCM_LOG_SAMPLES, DecoderPosition, SessionState
from stt_shared.streams.sessions import MAX_INGEST_LOG_BYTES, Commit

pytestmark = pytest.mark.contract


@pytest.fixture
def redis_client(any_redis_client: Redis) -> Redis:
    return any_redis_client


@pytest.fixture
async def bus(redis_client: Redis) -> AsyncIterator[Bus]:
    async with open_bus(redis_client) as bus:
        yield bus


async def test_open_writes_a_readable_state_that_expires(bus: Bus, redis_client: Redis) -> None:
    await opened(bus)
    state = SessionState.read(await read_state(redis_client, AT))
    assert (state.epoch, state.state, state.finals, state.config) == ("e1", "active", 0, SessionConfig())
    assert 3500 < await redis_client.ttl(AT.state) <= 3600


async def test_an_ended_session_expires_soon(bus: Bus, redis_client: Redis) -> None:
    owner = await opened(bus)
    await bus.sessions.emit(owner, final(1))
    assert 3500 < await redis_client.ttl(AT.results_log) <= 3600
    result, _ = await bus.sessions.emit(owner, Error(session_id="s1", code="internal", message="over", retryable=True))
    assert result is WriteResult.OK
    for key in (AT.state, AT.results_log):
        assert 0 < await redis_client.ttl(key) <= keys.ENDED_SESSION_TTL_S


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
    decoder = DecoderPosition(0, consumed_bytes=2 * len(data))
    assert await bus.sessions.append_pcm(worker, frame(1), consumed=2, decoder=decoder) is WriteResult.OK
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
        decoder = DecoderPosition(second * 16000, consumed_bytes=0)
        return await bus.sessions.append_pcm(
            worker, Frame(second, FrameKind.AUDIO, bytes(32_000), meta), consumed=0, decoder=decoder
        )

    async def is_full() -> bool:
        return (await bus.sessions.progress(worker)).is_pcm_log_full

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
    context = TakeoverState("text", 3000, spoken={"en": 1.0})
    await bus.sessions.emit(owner, final(1), Commit(3000, 3, context))
    state = SessionState.read(await read_state(redis_client, AT))
    assert (state.committed_samples, state.committed_seq, state.context) == (3000, 3, context)
    assert [entry_id for entry_id, _ in await redis_client.xrange(AT.pcm_log)] == [b"4-0", b"5-0"]
    await bus.sessions.commit(owner, Commit(1000, 1, TakeoverState()))
    assert SessionState.read(await read_state(redis_client, AT)).committed_samples == 3000, "never back"


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
