"""The client libraries over real WebSockets, on a gateway that fails in every way it can: no byte is lost or doubled.

Tests that take ``converse`` run with the Python client and with the JavaScript client in Node; the others look into the
Python client, whose counterparts are in tests/unit/client_js.
"""

import asyncio
import random
import time
import wave
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import scripted_gateway
from support.js_client import JsClient
from support.scripted_gateway import (
    AUDIO,
    BYTES_PER_MS,
    CHUNK_BYTES,
    UTTERANCE_BYTES,
    Fault,
    ScriptedGateway,
    Wire,
    assert_nothing_is_lost,
    digests,
    texts,
)

import stt_client
from stt_client.inbox import Inbox
from stt_client.replay import Chunk, ReplayBuffer

pytestmark = pytest.mark.contract

Converse = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_client.backoff.FIRST_S", 0.01)
    monkeypatch.setattr("stt_client.backoff.LONGEST_S", 0.05)


@pytest.fixture(scope="module")
def js_client() -> Iterator[JsClient]:
    with JsClient() as client:
        yield client


@pytest.fixture(params=["python", "javascript"])
def converse(request: pytest.FixtureRequest) -> Converse:
    """A whole session of either client: sends ``audio``, reads to the end."""
    if request.param == "python":
        return scripted_gateway.converse
    client: JsClient = request.getfixturevalue("js_client")

    def javascript(
        url: str, audio: bytes = AUDIO, *, every_s: float = 0.001, **options: Any
    ) -> Awaitable[list[dict[str, Any]]]:
        return client.converse(url, audio, chunk_bytes=CHUNK_BYTES, every_s=every_s, quick=True, **options)

    return javascript


async def test_an_undisturbed_session() -> None:
    gateway = ScriptedGateway()
    async with gateway.running() as url:
        async with stt_client.connect(url, language="en", session_id="mine", parameters={"prompt": "a&b"}) as session:
            assert session.session_id == "mine"
            assert session.config == {"language": "en"}
            await session.send(AUDIO)
            await session.stop()
            await session.stop()
            events = [event async for event in session]
            with pytest.raises(stt_client.SessionError, match="takes no more audio"):
                await session.send(AUDIO)
    assert_nothing_is_lost(events)
    assert {event["type"] for event in events} == {"final", "done"}
    (session,) = gateway.sessions.values()
    assert gateway.queries == [
        {
            "resume_token": session.token,
            "last_event": "0",
            "committed_ms": "0",
            "finals": "0",
            "start_ms": "0",
            "session_id": "mine",
            "framing": "seq32",
            "language": "en",
            "sample_rate": "16000",
            "encoding": "pcm_s16le",
            "channels": "1",
            "prompt": "a&b",
        }
    ]


async def test_proxies_see_neither_token_nor_prompt_in_any_address() -> None:
    gateway = ScriptedGateway([Fault(cut_after_chunks=5), Fault()])
    async with gateway.running() as url, stt_client.connect(url, parameters={"prompt": "Ann"}) as session:
        await session.send(AUDIO)
        await session.stop()
        assert_nothing_is_lost([event async for event in session])
    assert [query["prompt"] for query in gateway.queries] == ["Ann", "Ann"]
    (token,) = {query["resume_token"] for query in gateway.queries}
    for address in gateway.addresses:
        assert not any(secret in address for secret in ("resume_token", token, "prompt", "Ann")), address


@pytest.mark.parametrize("ack_every", [1, 4, 1000])
async def test_connections_that_are_cut_in_mid_send(converse: Converse, ack_every: int) -> None:
    faults = [Fault(cut_after_chunks=n) for n in (1, 30, 5, 17, 2)]
    gateway = ScriptedGateway(faults, ack_every_finals=ack_every)
    lost: list[str] = []
    resumed: list[bool] = []
    async with gateway.running() as url:
        events = await converse(url, on_lost=lost.append, on_resumed=lambda: resumed.append(True))
    assert_nothing_is_lost(events)
    assert len(gateway.queries) == 6
    assert (len(lost), len(resumed)) == (5, 5)


