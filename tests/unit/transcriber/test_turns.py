"""A transcript with speakers: from the voices of chunks to words, segments and names."""

import numpy as np
import pytest
from msgspec.structs import replace

from stt_shared.contracts.jobs import ChunkVoices, JobSegment, JobWord
from stt_shared.contracts.speakers import KnownVoice, SpeakerCount
from stt_transcriber.core.speakers.known import packed
from stt_transcriber.core.speakers.turns import packed_voices, with_speakers

pytestmark = pytest.mark.unit

AUTO = SpeakerCount()


def segment(start: float, words: list[str], text: str | None = None) -> JobSegment:
    timed = [JobWord(word, start + at, start + at + 0.8, 0.9) for at, word in enumerate(words)]
    return JobSegment(0, start, timed[-1].end, " ".join(words) if text is None else text, 0.9, timed)


def voices(start_s: float, speakers: list[int]) -> ChunkVoices:
    """One window a second, of one of several voices."""
    windows = [(int((start_s + at) * 16_000), int((start_s + at + 1) * 16_000)) for at in range(len(speakers))]
    return packed_voices(windows, np.eye(4, dtype=np.float32)[speakers])


def test_a_segment_is_divided_where_the_speaker_changes() -> None:
    words = ["One", "two", "three", "four", "five,", "six", "seven", "eight", "nine", "ten."]
    found = with_speakers([segment(0.0, words)], [voices(0.0, [2] * 5 + [1] * 5)], AUTO)
    assert [(one.speaker, one.text) for one in found] == [
        ("Speaker 1", "One two three four five,"),
        ("Speaker 2", "six seven eight nine ten."),
    ]
    assert [(one.start, one.end) for one in found] == [(0.0, 4.8), (5.0, 9.8)]
    assert all(word.speaker == one.speaker for one in found for word in one.words)
    assert [word.word for one in found for word in one.words] == words


def test_speakers_are_the_same_in_all_chunks_and_numbered_as_they_first_speak() -> None:
    first = segment(0.0, ["a"] * 6)
    second = segment(10.0, ["b"] * 6)
    third = segment(20.0, ["c"] * 6)
    parts = [voices(0.0, [3] * 6), voices(10.0, [0] * 6), voices(20.0, [3] * 6)]
    found = with_speakers([first, second, third], parts, AUTO)
    assert [one.speaker for one in found] == ["Speaker 1", "Speaker 2", "Speaker 1"]


def test_a_division_keeps_the_spaces_of_a_text() -> None:
    words = ["今日", "は", "雨", "です", "。", "はい", "そう", "です", "ね", "。"]
    found = with_speakers([segment(0.0, words, "".join(words))], [voices(0.0, [0] * 5 + [1] * 5)], AUTO)
    assert [one.text for one in found] == ["今日は雨です。", "はいそうですね。"]


def test_without_voices_everything_is_said_by_one() -> None:
    found = with_speakers([segment(0.0, ["Yes."])], [ChunkVoices([], b"")], AUTO)
    assert [(one.speaker, one.words[0].speaker) for one in found] == [("Speaker 1", "Speaker 1")]
    assert with_speakers([], [], AUTO) == []


def test_a_segment_without_words_gets_the_speaker_of_its_middle() -> None:
    bare = JobSegment(0, 6.0, 10.0, "Later words.", 0.9, [])
    found = with_speakers([segment(0.0, ["a"] * 5), bare], [voices(0.0, [0] * 5 + [1] * 6)], AUTO)
    assert [one.speaker for one in found] == ["Speaker 1", "Speaker 2"]
    assert (found[1].text, found[1].words) == ("Later words.", [])


def test_stored_voices_are_small_and_close() -> None:
    random = np.random.default_rng(3).standard_normal((5, 256)).astype(np.float32)
    given = random / np.linalg.norm(random, axis=1, keepdims=True)
    kept = packed_voices([(0, 16)] * 5, given)
    assert len(kept.voices) == 5 * 256
    read = np.frombuffer(kept.voices, np.int8).reshape(5, 256).astype(np.float32)
    assert ((read * given).sum(axis=1) / np.linalg.norm(read, axis=1) > 0.9999).all()


def test_words_of_channels_that_were_kept_apart_have_the_voices_of_their_own() -> None:
    left = replace(segment(0.0, ["a"] * 6), channel=0)
    right = replace(segment(0.5, ["b"] * 6), channel=1)
    parts = [replace(voices(0.0, [1] * 6), channel=0), replace(voices(0.5, [2] * 6), channel=1)]
    found = with_speakers([left, right], parts, AUTO)
    assert [(one.channel, one.speaker) for one in found] == [(0, "Speaker 1"), (1, "Speaker 2")]


def test_nobody_speaks_on_two_channels_that_were_kept_apart() -> None:
    def of(channel: int, start: float, speakers: list[int]) -> tuple[JobSegment, ChunkVoices]:
        said = replace(segment(start, ["a"] * len(speakers)), channel=channel)
        return said, replace(voices(start, speakers), channel=channel)

    def told(count: SpeakerCount) -> list[tuple[int | None, str]]:
        found = with_speakers([said for said, _ in heard], [part for _, part in heard], count)
        return [(one.channel, one.speaker) for one in found]

    heard = [of(1, 0.0, [2] * 6), of(0, 6.5, [2] * 6), of(1, 13.5, [2] * 6 + [3] * 6)]
    assert told(AUTO) == [(1, "Speaker 1"), (0, "Speaker 2"), (1, "Speaker 1"), (1, "Speaker 3")]
    assert told(SpeakerCount(1, 1)) == [(1, "Speaker 1"), (0, "Speaker 2"), (1, "Speaker 1")]


def test_a_channel_without_a_voice_has_a_speaker_of_its_own() -> None:
    left, right = replace(segment(0.0, ["a"] * 6), channel=0), replace(segment(0.5, ["Yes."]), channel=1)
    parts = [replace(voices(0.0, [1] * 6), channel=0), ChunkVoices([], b"", 1)]
    found = with_speakers([left, right], parts, AUTO, [KnownVoice("Anna", packed(np.eye(4, dtype=np.float32)[1:2]))])
    assert [(one.channel, one.speaker) for one in found] == [(0, "Anna"), (1, "Speaker 2")]
