"""The owner of a session's keys: what each write changes, what it refuses, and what may be repeated."""

import pytest
from support.fake_bus import fake_bus
from support.session_samples import AT, final, frame, partial

from stt_shared.contracts.events import Done
from stt_shared.contracts.frames import Frame, FrameKind, IngestPosition
from stt_shared.contracts.session import SessionConfig, TakeoverState, encode_json
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership, Standing, WriteResult
from stt_shared.streams.session_opening import NO_HOLD, AttachedSession, AttachRefusal, Hold, StartPosition
from stt_shared.streams.session_state import LOG_ENTRY_BYTES, DecoderPosition
from stt_shared.streams.sessions import Commit

pytestmark = pytest.mark.unit


@pytest.fixture
async def bus() -> Bus:
    bus = fake_bus()
    assert await opened(bus)
    return bus


async def opened(bus: Bus, epoch: str = "e1", token: str = "t", hold: Hold = NO_HOLD) -> Ownership | None:
    session = await bus.sessions.open(
        AT, epoch, encode_json(SessionConfig(language="de")), 0, 60, token_hash=token, hold=hold
    )
    return Ownership(AT, epoch, keys.STAGE_GATEWAY, session.fence) if session else None


async def claimed(bus: Bus, stage: str, replica: str = "r1", follows: str = "") -> Ownership:
    owner = await bus.sessions.claim(AT, "e1", stage, replica, follows)
    assert owner is not None
    return owner


async def test_a_session_is_opened_with_a_readable_state(bus: Bus) -> None:
    state = await bus.sessions.state(AT)
    assert state is not None
    assert (state.epoch, state.state, state.config.language, state.resume_token) == ("e1", "active", "de", "t")
    assert (state.audio_seq, state.committed_samples, state.decoder, state.is_decoded) == (
        0,
        0,
        DecoderPosition(0, 0),
        False,
    )
    assert await bus.sessions.state(keys.session_keys("other")) is None


async def test_a_rebuilt_session_starts_where_its_client_says(bus: Bus) -> None:
    at = keys.session_keys("s2")
    start = StartPosition(event=7, finals=2, committed_samples=320, start_samples=160)
    assert await bus.sessions.open(at, "e", encode_json(SessionConfig()), 0, 60, beginning=start)
    state = await bus.sessions.state(at)
    assert state is not None
    assert (state.event, state.finals, state.committed_samples, state.start_samples) == (7, 2, 320, 160)
    assert state.decoder.pcm_samples == 160, "the PCM log begins there"


async def test_opening_may_be_repeated_and_a_new_epoch_replaces_the_old_one(bus: Bus) -> None:
    again = await opened(bus)
    assert again is not None
    assert again.fence == 1, "a repetition is not another owner"
    newer = await opened(bus, "e2")
    assert newer is not None
    assert newer.fence == 2, "fences rise over epochs"
    assert await bus.sessions.standing(again) is Standing.SUPERSEDED


async def test_an_id_in_use_is_held_for_its_own_token(bus: Bus) -> None:
    hold = Hold(with_audio_s=60, without_audio_s=60)
    assert await opened(bus, "e2", token="other", hold=hold) is None
    assert await opened(bus, "e2", token="t", hold=hold) is not None


async def test_a_connection_attaches_with_the_right_token_and_not_ahead_of_redis(bus: Bus) -> None:
    first = Ownership(AT, "e1", keys.STAGE_GATEWAY, 1)
    attach = bus.sessions.attach
    missing = keys.session_keys("s9")
    assert await attach(missing, "t", finals=0, committed_samples=0, ttl_s=60) is AttachRefusal.GONE
    assert await attach(AT, "wrong", finals=0, committed_samples=0, ttl_s=60) is AttachRefusal.OTHER
    assert await attach(AT, "t", finals=1, committed_samples=0, ttl_s=60) is AttachRefusal.BEHIND
    attached = await attach(AT, "t", finals=0, committed_samples=0, ttl_s=60)
    assert isinstance(attached, AttachedSession)
    assert (attached.fence, attached.epoch, attached.stopped) == (2, "e1", False)
    assert await bus.sessions.append_audio(first, frame(1)) is WriteResult.FENCED, "the former connection"
    assert not await bus.sessions.leave(first, forget=True)
    assert await bus.sessions.state(AT) is not None


async def test_leaving_keeps_a_session_or_deletes_it(bus: Bus) -> None:
    owner = Ownership(AT, "e1", keys.STAGE_GATEWAY, 1)
    assert await bus.sessions.leave(owner, forget=False)
    assert await bus.sessions.owns(owner)
    assert await opened(bus, "e2", token="other", hold=Hold(60, 60)) is not None, "its id is free"
    assert not await bus.sessions.leave(owner, forget=True), "superseded"
    assert await bus.sessions.leave(Ownership(AT, "e2", keys.STAGE_GATEWAY, 2), forget=True)
    assert await bus.sessions.standing(owner) is Standing.LOST


