"""Fields of a final that go to the store, and those that do not."""

import pytest
from msgspec.structs import replace

from stt_shared.contracts.conversation import MAX_WORDS, CompactWord, UnrecognizedSpeech
from stt_shared.contracts.events import (
    SPEECH_NOT_RECOGNIZED,
    Final,
    Gap,
    RevisedUtterance,
    SpeakersRevised,
    SpeakerTurn,
    Word,
)
from stt_shared.contracts.makers import LOCAL_MAKER
from stt_shared.contracts.session import SessionConfig
from stt_transcriber.live.conversation import Speaker

pytestmark = pytest.mark.unit


def final(words: int) -> Final:
    return Final(
        session_id="s",
        text="ever " * words,
        confidence=0.9,
        timestamp="",
        utterance=1,
        start_ms=100,
        end_ms=600,
        language="en",
        words=[Word("ever", 100 + at, 101 + at, 0.5) for at in range(words)],
        lag_ms=50,
    )


def kept(config: SessionConfig, words: int = 2) -> list[CompactWord]:
    utterance = Speaker(LOCAL_MAKER, "s", config, "t" * 64).utterance(final(words), 10_000)
    assert utterance is not None
    return utterance.words


def test_a_kept_session_keeps_its_words() -> None:
    assert kept(SessionConfig(store=True)) == [CompactWord("ever", 100, 101, 0.5), CompactWord("ever", 101, 102, 0.5)]


def test_a_conversation_alone_keeps_none() -> None:
    assert kept(SessionConfig(conversation_id="c")) == []


def test_more_words_than_anybody_says_are_left_out() -> None:
    assert len(kept(SessionConfig(store=True), MAX_WORDS)) == MAX_WORDS
    assert kept(SessionConfig(store=True), MAX_WORDS + 1) == []


def test_viewers_see_the_speaker_by_number_unless_the_session_has_a_name() -> None:
    told = replace(final(1), speaker="Speaker 2", speaker_confidence=0.9)
    for name, spoken, shown in [
        (None, told, "Speaker 2"),
        ("Ann", told, "Ann"),
        (None, replace(told, speaker=None), None),
        (None, final(1), None),
    ]:
        utterance = Speaker(LOCAL_MAKER, "s", SessionConfig(conversation_id="c", speaker=name), "").utterance(
            spoken, 10_000
        )
        assert utterance is not None
        assert utterance.speaker == shown


def test_a_kept_session_keeps_who_was_told_and_as_of_which_final() -> None:
    speaker = Speaker(LOCAL_MAKER, "s", SessionConfig(store=True), "t" * 64, finals=4)
    revised = SpeakersRevised(session_id="s", utterances=[RevisedUtterance(1, "Speaker 2")], timestamp="")
    first, second, third = (
        speaker.told(event, 10_000)
        for event in (revised, replace(final(1), utterance=5, speaker="Speaker 1", speaker_confidence=0.9), revised)
    )
    assert first is not None
    assert second is not None
    assert third is not None
    assert [one.as_of for one in (first, second, third)] == [4, 5, 5]
    assert (third.utterances, third.told_ms) == (revised.utterances, 10_000)
    assert second.utterances == [RevisedUtterance(5, "Speaker 1")]
    assert speaker.told(final(1), 10_000) is None, "speakers are not told apart"
    assert Speaker(LOCAL_MAKER, "s", SessionConfig(), "").told(revised, 10_000) is None


def test_viewers_and_the_conversation_get_revisions_unless_the_session_has_a_name() -> None:
    turns = [SpeakerTurn(0, "Speaker 2"), SpeakerTurn(1, "Speaker 1")]
    event = SpeakersRevised(session_id="s", utterances=[RevisedUtterance(1, "Speaker 2", turns)], timestamp="")
    told = replace(final(1), utterance=4, speaker="Speaker 1", speaker_confidence=0.9)
    for config, is_sent in [
        (SessionConfig(conversation_id="c"), True),
        (SessionConfig(conversation_id="c", store=True), True),
        (SessionConfig(conversation_id="c", speaker="Ann"), False),
        (SessionConfig(store=True), False),
    ]:
        speaker = Speaker(LOCAL_MAKER, "s", config, "t" * 64)
        kept = speaker.told(told, 10_000)
        assert (kept is not None and kept.store) == config.store
        assert (kept is not None) == (is_sent or config.store)
        utterance = speaker.utterance(told, 10_000)
        assert utterance is not None
        assert utterance.is_voice == (config.speaker is None)
        revised = speaker.revised(event)
        assert (revised is not None) == is_sent
        if revised is not None:
            assert (revised.as_of, revised.instance) == (4, "t" * 16)
            assert revised.utterances == [RevisedUtterance(1, "Speaker 2")], "viewers have no words"


def test_a_session_that_asks_for_neither_says_nothing() -> None:
    assert Speaker(LOCAL_MAKER, "s", SessionConfig(), "").utterance(final(1), 10_000) is None


def test_speech_without_a_text_goes_to_the_store_alone() -> None:
    gap = Gap(session_id="s", from_ms=100, to_ms=1600, cause=SPEECH_NOT_RECOGNIZED)
    told = Speaker(LOCAL_MAKER, "s", SessionConfig(store=True, conversation_id="c"), "t" * 64).unrecognized(gap, 10_000)
    assert told == UnrecognizedSpeech(
        conversation_id="c", session_id="s", instance="t" * 16, spoken_ms=8500, start_ms=100, end_ms=1600
    )
    assert Speaker(LOCAL_MAKER, "s", SessionConfig(conversation_id="c"), "t" * 64).unrecognized(gap, 10_000) is None
