"""A live session whose channels are kept apart, on a real server: whoever transcribes it, and however often that
changes, the finals of all channels are the same, in the same order."""

import asyncio
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis
from support.job_harness import LOUD, FirstSamples, Mortal, Transcriber
from support.takeover_runs import channel_of
from support.wiring import bus_on

from stt_shared.contracts.conversation import utterance_from
from stt_shared.contracts.events import Done, Event, Final, decode_event
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import ChannelMode, SessionConfig, encode_json
from stt_shared.streams import keys
from stt_shared.streams.keys import session_keys
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.work import queue

pytestmark = pytest.mark.contract

AT = session_keys("call")
TURNS = (((1, 5), (8, 9), (11, 14)), ((3, 4), (4.7, 7), (8, 12)))
"""Seconds in which each party speaks, at different loudness in each of them."""
DURATION_S = 15


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "SECOND_CHECK_S", 0.03)
    monkeypatch.setattr(queue, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(queue, "_CLAIM_IDLE_MS", 1)


def frames() -> list[Frame]:
    samples = np.zeros((DURATION_S * 16000, 2), np.int16)
    for channel, spans in enumerate(TURNS):
        for begin, end in spans:
            spoken = np.arange(int(begin * 16000), int(end * 16000))
            samples[spoken, channel] = LOUD + 1000 * channel + spoken // 16000
    parts = [
        Frame(number + 1, FrameKind.AUDIO, samples[at : at + 1600].tobytes(), FrameMeta(1.0, at, channels=(0, 1)))
        for number, at in enumerate(range(0, len(samples), 1600))
    ]
    return [*parts, Frame(len(parts) + 1, FrameKind.STOP)]


async def events(client: Redis) -> list[Event]:
    entries: Any = await client.xrange(AT.results_log)
    return [decode_event(fields[b"event"]) for _, fields in entries]


async def talk(client: Redis) -> None:
    """Say everything at once; a worker is as far behind as it can be."""
    bus, owner = bus_on(client), Ownership(AT, "e")
    config = SessionConfig(channels=2, channel_mode=ChannelMode.SEPARATE, language="en", conversation_id="room")
    await bus.sessions.open(AT, "e", encode_json(config), 0, 60)
    await client.xadd(keys.SESSIONS_WAITING, {"id": AT.id, "epoch": "e"})
    for frame in frames():
        assert await bus.sessions.append_pcm(owner, frame, consumed=0) is WriteResult.OK


async def is_done(client: Redis) -> None:
    async with asyncio.timeout(30):
        while await client.hget(AT.state, "state") != b"done":
            await asyncio.sleep(0.01)


def told(said: list[Event]) -> list[tuple[Any, ...]]:
    return [
        (final.utterance, channel_of(final), final.text, final.start_ms, final.end_ms, final.words)
        for final in said
        if isinstance(final, Final)
    ]


async def test_both_are_heard_and_a_transcriber_that_dies_at_any_call_changes_nothing(
    redis_client: Redis, redis_url: str
) -> None:
    results = []
    for die_at in (0, 5, 8, 10, 13, 15):
        await redis_client.flushall()
        await talk(redis_client)
        async with Transcriber(redis_url, "a", FirstSamples(), Mortal(die_at)) as first:
            if die_at:
                await asyncio.wait_for(first.mortal.dead.wait(), 20)
                await first.kill()
                async with Transcriber(redis_url, "b", FirstSamples()):
                    await is_done(redis_client)
            else:
                await is_done(redis_client)
                assert first.mortal.calls > 16, "or it would not have died"
        results.append(told(await events(redis_client)))
    undisturbed = results[0]
    assert [number for number, *_ in undisturbed] == [1, 2, 3, 4, 5, 6]
    assert [channel for _, channel, *_ in undisturbed] == [1, 0, 1, 0, 1, 0], "in the order in which they end"
    for _, channel, text, *_ in undisturbed:
        assert {int(word[1:]) // 1000 * 1000 for word in text.split()} == {LOUD + 1000 * channel}
    assert results.count(undisturbed) == len(results)


async def test_what_was_said_is_in_the_conversation_with_its_channel(redis_client: Redis, redis_url: str) -> None:
    await talk(redis_client)
    async with Transcriber(redis_url, "a", FirstSamples()):
        await is_done(redis_client)
    said = await events(redis_client)
    assert isinstance(said[-1], Done)
    assert (said[-1].finals, said[-1].duration_ms) == (6, 1000 * DURATION_S)
    assert said[-1].text == " ".join(text for _, _, text, *_ in told(said))
    entries: Any = await redis_client.xrange(keys.conversation_keys("local", "room").log)
    utterances = [utterance_from(fields[b"event"]) for _, fields in entries]
    assert [(each.utterance, each.channel) for each in utterances] == [each[:2] for each in told(said)]
