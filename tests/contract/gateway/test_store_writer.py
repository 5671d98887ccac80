"""What sessions say reaches the transcript store, once, and as it was told last."""

import asyncio

import msgspec
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from support.gateway_harness import until
from support.store_samples import about_sqlite, all_stored, said
from support.wiring import bus_on

from stt_gateway.core.subtitles.subtitles import cues
from stt_gateway.store.interface import Kind, Search, TranscriptStore
from stt_shared.contracts.conversation import CompactWord, SpeakersTold, UnrecognizedSpeech, Utterance
from stt_shared.contracts.events import RevisedUtterance, SpeakerTurn
from stt_shared.contracts.jobs import JobWord, TimeSpan
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys

pytestmark = [pytest.mark.contract, about_sqlite]
pytest_plugins = ("support.store_fixtures",)


async def test_a_session_that_asks_for_it_is_kept_once_per_utterance(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    for number in (1, 2, 2, 1, 3):
        await bus.conversations.send(said(number))
    await bus.conversations.send(said(1, store=False, instance="i2"))
    await until(lambda: all_stored(redis_client))
    page = await store.search(Search())
    (found,) = page.found
    kept = await store.get(found.summary.id)
    assert kept is not None
    assert (kept.kind, kept.text, kept.duration_s) == (Kind.LIVE, "words 1 words 2 words 3", 3.8)
    assert [segment.start for segment in kept.segments] == [1.0, 2.0, 3.0]


async def test_speech_without_a_text_is_kept_with_its_session(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)

    def missed(start_ms: int, instance: str = "i1") -> UnrecognizedSpeech:
        return UnrecognizedSpeech(
            conversation_id=None,
            session_id="talk",
            instance=instance,
            spoken_ms=int(wall_ms()),
            start_ms=start_ms,
            end_ms=start_ms + 1500,
        )

    for speech in (missed(100), missed(100), missed(100, "i2")):
        await bus.conversations.send_unrecognized(speech)
    await bus.conversations.send(said(3))
    await until(lambda: all_stored(redis_client))
    (found,) = (await store.search(Search())).found
    await bus.conversations.send_unrecognized(missed(9000))
    await until(lambda: all_stored(redis_client))
    kept = await store.get(found.summary.id)
    assert kept is not None
    assert kept.unrecognized == [TimeSpan(0.1, 1.6), TimeSpan(9.0, 10.5)]
    assert (kept.text, kept.duration_s) == ("words 3", 10.5)
    late = missed(100)
    assert await store.delete(found.summary.id, wall_ms())
    await bus.conversations.send_unrecognized(late)
    await until(lambda: all_stored(redis_client))
    assert await store.session_unrecognized(found.summary.id) == []
    assert len(await store.session_unrecognized("talk.i2")) == 1


async def test_channels_of_a_kept_session_stay_apart(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    # Numbered by their ends: the second began first.
    word = CompactWord("yes", 2100, 2700, 0.9)
    short = replace(said(1, conversation="room", text="yes", words=[word]), channel=1, start_ms=2000, end_ms=2800)
    long = replace(said(2, conversation="room", text="all along"), channel=0, start_ms=500, end_ms=4000)
    for utterance in (short, long):
        await bus.conversations.send(utterance)
    for channel in (0, 1):
        speech = UnrecognizedSpeech(
            conversation_id="room",
            session_id="talk",
            instance="i1",
            spoken_ms=int(wall_ms()),
            start_ms=0,
            end_ms=900,
            channel=channel,
        )
        await bus.conversations.send_unrecognized(speech)
    await until(lambda: all_stored(redis_client))
    (found,) = (await store.search(Search())).found
    kept = await store.get(found.summary.id)
    assert kept is not None
    assert kept.text == "all along yes"
    assert [(one.id, one.channel, one.start) for one in kept.segments] == [(0, 0, 0.5), (1, 1, 2.0)]
    assert [one.channel for one in kept.segments[1].words] == [1]
    assert kept.unrecognized == [TimeSpan(0.0, 0.9, 0), TimeSpan(0.0, 0.9, 1)]
    assert [one.utterance.channel for one in await store.conversation("room")] == [1, 0]


def told(
    as_of: int, *utterances: RevisedUtterance, conversation: str | None = None, store: bool = True
) -> SpeakersTold:
    return SpeakersTold(
        conversation_id=conversation,
        session_id="talk",
        instance="i1",
        as_of=as_of,
        told_ms=int(wall_ms()),
        utterances=list(utterances),
        store=store,
    )


async def test_speakers_of_a_kept_session_are_those_that_were_told_last(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    words = [CompactWord(word, 2000 + 100 * at, 2090 + 100 * at, 0.9) for at, word in enumerate(("words", "2"))]
    await bus.conversations.send_speakers(told(1, RevisedUtterance(1, "Speaker 1")))
    for utterance in (said(1), said(2, words=words), said(3)):
        await bus.conversations.send(utterance)
    turns = [SpeakerTurn(0, "Speaker 1"), SpeakerTurn(1, "Speaker 2")]
    await bus.conversations.send_speakers(told(3, RevisedUtterance(2, "Speaker 1", turns)))
    # An older account that arrives later.
    await bus.conversations.send_speakers(told(2, RevisedUtterance(2, "Speaker 7"), RevisedUtterance(3, None)))
    await until(lambda: all_stored(redis_client))
    (found,) = (await store.search(Search())).found
    kept = await store.get(found.summary.id)
    assert kept is not None
    assert kept.text == "words 1 words 2 words 3"
    assert [(one.id, one.speaker, one.text) for one in kept.segments] == [
        (0, "Speaker 1", "words 1"),
        (1, "Speaker 1", "words"),
        (2, "Speaker 2", "2"),
        (3, "", "words 3"),
    ]
    late = told(9, RevisedUtterance(1, "Speaker 3"))
    assert await store.delete(found.summary.id, wall_ms())
    assert await store.session_speakers(found.summary.id) == {}
    await bus.conversations.send_speakers(late)
    await until(lambda: all_stored(redis_client))
    assert await store.session_speakers(found.summary.id) == {}


async def test_a_conversation_has_the_speakers_that_were_told_last_until_it_is_deleted(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    def spoken(number: int, speaker: str | None, *, is_voice: bool) -> Utterance:
        return replace(said(number, conversation="c", store=False), speaker=speaker, is_voice=is_voice)

    def at(as_of: int, *utterances: RevisedUtterance) -> SpeakersTold:
        return told(as_of, *utterances, conversation="c", store=False)

    async def speakers() -> list[str | None]:
        await until(lambda: all_stored(redis_client))
        return [one.utterance.speaker for one in await store.conversation("c")]

    bus = bus_on(redis_client)
    await bus.conversations.send(spoken(1, "Speaker 1", is_voice=True))
    await bus.conversations.send(spoken(2, None, is_voice=True))
    await bus.conversations.send(spoken(3, "Ann", is_voice=False))
    await bus.conversations.send_speakers(at(3, *(RevisedUtterance(number, "Speaker 1") for number in (1, 3))))
    assert await speakers() == ["Speaker 1", "", "Ann"]
    await bus.conversations.send_speakers(at(4, RevisedUtterance(1, "Speaker 2"), RevisedUtterance(2, "Speaker 1")))
    assert await speakers() == ["Speaker 2", "Speaker 1", "Ann"]
    assert (await store.search(Search())).found == [], "the session is not to be stored"

    late = at(5, RevisedUtterance(1, "Speaker 3"))
    assert await store.delete_conversation("c", wall_ms())
    await bus.conversations.send_speakers(late)
    assert await speakers() == []
    assert await store.session_speakers("talk.i1") == {}


async def test_words_of_a_kept_session_stay_with_their_times(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    text = "this is a sentence that is by far too long to be shown in two lines so it must be cut between two words"
    words = [CompactWord(word, 1000 + 100 * at, 1090 + 100 * at, 0.25) for at, word in enumerate(text.split())]
    bus = bus_on(redis_client)
    await bus.conversations.send(said(1, text=text, words=words, conversation="c"))
    await bus.conversations.send(said(2, conversation="c"))
    await until(lambda: all_stored(redis_client))
    (found,) = (await store.search(Search())).found
    kept = await store.get(found.summary.id)
    assert kept is not None
    first, second = kept.segments
    assert (first.confidence, first.words[1]) == (0.9, JobWord("is", 1.1, 1.19, 0.25))
    assert len(first.words) == len(words)
    assert second.words == []
    shown = cues(kept.segments)
    assert len(shown) > 2
    assert {round(cue.start, 2) for cue in shown[:-1]} <= {word.start for word in first.words}, "cut at a word's time"
    (log,) = [fields for _, fields in await redis_client.xrange(keys.conversation_keys("local", "c").log, count=1)]
    assert b"words" not in msgspec.json.decode(log[b"event"], type=dict[str, object]), "viewers do not get them"


async def test_a_deleted_transcript_stays_deleted_and_the_others_are_kept(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    late = said(1)
    await bus.conversations.send(late)
    await until(lambda: all_stored(redis_client))
    (found,) = (await store.search(Search())).found
    await asyncio.sleep(0.9)  # what was said has ended by its own times
    assert await store.delete(found.summary.id, wall_ms())
    await bus.conversations.send(late)
    await bus.conversations.send(said(1, instance="i2"))
    await until(lambda: all_stored(redis_client))
    assert [one.summary.id for one in (await store.search(Search())).found] == ["talk.i2"]


async def test_another_session_of_the_same_name_is_another_transcript(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    bus = bus_on(redis_client)
    await bus.conversations.send(said(1))
    await bus.conversations.send(said(1, instance="i2"))
    await until(lambda: all_stored(redis_client))
    assert len((await store.search(Search())).found) == 2


async def test_a_conversation_is_kept_with_its_speakers(
    redis_client: Redis, store: TranscriptStore, writing: None
) -> None:
    await bus_on(redis_client).conversations.send(said(1, store=False, conversation="c"))
    await until(lambda: all_stored(redis_client))
    (settled,) = await store.conversation("c")
    assert (settled.utterance.speaker, settled.utterance.text) == ("Ann", "words 1")
    assert (await store.search(Search())).found == []
