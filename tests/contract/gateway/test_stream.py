"""A live session through the gateway on a real server: what a client says, what the log holds, what it hears."""

import asyncio
import json
import random
import time
from itertools import accumulate, pairwise
from urllib.parse import urlencode

import pytest
from redis.asyncio import Redis
from support.gateway_harness import (
    FINALIZE,
    KEEPALIVE,
    STOP,
    Gateway,
    Hand,
    Line,
    Workers,
    kinds_of,
    line,
    since,
    tell_status,
    until,
)
from support.live_client import as_json, chunked, talk
from websockets.exceptions import InvalidStatus

from stt_shared.contracts.events import SpeechStarted
from stt_shared.contracts.frames import Frame, FrameKind
from stt_shared.contracts.session import TakeoverState
from stt_shared.streams import keys
from stt_shared.streams.sessions import Commit

pytestmark = pytest.mark.contract

CHUNK = bytes(range(256)) * 2 + bytes(128)
"""20 ms."""


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


async def test_ready_comes_first_and_event_numbers_rise_to_done(gateway: Gateway, workers: Workers) -> None:
    async def chatty(hand: Hand, frame: Frame) -> None:
        if frame.kind is FrameKind.STOP:
            await hand.final()
            await hand.done()
        else:
            await hand.partial(f"so far {frame.seq}")

    workers.script = chatty
    heard = await talk(gateway.stream("session_id=s1"), [CHUNK * 5] * 10, every_s=0.002)
    assert heard.events[0]["type"] == "ready"
    assert heard.events[-1]["type"] == "done"
    numbers = [event["event"] for event in heard.events]
    assert numbers[0] == 1
    assert all(before < after for before, after in pairwise(numbers))
    assert {event["session_id"] for event in heard.events} == {"s1"}
    assert heard.of("partial")
    assert heard.text == "words 1"


async def test_ready_repeats_the_longest_utterance_that_transcribers_announce(
    gateway: Gateway, redis_client: Redis
) -> None:
    for name, seconds in (("1", 20), ("2", 12)):
        await tell_status(redis_client, "transcriber", name=name, capacity=4, detail={"max_utterance_s": seconds})
    async with line(gateway.stream()) as client:
        ready = await client.hear("ready")
    assert ready["limits"]["max_utterance_s"] == 12


async def test_ready_tells_the_limits_and_the_whole_config(gateway: Gateway, workers: Workers) -> None:
    heard = await talk(gateway.stream("language=de-AT&endpointing_ms=900&prompt=Ann%20%26%20Bob"), [])
    ready = heard.events[0]
    assert ready["limits"] == {"max_message_bytes": 1024**2, "max_session_s": 14_400, "max_utterance_s": 28}
    config = ready["config"]
    assert (config["language"], config["endpointing_ms"], config["prompt"]) == ("de", 900, "Ann & Bob")
    assert (config["encoding"], config["sample_rate"], config["interim_results"]) == ("pcm_s16le", 16000, True)
    assert ready["resume_token"] != ready["session_id"]
    parameters = {"language": "de", "endpointing_ms": 900, "prompt": "Ann & Bob"}
    assert (await workers.hand()).config.items() >= parameters.items()


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ("", ("auto", 500, 1200)),
        ("endpointing_ms=900", ("fixed", 900, 1200)),
        ("endpointing=auto&endpointing_ms=400&endpointing_max_ms=2000", ("auto", 400, 2000)),
    ],
    ids=["default", "a silence alone", "all"],
)
async def test_ready_tells_which_silence_ends_an_utterance(
    gateway: Gateway, workers: Workers, query: str, rule: tuple[str, int, int]
) -> None:
    config = (await talk(gateway.stream(query), [])).events[0]["config"]
    assert (config["endpointing"], config["endpointing_ms"], config["endpointing_max_ms"]) == rule
    hand = (await workers.hand()).config
    assert (
        hand.get("endpointing", "fixed"),
        hand.get("endpointing_ms", 500),
        hand.get("endpointing_max_ms", 1200),
    ) == rule


async def test_a_longest_silence_below_the_usual_one_is_refused(gateway: Gateway) -> None:
    heard = await talk(gateway.stream("endpointing=auto&endpointing_ms=900&endpointing_max_ms=500"), [])
    (error,) = heard.events
    assert error["code"] == "bad_config"
    assert "must be at least endpointing_ms, 900" in error["message"]


