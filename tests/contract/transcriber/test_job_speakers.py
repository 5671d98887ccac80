"""Speakers of file jobs, on a real server: the same text with and without, and the same labels whoever dies."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from support.job_harness import FirstSamples, LoudnessVoices, Mortal, Transcriber, ended, no_speaker_model, posted
from support.wiring import bus_on

from stt_shared.contracts.jobs import JobError, JobResult
from stt_shared.contracts.speakers import KnownVoice, SpeakerCount
from stt_shared.streams import keys
from stt_shared.work import queue as work_queue
from stt_transcriber.speakers.base import SpeakerModel

pytestmark = pytest.mark.contract

JOB = "job-0123456789abcdef"
LEVELS = [12_000, 8_000, 8_000, 12_000, 8_000, 12_000]
"""Loudness of turns of 10 s; 12000 and 8000 are two speakers."""


def conversation() -> list[bytes]:
    """Turns of nine seconds, each followed by a second of silence."""
    levels = [0 if second % 10 == 9 else LEVELS[second // 10] for second in range(10 * len(LEVELS))]
    return [np.full(16_000, level, np.int16).tobytes() for level in levels]


@pytest.fixture
def engine() -> Iterator[FirstSamples]:
    engine = FirstSamples()
    yield engine
    engine.close()


async def result_of(
    client: Redis, url: str, job_id: str, speakers: SpeakerCount | None, alive: Mortal | None = None
) -> JobResult:
    await posted(client, job_id, conversation(), speakers=speakers)
    async with Transcriber(url, "t1", FirstSamples(), alive, speaker_model=LoudnessVoices):
        result = await ended(client, job_id)
    assert isinstance(result, JobResult)
    return result


async def test_each_word_and_segment_has_its_speaker_and_the_text_is_the_same(
    redis_client: Redis, redis_url: str
) -> None:
    plain = await result_of(redis_client, redis_url, "plain-0123456789abcdef", None)
    result = await result_of(redis_client, redis_url, JOB, SpeakerCount())
    assert result.text == plain.text
    assert [word.word for one in result.segments for word in one.words] == result.text.split()
    assert [one.id for one in result.segments] == list(range(len(result.segments)))
    for segment in result.segments:
        assert segment.words
        for word in segment.words:
            expected = {"w12000": "Speaker 1", "w8000": "Speaker 2"}.get(word.word, word.speaker)
            assert word.speaker == segment.speaker == expected
    assert {one.speaker for one in result.segments} == {"Speaker 1", "Speaker 2"}
    assert not any(one.speaker or word.speaker for one in plain.segments for word in one.words)


async def test_a_worker_that_dies_at_any_call_changes_no_label(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_queue, "SECOND_CHECK_S", 0.03)
    monkeypatch.setattr(work_queue, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(work_queue, "_CLAIM_IDLE_MS", 1)
    alive = Mortal()
    calm = await result_of(redis_client, redis_url, "calm-0123456789abcdef", SpeakerCount(), alive)
    for die_at in range(4, alive.calls - 4, 7):
        job_id = f"dies-{die_at}-0123456789abcdef"
        mortal = Mortal(die_at, answer_lost=die_at % 2 == 1)
        async with Transcriber(
            redis_url, f"first-{die_at}", FirstSamples(), mortal, speaker_model=LoudnessVoices
        ) as first:
            await posted(redis_client, job_id, conversation(), speakers=SpeakerCount())
            await mortal.dead.wait()
            await first.kill()
            async with Transcriber(redis_url, f"second-{die_at}", FirstSamples(), speaker_model=LoudnessVoices):
                assert await ended(redis_client, job_id) == calm, die_at


async def test_without_the_model_the_text_is_complete_and_a_warning_says_what_is_missing(
    redis_client: Redis, redis_url: str, engine: FirstSamples
) -> None:
    plain = await result_of(redis_client, redis_url, "plain-0123456789abcdef", None)
    await posted(redis_client, JOB, conversation(), speakers=SpeakerCount())
    async with Transcriber(redis_url, "t2", engine, speaker_model=no_speaker_model):
        result = await ended(redis_client, JOB)
    assert isinstance(result, JobResult)
    assert (result.text, result.segments) == (plain.text, plain.segments)
    assert [warning.code for warning in result.warnings] == ["no_speakers"]
    assert "stt models pull diarization" in result.warnings[0].message


async def test_nothing_is_loaded_unless_speakers_are_asked_for(redis_client: Redis, redis_url: str) -> None:
    loaded: list[Path] = []

    def load() -> SpeakerModel:
        loaded.append(Path())
        return LoudnessVoices()

    for job_id, speakers in ((JOB, None), ("with-0123456789abcdef", SpeakerCount(2, 2))):
        await posted(redis_client, job_id, conversation(), speakers=speakers)
        async with Transcriber(redis_url, f"t-{job_id}", FirstSamples(), speaker_model=load):
            await ended(redis_client, job_id)
        assert bool(loaded) == (speakers is not None)


async def test_voices_are_gone_when_the_job_has_ended(redis_client: Redis, redis_url: str) -> None:
    await result_of(redis_client, redis_url, JOB, SpeakerCount())
    assert not await redis_client.exists(keys.job_parts(JOB))
    state = await bus_on(redis_client).jobs.state(JOB)
    assert state is not None
    assert state.config.speakers == SpeakerCount()


async def test_a_known_voice_has_its_name(redis_client: Redis, redis_url: str) -> None:
    plain = await result_of(redis_client, redis_url, "plain-0123456789abcdef", SpeakerCount())
    jobs = bus_on(redis_client).jobs
    quiet = KnownVoice("Anna", np.array([0, 127], np.int8).tobytes())
    await jobs.set_known_voices("acme", [quiet])
    await posted(redis_client, JOB, conversation(), speakers=SpeakerCount(), known_to="acme")
    await posted(redis_client, "other-0123456789abcdef", conversation(), speakers=SpeakerCount(), known_to="other")
    async with Transcriber(redis_url, "t1", FirstSamples(), speaker_model=LoudnessVoices):
        result = await ended(redis_client, JOB)
        assert await ended(redis_client, "other-0123456789abcdef") == plain, "of another tenant"
    assert isinstance(result, JobResult)
    assert [one.speaker for one in result.segments] == [
        {"Speaker 2": "Anna"}.get(one.speaker, one.speaker) for one in plain.segments
    ]
    assert result.text == plain.text
    await jobs.set_known_voices("acme", [])
    assert await jobs.known_voices("acme") == []


async def test_an_enrolling_job_hands_over_the_voice_and_no_text(redis_client: Redis, redis_url: str) -> None:
    await posted(redis_client, JOB, conversation(), speakers=SpeakerCount(1, 1), enrolls=True)
    short = [np.full(16_000, 8_000, np.int16).tobytes()] * 3
    await posted(redis_client, "short-0123456789abcdef", short, speakers=SpeakerCount(1, 1), enrolls=True)
    async with Transcriber(redis_url, "t1", FirstSamples(), speaker_model=LoudnessVoices):
        result = await ended(redis_client, JOB)
        refused = await ended(redis_client, "short-0123456789abcdef")
    assert isinstance(result, JobResult)
    assert (result.text, result.segments) == ("", [])
    jobs = bus_on(redis_client).jobs
    voice = await jobs.enrolled_voice(JOB)
    assert voice is not None
    # Each of the two voices speaks in half of the turns.
    assert voice == bytes([127, 127])
    assert 0 < await redis_client.ttl(keys.enrolled_voice(JOB)) <= keys.ENROLLED_TTL_S
    await jobs.delete_enrolled_voice(JOB)
    assert await jobs.enrolled_voice(JOB) is None
    assert isinstance(refused, JobError)
    assert refused.code == "bad_audio"
    assert "at least 5 s" in refused.message
    assert await jobs.enrolled_voice("short-0123456789abcdef") is None


async def test_nobody_is_enrolled_without_the_model(redis_client: Redis, redis_url: str) -> None:
    await posted(redis_client, JOB, conversation(), speakers=SpeakerCount(1, 1), enrolls=True)
    async with Transcriber(redis_url, "t1", FirstSamples(), speaker_model=no_speaker_model):
        refused = await ended(redis_client, JOB)
    assert isinstance(refused, JobError)
    assert refused.code == "no_worker"