async def test_without_the_replay_buffer_bytes_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same cuts, and a client that goes on with what it has not sent yet: the test above can fail."""
    resume = ReplayBuffer.resume

    def forget_and_resume(buffer: ReplayBuffer, seq: int) -> None:
        buffer._sent = deque(item for item in buffer._sent if not isinstance(item, Chunk))
        resume(buffer, seq)

    monkeypatch.setattr(ReplayBuffer, "resume", forget_and_resume)
    gateway = ScriptedGateway([Fault(cut_after_chunks=n) for n in (1, 30, 5, 17, 2)])
    async with gateway.running() as url:
        events = await scripted_gateway.converse(url)
    assert texts(events) != digests(AUDIO)
    (session,) = gateway.sessions.values()
    assert len(session.audio) < len(AUDIO)
    assert [event for event in events if event["type"] == "gap"]


@pytest.mark.parametrize("ack_every", [1, 4, 1000])
@pytest.mark.parametrize(("finals_settle", "late"), [(False, False), (False, True), (True, False)])
async def test_a_suite_that_lost_everything(
    converse: Converse, ack_every: int, finals_settle: bool, late: bool
) -> None:
    """Finals that were out before the loss and not settled are made again; the program does not see them twice."""
    faults = [Fault(cut_after_chunks=37), Fault(forget=True, cut_after_chunks=12), Fault(forget=True)]
    gateway = ScriptedGateway(
        faults, ack_every_finals=ack_every, finals_say_what_they_settle=finals_settle, acks_are_late=late
    )
    async with gateway.running() as url:
        events = await converse(url)
    assert_nothing_is_lost(events)
    if ack_every == 1:
        assert int(gateway.queries[1]["committed_ms"]) > 0
        (session,) = gateway.sessions.values()
        assert session.start == int(gateway.queries[2]["start_ms"]) * BYTES_PER_MS > 0


async def test_without_the_cut_at_the_settled_position_bytes_are_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    rebuild = ReplayBuffer.rebuild
    monkeypatch.setattr(ReplayBuffer, "trim", lambda self, committed_ms: None)
    monkeypatch.setattr(ReplayBuffer, "rebuild", lambda self, committed_ms: rebuild(self, 0))
    gateway = ScriptedGateway([Fault(cut_after_chunks=37), Fault(forget=True)])
    async with gateway.running() as url:
        events = await scripted_gateway.converse(url)
    assert texts(events) != digests(AUDIO)


async def test_a_ready_that_is_lost(converse: Converse) -> None:
    """First of all, of a resumed session, and of one that was rebuilt: its second `ready` says that it was resumed."""
    faults = [
        Fault(no_ready=True),
        Fault(cut_after_chunks=37),
        Fault(no_ready=True),
        Fault(cut_after_chunks=9),
        Fault(forget=True, no_ready=True),
    ]
    gateway = ScriptedGateway(faults)
    async with gateway.running() as url:
        events = await converse(url)
    assert_nothing_is_lost(events)
    assert len(gateway.queries) == 6
    assert len(gateway.sessions) == 1, "every attempt names the same session"
    assert gateway.queries[1] == gateway.queries[0], "with the same token"


async def test_a_container_is_sent_again_as_a_whole(converse: Converse) -> None:
    gateway = ScriptedGateway([Fault(cut_after_chunks=37), Fault(forget=True)])
    async with gateway.running() as url:
        events = await converse(url, encoding="webm")
    (session,) = gateway.sessions.values()
    assert bytes(session.audio) == AUDIO
    assert gateway.queries[1]["start_ms"] == "0"
    assert int(gateway.queries[1]["committed_ms"]) > 0
    assert_nothing_is_lost(events)


async def test_a_container_that_is_too_long_to_keep_outlives_its_connections_but_not_its_session(
    converse: Converse,
) -> None:
    cuts = [Fault(cut_after_chunks=60), Fault(cut_after_chunks=10)]
    gateway = ScriptedGateway(list(cuts))
    async with gateway.running() as url:
        assert_nothing_is_lost(await converse(url, encoding="webm", buffer_bytes=6400))
        assert "committed_ms" not in gateway.queries[2]
    gateway = ScriptedGateway([*cuts, Fault(forget=True)])
    async with gateway.running() as url:
        with pytest.raises(stt_client.SessionError, match="not_found"):
            await converse(url, encoding="webm", buffer_bytes=6400)


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 4408, 4431])
async def test_closes_that_are_mended(converse: Converse, code: int) -> None:
    gateway = ScriptedGateway([Fault(close_after_chunks=(20, code))])
    async with gateway.running() as url:
        assert_nothing_is_lost(await converse(url))


async def test_errors_that_are_mended(converse: Converse) -> None:
    gateway = ScriptedGateway([Fault(error_after_chunks=(20, "unavailable", 4431)), Fault(error=("no_worker", 4430))])
    async with gateway.running() as url:
        assert_nothing_is_lost(await converse(url))
    assert len(gateway.queries) == 3


async def test_a_session_that_another_took_over_is_left_to_it(converse: Converse) -> None:
    gateway = ScriptedGateway([Fault(error_after_chunks=(5, "superseded", 4509))])
    async with gateway.running() as url:
        with pytest.raises(stt_client.SessionError, match=r"this is superseded \(superseded\)") as raised:
            await converse(url)
        await asyncio.sleep(0.1)
    assert raised.value.code == "superseded"
    assert len(gateway.queries) == 1


async def test_what_is_refused_for_good_is_told_at_once(converse: Converse) -> None:
    gateway = ScriptedGateway([Fault(error=("bad_config", 4502))])
    async with gateway.running() as url:
        with pytest.raises(stt_client.SessionError, match="this is bad_config"):
            await converse(url, language="xx")
    assert len(gateway.queries) == 1


async def test_a_full_suite_is_asked_again_for_a_while(converse: Converse) -> None:
    full = Fault(error=("at_capacity", 4429))
    gateway = ScriptedGateway([full] * 3)
    async with gateway.running() as url:
        assert_nothing_is_lost(await converse(url))
        gateway.faults = [full] * 1000
        began = time.monotonic()
        with pytest.raises(stt_client.SessionError, match="this is at_capacity"):
            await converse(url, open_patience_s=0.3)
        assert 0.25 < time.monotonic() - began < 2
        tried = len(gateway.queries)
        with pytest.raises(stt_client.SessionError, match="this is at_capacity"):
            await converse(url, open_patience_s=0)
        assert len(gateway.queries) == tried + 1


async def test_a_suite_that_says_when_to_come_again_is_asked_then(converse: Converse) -> None:
    """The intervals of its own would be 10 to 50 ms."""
    gateway = ScriptedGateway([Fault(error=("at_capacity", 4429), retry_after_s=said) for said in (0.4, 0.3)])
    async with gateway.running() as url:
        began = time.monotonic()
        assert_nothing_is_lost(await converse(url))
        assert 0.7 <= time.monotonic() - began < 2
    assert len(gateway.queries) == 3


@pytest.mark.parametrize(("said", "carried"), [(1.3, 1.3), (2, 2), (None, None), ("soon", None), (-1, None)])
async def test_who_gives_up_learns_when_to_come_again(converse: Converse, said: Any, carried: float | None) -> None:
    gateway = ScriptedGateway([Fault(error=("at_capacity", 4429), retry_after_s=said)])
    async with gateway.running() as url:
        with pytest.raises(stt_client.SessionError) as raised:
            await converse(url, open_patience_s=0)
    assert (raised.value.code, raised.value.retry_after_s) == ("at_capacity", carried)


async def test_a_suite_that_stays_away_is_given_up_after_the_patience(converse: Converse) -> None:
    gateway = ScriptedGateway([Fault(cut_after_chunks=5), *[Fault(error=("unavailable", 4431))] * 1000])
    async with gateway.running() as url:
        with pytest.raises(stt_client.SessionError) as raised:
            await converse(url, patience_s=0.4)
    assert raised.value.code == "unavailable"


async def test_nobody_there(converse: Converse) -> None:
    with pytest.raises(stt_client.SessionError) as raised:
        await converse("ws://127.0.0.1:1", open_patience_s=0)
    assert raised.value.code == "unreachable"
    if converse is scripted_gateway.converse:
        assert isinstance(raised.value.__cause__, ConnectionRefusedError)


async def test_a_line_that_goes_dead_without_a_word(converse: Converse) -> None:
    gateway = ScriptedGateway()
    async with gateway.running() as there:
        wire = Wire(there)
        async with wire.running() as url:
            lost: list[str] = []
            talking = asyncio.create_task(converse(url, every_s=0.005, dead_after_s=0.5, on_lost=lost.append))
            while not gateway.sessions:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            wire.dead = True
            began = time.monotonic()
            events = await talking
    assert_nothing_is_lost(events)
    # On a busy machine all may have been sent by then, and whoever waits for the last finals is more patient.
    assert lost in (["nothing came for 0.5 s"], ["nothing came for 2 s"])
    assert 0.5 < time.monotonic() - began < 5


@pytest.mark.parametrize("patient", [True, False])
async def test_a_server_that_waits_for_room_answers_no_pings_and_is_not_taken_for_dead(
    patient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not patient:
        monkeypatch.setattr("stt_client.connection._BUSY_FACTOR", 1)
    gateway = ScriptedGateway([Fault(pause_after_chunks=(3, 0.7))])
    audio = random.Random(2).randbytes(1_000_000)
    async with gateway.running() as url:
        async with stt_client.connect(url, dead_after_s=0.4) as session:
            await session.send(audio)
            await session.stop()
            assert_nothing_is_lost([event async for event in session], audio)
            assert (session.reconnects == 0) is patient


async def test_a_program_that_reads_slowly_gets_every_final() -> None:
    gateway = ScriptedGateway(partials_per_chunk=2)
    async with gateway.running() as url:
        async with stt_client.connect(url) as session:
            session._inbox = Inbox(3)
            await session.send(AUDIO)
            await session.stop()
            await asyncio.sleep(0.1)
            assert len(session._inbox) == 3
            events = []
            async for event in session:
                events.append(event)
                await asyncio.sleep(0.002)
    assert_nothing_is_lost(events)


async def test_a_quiet_session_is_not_taken_for_dead_and_keeps_itself_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_client.connection.KEEPALIVE_S", 0.2)
    gateway = ScriptedGateway()
    async with gateway.running() as url:
        async with stt_client.connect(url, dead_after_s=0.2) as session:
            await session.send(AUDIO)
            await asyncio.sleep(0.7)
            assert session.reconnects == 0
            await session.stop()
            assert_nothing_is_lost([event async for event in session])
    assert gateway.keepalives >= 2


async def test_finalize_keeps_its_place_among_the_audio() -> None:
    faults = [Fault(cut_after_chunks=5), Fault(forget=True, cut_after_chunks=1)]
    gateway = ScriptedGateway(faults, ack_every_finals=10_000)
    async with gateway.running() as url:
        async with stt_client.connect(url) as session:
            await session.send(AUDIO[:6400])
            await session.finalize()
            await session.send(AUDIO[6400:6500])
            await session.finalize()
            await session.send(AUDIO[6500:])
            await session.stop()
            events = [event async for event in session]
    assert_nothing_is_lost(events)
    (held,) = gateway.sessions.values()
    assert set(held.finalized) == {6400, 6500}


async def test_a_program_that_sends_everything_before_it_reads() -> None:
    """Events are read meanwhile, or nothing would be settled and `send` would wait for ever."""
    gateway = ScriptedGateway([Fault(cut_after_chunks=40)], partials_per_chunk=3)
    audio = random.Random(1).randbytes(100 * UTTERANCE_BYTES * 10)  # 100 s
    async with gateway.running() as url:
        async with asyncio.timeout(20), stt_client.connect(url, buffer_s=60) as session:
            await session.send(audio)
            await session.stop()
            await asyncio.sleep(0.1)
            events = [event async for event in session]
    assert_nothing_is_lost(events, audio)
    partials = [event["utterance"] for event in events if event["type"] == "partial"]
    assert len(partials) == len(set(partials)), "one of each utterance at most"


async def test_a_buffer_that_is_full_makes_send_wait_until_audio_is_settled() -> None:
    gateway = ScriptedGateway(ack_every_finals=10_000)
    async with gateway.running() as url:
        async with stt_client.connect(url, buffer_s=60) as session:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await session.send(bytes(62 * 32_000))
            gateway.ack_every_finals = 1
            (held,) = gateway.sessions.values()
            assert 59 * 32_000 < len(held.audio) <= 61 * 32_000
            held.emit("ack", received_seq=held.held_seq, committed_ms=10_000)
            await session.finalize()  # anything that makes the scripted gateway look into its events
            async with asyncio.timeout(1):
                await session.send(bytes(32_000))


async def test_a_server_that_never_says_done_is_given_up() -> None:
    async with ScriptedGateway(says_done=False).running() as url:
        async with stt_client.connect(url, patience_s=0.3) as session:
            await session.send(AUDIO)
            await session.stop()
            finals = [await anext(session) for _ in digests(AUDIO)]
            with pytest.raises(stt_client.SessionError, match=r"words did not come within 0\.3 s \(no_answer\)"):
                await anext(session)
    assert texts(finals) == digests(AUDIO)


async def test_a_program_that_leaves_early_stops_its_session() -> None:
    gateway = ScriptedGateway()
    async with gateway.running() as url:
        async with stt_client.connect(url) as session:
            await session.send(AUDIO)
        with pytest.raises(stt_client.SessionError, match="closed by this side"):
            await session.send(AUDIO)
        await asyncio.sleep(0.05)
    (held,) = gateway.sessions.values()
    assert held.stopped


async def test_the_example_of_the_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parents[3] / "client" / "README.md").read_text()
    source = readme.split("```python\n")[1].split("```")[0]
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(AUDIO[:32_000])
    async with ScriptedGateway().running() as url:
        assert "asyncio.run(main(" in source
        names: dict[str, Any] = {}
        exec(source.replace("ws://127.0.0.1:8000", url).rsplit("asyncio.run", 1)[0], names)
        await names["main"](str(tmp_path / "a.wav"))
    assert capsys.readouterr().out.split() == digests(AUDIO[:32_000])


@pytest.mark.parametrize("seed", range(6))
async def test_any_row_of_faults(converse: Converse, seed: int) -> None:
    dice = random.Random(seed)
    faults = [
        Fault(
            forget=dice.random() < 0.3,
            no_ready=dice.random() < 0.15,
            cut_after_chunks=dice.randrange(1, 40),
            error=("unavailable", 4431) if dice.random() < 0.15 else None,
        )
        for _ in range(12)
    ]
    gateway = ScriptedGateway(faults, ack_every_finals=dice.choice([1, 3, 7]), acks_are_late=dice.random() < 0.3)
    async with gateway.running() as url:
        events = await converse(url, every_s=0.0005)
    assert_nothing_is_lost(events)