async def test_every_parameter_may_be_as_long_as_is_allowed_in_any_script(gateway: Gateway) -> None:
    parameters = {
        "prompt": "\N{OLD ITALIC LETTER A}" * 1000,
        "conversation_id": "\u4e00" * 128,
        "speaker": "\u4e00" * 128,
    }
    heard = await talk(gateway.stream(urlencode({**parameters, "session_id": "s" * 128})), [])
    assert heard.events[0]["config"].items() >= parameters.items()


async def test_a_longer_address_is_refused_at_once(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await talk(gateway.stream(urlencode({"prompt": "\u4e00" * 4000})), [])
    assert refused.value.response.status_code == 414
    assert b"an address may have 32768 bytes" in bytes(refused.value.response.body or b"")


async def test_a_client_that_only_sends_audio_gets_a_session_of_its_own_name(
    gateway: Gateway, workers: Workers
) -> None:
    """The plain client: no start message, its own id in every chunk, then it only listens for a final."""
    messages = [as_json(CHUNK, "my-own.id:1")] * 10
    heard = await talk(gateway.stream(), messages, then=(), until="final")
    assert {event["session_id"] for event in heard.events} == {"my-own.id:1"}
    assert kinds_of(heard.events) == ["ready", "final"], "one session, one ready"
    assert len(workers.hands) == 1
    assert workers.hands[0].audio == CHUNK * 10


async def test_who_names_no_session_gets_a_name_though_it_waits(gateway: Gateway) -> None:
    async with line(gateway.stream()) as one, line(gateway.stream()) as other:
        names = {(await one.hear("ready", 2))["session_id"], (await other.hear("ready", 2))["session_id"]}
    assert len(names) == 2
    assert all(keys.is_valid_id(name) for name in names)


async def test_who_names_its_session_late_gets_a_second_ready(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream()) as client:
        first = await client.hear("ready")
        await client.send(as_json(CHUNK, "late"), STOP)
        await client.hear("done")
    assert [event["session_id"] for event in client.of("ready")] == [first["session_id"], "late"]
    assert (await workers.hand("late")).audio == CHUNK
    state = keys.session_keys(first["session_id"]).state
    assert not await gateway.client.exists(state), "the one without audio holds no place"


async def test_done_is_a_barrier_and_the_close_is_1000(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("session_id=s1")) as client:
        await client.send(CHUNK, STOP, CHUNK, FINALIZE, STOP)
        assert await client.rest() == 1000
    assert client.kinds == ["ready", "done"]
    assert workers.hands[0].kinds == ["audio", "stop"], "nothing is written after the stop"
    assert not await gateway.client.exists(keys.session_keys("s1").audio_log), "audio goes with the session"


async def test_done_tells_what_the_gateway_cost_beside_what_the_others_did(gateway: Gateway) -> None:
    heard = await talk(gateway.stream(), [CHUNK] * 20)
    timings = heard.of("done")[0]["timings_ms"]
    assert timings["infer"] == {"count": 1, "mean": 2.0, "max": 2.0}
    assert timings["receive"]["count"] >= 10
    assert timings["deliver"]["count"] >= 1
    assert all(0 <= timing["mean"] <= timing["max"] < 5000 for timing in timings.values())


async def test_chunks_become_short_frames_for_three_seconds_and_long_ones_then(
    gateway: Gateway, workers: Workers
) -> None:
    data = noise(640 * 200)
    await talk(gateway.stream(), chunked(data, 640), every_s=0.002)
    hand = workers.hands[0]
    assert hand.audio == data
    ends = list(accumulate(len(frame.data) for frame in hand.frames))
    sizes = [
        [len(f.data) for f, end in zip(hand.frames, ends, strict=True) if (end > 96_000) is late]
        for late in (False, True)
    ]
    assert set(sizes[0]) <= {640, 1280}, "40 ms each, or less where nothing came for this long"
    assert max(sizes[1]) == 3200
    assert [frame.seq for frame in hand.frames] == list(range(1, len(hand.frames) + 1))
    assert all(abs(frame.meta.received_ms - time.time() * 1000) < 20_000 for frame in hand.frames)


async def test_what_is_too_short_for_a_frame_waits_no_longer_than_a_frame(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("endpointing_ms=5000")) as client:
        began = time.monotonic()
        await client.send(CHUNK)
        hand = await workers.hand()
        await until(lambda: hand.audio == CHUNK)
        assert since(began) < 1.0


async def test_samples_are_never_cut_whatever_the_chunks(gateway: Gateway, workers: Workers) -> None:
    data = noise(20_001)
    heard = await talk(gateway.stream(), chunked(data, 1281))
    assert all(len(frame.data) % 2 == 0 for frame in workers.hands[0].frames)
    assert workers.hands[0].audio == data[:-1]
    assert [event["code"] for event in heard.of("warning")] == ["half_sample"]


async def test_a_container_passes_unchanged(gateway: Gateway, workers: Workers) -> None:
    chunks = [noise(size, size) for size in (1, 5000, 17, 100_000)]
    await talk(gateway.stream("encoding=webm"), chunks)
    frames = [frame.data for frame in workers.hands[0].frames[:-1]]
    assert b"".join(frames) == b"".join(chunks)
    assert frames[0] == chunks[0], "the header does not wait"


async def test_the_last_piece_of_a_container_does_not_wait_for_more(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("encoding=webm&endpointing_ms=5000")) as client:
        await client.send(b"head", b"block")
        hand = await workers.hand()
        began = time.monotonic()
        await until(lambda: hand.audio == b"headblock")
        assert since(began) < 1.0


@pytest.mark.parametrize("as_text", [False, True])
async def test_numbered_chunks_may_come_out_of_order_and_twice(
    gateway: Gateway, workers: Workers, as_text: bool
) -> None:
    rng = random.Random(7)
    chunks = chunked(noise(640 * 200), 640)
    order = sorted(range(1, 201), key=lambda number: number + rng.uniform(0, 30))
    order += rng.sample(order, 50)
    numbered = [
        json.dumps(json.loads(as_json(chunks[n - 1])) | {"seq": n}) if as_text else n.to_bytes(4, "big") + chunks[n - 1]
        for n in order
    ]
    heard = await talk(gateway.stream("" if as_text else "framing=seq32"), numbered)
    assert workers.hands[0].audio == b"".join(chunks)
    assert not heard.of("gap")


async def test_a_chunk_that_never_comes_is_told_where_it_is_missing(gateway: Gateway, workers: Workers) -> None:
    """A fixed bug: the gap was reported after the chunks that had waited for it."""
    messages = [n.to_bytes(4, "big") + CHUNK for n in (1, 2, 5, 6)]
    heard = await talk(gateway.stream("framing=seq32"), messages)
    (gap,) = heard.of("gap")
    assert (gap["from_ms"], gap["to_ms"], gap["cause"]) == (40, 40, "chunks 3 to 4 never came")
    assert workers.hands[0].audio == CHUNK * 4


async def test_finalize_keeps_its_place_among_the_audio(gateway: Gateway, workers: Workers) -> None:
    heard = await talk(gateway.stream(), [CHUNK, FINALIZE, CHUNK * 7, as_json(CHUNK), FINALIZE, FINALIZE, CHUNK])
    hand = workers.hands[0]
    assert hand.kinds == ["audio", "finalize", "audio", "finalize", "finalize", "audio", "stop"]
    assert next(frame.data for frame in hand.frames if frame.data) == CHUNK
    first = next(at for at, frame in enumerate(hand.frames) if frame.kind is FrameKind.FINALIZE)
    second = next(at for at, frame in enumerate(hand.frames) if at > first and frame.kind is FrameKind.FINALIZE)
    assert b"".join(frame.data for frame in hand.frames[first:second]) == CHUNK * 8
    assert len(heard.of("final")) == 3


async def test_a_client_that_falls_silent_gets_its_final_once(gateway: Gateway, workers: Workers) -> None:
    async def speak(client: Line) -> float:
        for _ in range(10):
            await client.send(CHUNK)
            await asyncio.sleep(0.02)
        return time.monotonic()

    async with line(gateway.stream("endpointing_ms=200")) as client:
        began = await speak(client)
        await client.hear("final", 2)
        assert 0.1 < since(began) < 1.5
        await client.send(KEEPALIVE)
        await asyncio.sleep(0.5)
        assert workers.hands[0].kinds == ["audio", "idle"]
        began = await speak(client)
        await client.hear("final", 2)
        assert since(began) < 1.5, "the pause was no rhythm"
    assert workers.hands[0].kinds[:4] == ["audio", "idle", "audio", "idle"]


async def test_a_client_that_sends_a_second_each_second_is_not_cut_up(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("endpointing_ms=100")) as client:
        for _ in range(2):
            await client.send(bytes(16_000))
            await asyncio.sleep(0.5)
        assert workers.hands[0].kinds == ["audio"]


async def test_a_client_that_leaves_without_stop_ends_its_audio(gateway: Gateway, workers: Workers) -> None:
    async with line(gateway.stream("endpointing_ms=5000")) as client:
        await client.hear("ready")
        await client.send(CHUNK)
        hand = await workers.hand()
    await until(lambda: hand.kinds == ["audio", "stop"])
    assert hand.audio == CHUNK


async def test_who_wants_no_partials_gets_finals_only(gateway: Gateway, workers: Workers) -> None:
    async def chatty(hand: Hand, frame: Frame) -> None:
        if frame.kind is FrameKind.STOP:
            await hand.final()
            await hand.done()
        else:
            await hand.partial("so far")

    workers.script = chatty
    heard = await talk(gateway.stream("interim_results=false"), [CHUNK * 5] * 5)
    assert kinds_of(heard.events) == ["ready", "final", "done"]


async def test_acks_tell_what_is_held_and_what_is_settled(
    gateway: Gateway, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.ws.attachment.CHECK_EVERY_S", 0.1)
    monkeypatch.setattr("stt_gateway.core.live.acknowledgement.ACK_EVERY_MS", 200.0)

    async def settle(hand: Hand, frame: Frame) -> None:
        if frame.kind is FrameKind.AUDIO:
            await workers.bus.sessions.commit(hand.owner, Commit(frame.seq * 1600, 0, TakeoverState()))
        elif frame.kind is FrameKind.STOP:
            await hand.done()

    workers.script = settle

    async def acknowledged(client: Line, position: tuple[int, int]) -> None:
        while ((ack := await client.hear("ack", 3))["received_seq"], ack["committed_ms"]) != position:
            assert ack["received_seq"] <= position[0]
            assert ack["committed_ms"] <= position[1]

    async with line(gateway.stream("framing=seq32&endpointing_ms=5000")) as client:
        await client.hear("ready")
        for number in (1, 2, 3, 5):
            await client.send(number.to_bytes(4, "big") + CHUNK * 5)
        await acknowledged(client, (3, 300))
        await client.send((4).to_bytes(4, "big") + CHUNK * 5)
        await acknowledged(client, (5, 500))
        n_acks = len(client.of("ack"))
        await asyncio.sleep(0.4)
        await client.send(STOP)
        await client.hear("done")
        assert len(client.of("ack")) == n_acks, "nothing new, no ack"


async def test_two_languages_of_one_protocol_mix(gateway: Gateway, workers: Workers) -> None:
    data = noise(640 * 30)
    messages = [as_json(chunk) if number % 2 else chunk for number, chunk in enumerate(chunked(data, 640))]
    await talk(gateway.stream(), messages)
    assert workers.hands[0].audio == data


async def test_events_that_were_said_before_anybody_listened_are_heard(gateway: Gateway, workers: Workers) -> None:
    """A transcriber may be quicker than the gateway's subscription."""

    async def quick(hand: Hand, frame: Frame) -> None:
        await hand.say(SpeechStarted(session_id=hand.id, start_ms=0, timestamp="2026-01-01T00:00:00.000Z"))
        await hand.final()
        if frame.kind is FrameKind.STOP:
            await hand.done()

    workers.script = quick
    heard = await talk(gateway.stream("session_id=s1"), [])
    assert kinds_of(heard.events) == ["ready", "speech_started", "final", "done"]


async def test_many_sessions_keep_apart(gateway: Gateway, workers: Workers) -> None:
    data = [noise(640 * 25, seed) for seed in range(12)]
    heard = await asyncio.gather(
        *(talk(gateway.stream(f"session_id=s{n}"), chunked(data[n], 640), every_s=0.002) for n in range(12))
    )
    for n in range(12):
        assert {event["session_id"] for event in heard[n].events} == {f"s{n}"}
        assert heard[n].events[-1]["type"] == "done"
        assert (await workers.hand(f"s{n}")).audio == data[n]