async def test_an_opening_is_undone_by_its_epoch_and_no_other(bus: Bus) -> None:
    owner = Ownership(AT, "e1", keys.STAGE_GATEWAY, 1)
    assert not await bus.sessions.undo_open(AT, "e0")
    assert await bus.sessions.owns(owner)
    assert await bus.sessions.undo_open(AT, "e1")
    assert await bus.sessions.state(AT) is None
    assert not await bus.sessions.undo_open(AT, "e1"), "may be repeated"


async def test_one_replica_claims_a_stage_and_a_repetition_changes_nothing(bus: Bus) -> None:
    claim = bus.sessions.claim
    first = await claim(AT, "e1", keys.STAGE_AUDIO, "r1", name=b"1-0")
    assert first is not None
    assert await claim(AT, "e1", keys.STAGE_AUDIO, "r1", name=b"1-0") == first
    assert await claim(AT, "e1", keys.STAGE_AUDIO, "r2") is None
    assert await claim(AT, "wrong", keys.STAGE_TRANSCRIBER, "r2") is None
    assert await bus.sessions.owner_of(AT, keys.STAGE_AUDIO) == "r1"
    heir = await claim(AT, "e1", keys.STAGE_AUDIO, "r2", "r1")
    assert heir is not None
    assert heir.fence > first.fence
    assert await bus.sessions.standing(first) is Standing.SUPERSEDED
    assert await bus.sessions.append_pcm(first, frame(1), consumed=0) is WriteResult.FENCED


async def test_a_released_stage_is_free_and_its_owner_writes_no_more(bus: Bus) -> None:
    owner = await claimed(bus, keys.STAGE_TRANSCRIBER)
    assert await bus.sessions.release(owner)
    assert not await bus.sessions.release(owner), "it is the owner no more"
    assert (await bus.sessions.emit(owner, final(1)))[0] is WriteResult.FENCED
    assert await bus.sessions.owner_of(AT, keys.STAGE_TRANSCRIBER) == ""
    await claimed(bus, keys.STAGE_TRANSCRIBER, "r2")


async def test_frames_are_appended_once_and_without_holes(bus: Bus) -> None:
    owner = Ownership(AT, "e1", keys.STAGE_GATEWAY, 1)
    append = bus.sessions.append_audio
    assert await append(owner, frame(1), IngestPosition(seq=1, total_bytes=2)) is WriteResult.OK
    assert await append(owner, frame(1)) is WriteResult.DUPLICATE
    assert await append(owner, frame(3)) is WriteResult.HOLE
    assert await append(Ownership(AT, "wrong"), frame(2)) is WriteResult.GONE
    assert await append(Ownership(AT, "e1", keys.STAGE_GATEWAY, 9), frame(2)) is WriteResult.FENCED
    assert await bus.client.xlen(AT.audio_log) == 1
    attached = await bus.sessions.attach(AT, "t", finals=0, committed_samples=0, ttl_s=60)
    assert isinstance(attached, AttachedSession)
    assert (attached.audio_seq, attached.held.seq) == (1, 1)


async def test_a_full_log_refuses_all_but_stop(bus: Bus) -> None:
    owner = Ownership(AT, "e1", keys.STAGE_GATEWAY, 1)
    full = 2 * LOG_ENTRY_BYTES
    results = [await bus.sessions.append_audio(owner, frame(seq), max_bytes=full) for seq in (1, 2, 3)]
    assert results == [WriteResult.OK, WriteResult.OK, WriteResult.FULL]
    stop = Frame(3, FrameKind.STOP)
    assert await bus.sessions.append_audio(owner, stop, max_bytes=full) is WriteResult.OK
    assert (await bus.sessions.progress(owner)).is_stopped


async def test_decoded_frames_are_trimmed_and_the_decoders_position_is_stored(bus: Bus) -> None:
    gateway = Ownership(AT, "e1", keys.STAGE_GATEWAY, 1)
    for seq in (1, 2, 3):
        await bus.sessions.append_audio(gateway, frame(seq))
    owner = await claimed(bus, keys.STAGE_AUDIO)
    at_the_end = DecoderPosition(pcm_samples=1, consumed_bytes=4, restart=b"{}", restart_head=b"head")
    assert await bus.sessions.append_pcm(owner, frame(1), consumed=2, decoder=at_the_end) is WriteResult.OK
    state = await bus.sessions.state(AT)
    assert state is not None
    assert (state.consumed_seq, state.pcm_seq, state.decoder, state.is_decoded) == (2, 1, at_the_end, False)
    assert await bus.client.xlen(AT.audio_log) == 1
    stop = Frame(2, FrameKind.STOP)
    assert await bus.sessions.append_pcm(owner, stop, consumed=3, is_last=True) is WriteResult.OK
    state = await bus.sessions.state(AT)
    assert state is not None
    assert state.is_decoded


