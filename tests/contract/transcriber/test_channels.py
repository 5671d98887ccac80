"""Files whose channels are kept apart, through the real audio-processor and cutter, on a real server."""

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from redis.asyncio import Redis
from support.encoders import encoded_channels
from support.job_harness import FirstSamples, Mortal, Transcriber, ended
from support.two_talkers import RATE, talker
from support.wiring import bus_on, read_state

from stt_audio.files.jobs import FileJobs
from stt_shared.contracts.jobs import JobConfig, JobResult
from stt_shared.contracts.session import ChannelMode
from stt_shared.streams import keys
from stt_shared.streams.jobs import Created, NewJob
from stt_shared.work.stage import Assignment

pytestmark = pytest.mark.contract

JOB = "job-0123456789abcdef"
AT = keys.job_keys(JOB)
TURNS = (((0, 9), (20, 26)), ((5, 12), (34, 38)))
"""Seconds in which each party speaks; they interrupt each other from 5 to 9 s."""
DURATION_S = 40


def call() -> NDArray[np.float32]:
    """float32 [n, 2]."""
    channels = []
    for number, spans in enumerate(TURNS):
        voice = talker(130 + 60 * number, number, DURATION_S, level=0.003)
        spoken = np.zeros(len(voice), np.float32)
        for begin, end in spans:
            spoken[begin * RATE : end * RATE] = 0.25 + 0.05 * number
        channels.append(spoken + voice * (spoken > 0))
    return np.stack(channels, 1).astype(np.float32)


FILES = {
    "wav": lambda: encoded_channels(call(), "wav", "pcm_s16le", "stereo"),
    "mp3": lambda: encoded_channels(call(), "mp3", "libmp3lame", "stereo"),
    "opus": lambda: encoded_channels(call(), "ogg", "libopus", "stereo"),
}


async def decoding(client: Redis, spool: Path, data: bytes, mode: ChannelMode) -> "asyncio.Task[None]":
    """What the gateway does, and the task in which the audio-processor works."""
    (spool / JOB).write_bytes(data)
    bus = bus_on(client)
    config = msgspec.json.encode(JobConfig(JOB, language="en", channel_mode=mode))
    assert isinstance(await bus.jobs.create([NewJob(JOB, "e", config)], 0), Created)
    owner = await bus.sessions.claim(AT, "e", keys.STAGE_AUDIO, "audio")
    assert owner is not None
    assignment = Assignment(owner, await read_state(client, AT))
    return asyncio.create_task(FileJobs(bus, spool, 3600 * RATE).handle(assignment))


def spans_of(result: JobResult, channel: int | None) -> list[tuple[int, int]]:
    """Seconds with words, joined where they follow each other."""
    seconds = sorted({int(w.start) for s in result.segments for w in s.words if w.channel == channel})
    spans: list[tuple[int, int]] = []
    for second in seconds:
        if spans and spans[-1][1] >= second:
            spans[-1] = (spans[-1][0], second + 1)
        else:
            spans.append((second, second + 1))
    return spans


@pytest.mark.parametrize("name", FILES)
async def test_each_channel_has_its_words(redis_client: Redis, redis_url: str, tmp_path: Path, name: str) -> None:
    async with Transcriber(redis_url, "a", FirstSamples()):
        audio = await decoding(redis_client, tmp_path, FILES[name](), ChannelMode.SEPARATE)
        result = await ended(redis_client, JOB)
        await audio
    assert isinstance(result, JobResult)
    assert result.duration == pytest.approx(DURATION_S, abs=0.2)
    for channel, turns in enumerate(TURNS):
        spans = spans_of(result, channel)
        assert len(spans) == len(turns)
        for (begin, end), (expected_begin, expected_end) in zip(spans, turns, strict=True):
            assert begin == pytest.approx(expected_begin, abs=1)
            assert end == pytest.approx(expected_end, abs=1.5)
    assert all(segment.channel == word.channel for segment in result.segments for word in segment.words)
    assert [segment.start for segment in result.segments] == sorted(segment.start for segment in result.segments)
    assert [segment.id for segment in result.segments] == list(range(len(result.segments)))


async def test_mixed_by_default(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    async with Transcriber(redis_url, "a", FirstSamples()):
        await (await decoding(redis_client, tmp_path, FILES["wav"](), ChannelMode.MIX))
        result = await ended(redis_client, JOB)
    assert isinstance(result, JobResult)
    assert {segment.channel for segment in result.segments} == {None}
    assert spans_of(result, 0) == []
    assert b'"channel"' not in msgspec.json.encode(result)


async def test_auto_finds_that_the_channels_differ(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    async with Transcriber(redis_url, "a", FirstSamples()):
        await (await decoding(redis_client, tmp_path, FILES["mp3"](), ChannelMode.AUTO))
        result = await ended(redis_client, JOB)
    assert isinstance(result, JobResult)
    assert {segment.channel for segment in result.segments} == {0, 1}


async def test_a_cutter_that_dies_at_any_call_changes_nothing(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    data, results, calls = FILES["wav"](), [], [0, 5, 9, 14, 20]
    for die_at in calls:
        await redis_client.flushall()
        async with Transcriber(redis_url, "a", FirstSamples(), Mortal(die_at)) as first:
            audio = await decoding(redis_client, tmp_path, data, ChannelMode.SEPARATE)
            if die_at:
                await asyncio.wait_for(first.mortal.dead.wait(), 20)
                await first.kill()
                async with Transcriber(redis_url, "b", FirstSamples()):
                    results.append(await ended(redis_client, JOB))
                    await audio
            else:
                results.append(await ended(redis_client, JOB))
                await audio
    assert isinstance(results[0], JobResult)
    assert results.count(results[0]) == len(calls)
