"""Corrected texts of a transcript: which words keep their times, and which segment an edit belongs to."""

import pytest

from stt_gateway.core.speakers.edits import Passage, SpeakerEdits, edited
from stt_gateway.core.texts.edits import GivenText, TextEdit, changed_texts, corrected, edited_text
from stt_gateway.core.texts.retime import retimed
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobSegment, JobWord

pytestmark = pytest.mark.unit

NOBODY = SpeakerEdits()


def segment(text: str, id: int = 0, start: float = 0.0, speaker: str = "") -> JobSegment:
    """A segment whose words last 0.4 s, one each 0.5 s."""
    words = [
        JobWord(word, start + 0.5 * at, start + 0.5 * at + 0.4, 0.5, speaker=speaker)
        for at, word in enumerate(text.split())
    ]
    return JobSegment(id, start, start + 0.5 * len(words), text, 0.5, words, speaker=speaker)


def times(words: list[JobWord]) -> list[tuple[str, float, float, float]]:
    return [(word.word, word.start, word.end, word.confidence) for word in words]


def test_words_that_were_heard_keep_their_times_and_others_share_what_they_replace() -> None:
    heard = segment("their are two ways")
    assert times(retimed(heard, "There are, two good days!")) == [
        ("There", 0.0, 0.4, 1.0),
        ("are,", 0.5, 0.9, 0.5),
        ("two", 1.0, 1.4, 0.5),
        ("good", 1.5, 1.678, 1.0),
        ("days!", 1.678, 1.9, 1.0),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("oh one two", [("oh", 0.0, 0.0), ("one", 0.0, 0.4), ("two", 0.5, 0.9)]),
        ("one and two", [("one", 0.0, 0.4), ("and", 0.4, 0.5), ("two", 0.5, 0.9)]),
        ("one two more", [("one", 0.0, 0.4), ("two", 0.5, 0.9), ("more", 0.9, 1.0)]),
        ("two", [("two", 0.5, 0.9)]),
    ],
)
def test_words_without_a_place_of_their_own_stand_in_the_pauses(
    text: str, words: list[tuple[str, float, float]]
) -> None:
    assert [(one.word, one.start, one.end) for one in retimed(segment("one two"), text)] == words


def test_in_a_script_without_spaces_the_other_characters_keep_their_times() -> None:
    heard = JobSegment(
        0, 0.0, 2.0, "今日は晴れ。", 0.9, [JobWord("今日は", 0.0, 0.9, 0.9), JobWord("晴れ。", 1.0, 1.9, 0.9)]
    )
    assert [(one.word, one.start, one.end) for one in retimed(heard, "今日は雨。")] == [
        ("今", 0.0, 0.3), ("日", 0.3, 0.6), ("は", 0.6, 0.9), ("雨", 1.0, 1.6), ("。", 1.6, 1.9),
    ]  # fmt: skip


def test_an_edit_changes_its_segment_and_an_empty_one_removes_it() -> None:
    talk = [segment("one two", 0), segment("three", 1, 1.0), segment("four", 2, 2.0)]
    edits = changed_texts(talk, [], NOBODY, [GivenText(0, " one\n too "), GivenText(1, "")])
    assert edits == [TextEdit(0.0, "one two", "one too"), TextEdit(1.0, "three", "")]
    assert [(one.id, one.text) for one in corrected(talk, edits)] == [(0, "one too"), (1, "four")]
    assert edited_text(talk, edits) == "one too four"
    # Segments are counted as they are shown.
    assert changed_texts(talk, edits, NOBODY, [GivenText(1, "for")])[-1] == TextEdit(2.0, "four", "for")
    # What is as heard again is no edit.
    assert changed_texts(talk, edits[:1], NOBODY, [GivenText(0, "one two")]) == []


def test_an_edit_of_words_that_were_heard_differently_by_now_no_longer_applies() -> None:
    edits = [TextEdit(0.0, "one two", "one too")]
    assert corrected([segment("one two three")], edits) == [segment("one two three")]


def test_a_part_of_a_segment_that_speakers_divide_is_edited_alone() -> None:
    talk = [segment("how are you fine thanks", speaker="Speaker 1"), segment("bye", 1, 3.0, "Speaker 1")]
    speakers = SpeakerEdits(passages=[Passage(1.5, 2.5, "Speaker 2")])
    edits = changed_texts(talk, [], speakers, [GivenText(1, "Fine, thank you."), GivenText(2, "Bye!")])
    assert [one.text for one in edits] == ["how are you Fine, thank you.", "Bye!"]
    shown, _ = edited(corrected(talk, edits), speakers)
    assert [(one.speaker, one.text) for one in shown] == [
        ("Speaker 1", "how are you"), ("Speaker 2", "Fine, thank you."), ("Speaker 1", "Bye!"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (GivenText(1, "x"), "there is no segment 1; they are 0 to 0"),
        (GivenText(-1, "x"), "there is no segment -1"),
        (GivenText(0, "x" * 5001), "would be 5001 characters long; at most 5000 fit"),
    ],
)
def test_what_cannot_be_edited_is_refused(given: GivenText, message: str) -> None:
    with pytest.raises(SttError, match=message) as caught:
        changed_texts([segment("one")], [], NOBODY, [given])
    assert caught.value.code == "bad_config"