async def test_finals_are_numbered_without_holes_and_commit_in_the_same_step(bus: Bus) -> None:
    owner = await claimed(bus, keys.STAGE_TRANSCRIBER)
    audio = await claimed(bus, keys.STAGE_AUDIO)
    for seq in (1, 2, 3):
        await bus.sessions.append_pcm(audio, frame(seq), consumed=0)
    context = TakeoverState(spoken={"de": 1.0})
    assert await bus.sessions.emit(owner, final(1), Commit(2, 2, context)) == (WriteResult.OK, 1)
    assert (await bus.sessions.emit(owner, final(1)))[0] is WriteResult.DUPLICATE
    assert (await bus.sessions.emit(owner, final(3)))[0] is WriteResult.HOLE
    assert await bus.sessions.commit(owner, Commit(1, 1, TakeoverState())) is WriteResult.OK
    state = await bus.sessions.state(AT)
    assert state is not None
    assert (state.finals, state.committed_samples, state.committed_seq, state.context) == (1, 2, 2, context), (
        "no return"
    )
    assert await bus.client.xlen(AT.pcm_log) == 1


def test_a_claim_that_redis_has_lost_is_not_another_owner() -> None:
    owner = Ownership(AT, "e1", keys.STAGE_GATEWAY, 3)
    found = [owner.standing(b"e1", fence, b"active") for fence in (b"2", b"3", b"4")]
    assert found == [Standing.LOST, Standing.OWNER, Standing.SUPERSEDED]


async def test_what_was_heard_of_audio_that_is_not_there_is_refused(bus: Bus) -> None:
    owner = await claimed(bus, keys.STAGE_TRANSCRIBER)
    assert await bus.sessions.emit(owner, final(1), Commit(2, 1, TakeoverState())) == (WriteResult.HOLE, 0)
    assert await bus.sessions.commit(owner, Commit(2, 1, TakeoverState())) is WriteResult.HOLE


async def test_voices_are_kept_until_others_are_stored_and_go_with_the_session(bus: Bus) -> None:
    owner = await claimed(bus, keys.STAGE_TRANSCRIBER)
    await bus.sessions.emit(owner, final(1), Commit(2, 0, TakeoverState(), b"\x00\xff voices"))
    await bus.sessions.commit(owner, Commit(3, 0, TakeoverState()))
    state = await bus.sessions.state(AT)
    assert state is not None
    assert (state.committed_samples, state.voices) == (3, b"\x00\xff voices")
    await bus.sessions.emit(owner, Done(session_id=AT.id, text="", duration_ms=1, finals=1, timings_ms={}))
    ended = await bus.sessions.state(AT)
    assert ended is not None
    assert ended.voices == b"", "voices are biometric data"


async def test_a_partial_is_superseded_and_the_last_event_ends_the_session(bus: Bus) -> None:
    owner = await claimed(bus, keys.STAGE_TRANSCRIBER)
    assert await bus.sessions.emit(owner, partial("Hal")) == (WriteResult.OK, 1)
    assert await bus.sessions.emit(owner, final(1)) == (WriteResult.OK, 2)
    assert await bus.client.xlen(AT.results_log) == 1
    done = Done(session_id="s1", text="Hallo.", finals=1, duration_ms=1, timings_ms={})
    assert await bus.sessions.emit(owner, done) == (WriteResult.OK, 3)
    assert await bus.sessions.standing(owner) is Standing.ENDED
    assert not await bus.sessions.owns(owner)
    assert (await bus.sessions.emit(owner, final(2)))[0] is WriteResult.GONE
    assert await bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, "r1") is None


async def test_deaths_are_counted_once_each_until_there_is_progress(bus: Bus) -> None:
    async def counted(worker: str, *, blamed: bool = True) -> list[str]:
        return await bus.sessions.count_crash(AT, "e1", "audio", worker, progress_field="consumed_seq", blamed=blamed)

    assert await counted("a") == ["a"]
    assert await counted("a") == ["a"], "a repetition"
    assert await counted("b", blamed=False) == ["a"]
    assert await counted("b") == ["a", "b"]
    owner = await claimed(bus, keys.STAGE_AUDIO)
    assert await bus.sessions.append_pcm(owner, frame(1), consumed=1) is WriteResult.HOLE, "of audio that is not there"
    await bus.sessions.append_audio(Ownership(AT, "e1", keys.STAGE_GATEWAY, 1), frame(1))
    assert await bus.sessions.append_pcm(owner, frame(1), consumed=1) is WriteResult.OK
    assert await counted("c") == ["c"]
    assert await bus.sessions.count_crash(AT, "wrong", "audio", "d") == []


async def test_a_queued_session_names_its_epoch(bus: Bus) -> None:
    await bus.sessions.enqueue(Ownership(AT, "e1"))
    ((_, entry),) = await bus.client.xrange(keys.SESSIONS_WAITING)
    assert entry == {b"id": b"s1", b"epoch": b"e1"}
