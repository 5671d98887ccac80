"""Speakers that people name, merge and correct: what a transcript is after it, and what is refused."""

import msgspec
import pytest

from stt_gateway.core.speakers.changes import MAX_MERGES, MAX_PASSAGES, GivenPassage, SpeakerChanges, changed
from stt_gateway.core.speakers.edits import Passage, Speaker, SpeakerEdits, edited, shown_names
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobSegment, JobWord

pytestmark = pytest.mark.unit

NONE = SpeakerEdits()


def segment(start: float, text: str, speaker: str = "", channel: int | None = None) -> JobSegment:
    words = [JobWord(word, start + at, start + at + 0.8, 0.9, channel, speaker) for at, word in enumerate(text.split())]
    return JobSegment(9, start, words[-1].end, text, 0.9, words, channel, speaker)


TALK = [
    segment(0.0, "One two three four.", "Speaker 1"),
    segment(10.0, "Five six.", "Speaker 2"),
    segment(20.0, "Seven.", "Speaker 3"),
]
CALL = [segment(0.0, "Hello there?", channel=0), segment(0.5, "Yes please.", channel=1)]


def said(segments: list[JobSegment], edits: SpeakerEdits) -> list[tuple[str, str]]:
    return [(one.speaker, one.text) for one in edited(segments, edits)[0]]


def after(*changes: SpeakerChanges, of: list[JobSegment] | None = None) -> SpeakerEdits:
    edits = NONE
    for change in changes:
        edits = changed(TALK if of is None else of, edits, change)
        # A client that got no answer sends it again.
        assert changed(TALK if of is None else of, edits, change) == edits
    return edits


def names(**given: str | None) -> SpeakerChanges:
    return SpeakerChanges(names={f"Speaker {id[1:]}": name for id, name in given.items()})


def merge(source: int, target: int | None) -> SpeakerChanges:
    return SpeakerChanges(merge={f"Speaker {source}": None if target is None else f"Speaker {target}"})


def assign(start: float, end: float, speaker: str | None, channel: int | None = None) -> SpeakerChanges:
    return SpeakerChanges(assign=[GivenPassage(start, end, speaker, channel)])


def test_without_edits_a_transcript_is_as_it_was_heard() -> None:
    segments, speakers = edited(TALK, NONE)
    assert segments == TALK
    assert speakers == [Speaker(f"Speaker {number}", None) for number in (1, 2, 3)]
    assert edited([segment(0.0, "Yes.")], NONE)[1] == []


def test_a_name_is_in_all_segments_and_words_of_its_speaker() -> None:
    segments, speakers = edited(TALK, after(names(s2="Anna")))
    assert [one.speaker for one in segments] == ["Speaker 1", "Anna", "Speaker 3"]
    assert {word.speaker for word in segments[1].words} == {"Anna"}
    assert speakers[1] == Speaker("Speaker 2", "Anna")
    assert [one.text for one in segments] == [one.text for one in TALK]


def test_names_are_changed_exchanged_and_cleared() -> None:
    first = names(s1="Anna", s2="Bob")
    assert after(first, names(s1="Bob", s2="Anna")).names == {"Speaker 1": "Bob", "Speaker 2": "Anna"}
    assert after(first, names(s1=None, s2="Speaker 2")).names == {}


def test_a_merged_speaker_has_the_name_of_the_other() -> None:
    edits = after(names(s1="Anna", s3="Carl"), merge(3, 1))
    assert [speaker for speaker, _ in said(TALK, edits)] == ["Anna", "Speaker 2", "Anna"]
    assert edited(TALK, edits)[1] == [Speaker("Speaker 1", "Anna"), Speaker("Speaker 2", None)]
    assert after(names(s1="Anna"), merge(3, 1), names(s2="Carl")).names == {"Speaker 1": "Anna", "Speaker 2": "Carl"}


def test_a_merge_is_taken_back() -> None:
    assert after(merge(3, 1), merge(3, None)) == NONE
    assert after(merge(3, 1), merge(3, 3)) == NONE


def test_merges_follow_each_other() -> None:
    assert {speaker for speaker, _ in said(TALK, after(merge(3, 2), merge(2, 1)))} == {"Speaker 1"}
    assert {speaker for speaker, _ in said(TALK, after(merge(2, 1), merge(1, 2), merge(3, 2)))} == {"Speaker 2"}
    assert [speaker for speaker, _ in said(TALK, after(merge(3, 1), merge(3, 2)))] == [
        "Speaker 1",
        "Speaker 2",
        "Speaker 2",
    ]


def test_a_passage_divides_a_segment_and_may_be_somebody_new() -> None:
    edits = after(assign(1.0, 2.8, "Speaker 4"), names(s4="Dora"))
    segments, speakers = edited(TALK, edits)
    assert [(one.id, one.speaker, one.text, one.start, one.end) for one in segments][:3] == [
        (0, "Speaker 1", "One", 0.0, 0.8),
        (1, "Dora", "two three", 1.0, 2.8),
        (2, "Speaker 1", "four.", 3.0, 3.8),
    ]
    assert [one.id for one in speakers] == ["Speaker 1", "Speaker 4", "Speaker 2", "Speaker 3"]


def test_a_later_passage_replaces_what_it_covers_of_an_earlier_one() -> None:
    edits = after(assign(0.0, 3.8, "Speaker 2"), assign(1.0, 1.8, "Speaker 3"))
    assert said(TALK, edits)[:3] == [("Speaker 2", "One"), ("Speaker 3", "two"), ("Speaker 2", "three four.")]
    assert changed(TALK, edits, assign(0.0, 3.8, None)) == NONE


def test_a_passage_of_a_merged_speaker_is_that_speakers_again() -> None:
    edits = after(merge(3, 1), assign(10.0, 10.8, "Speaker 3"))
    assert [speaker for speaker, _ in said(TALK, edits)] == ["Speaker 1", "Speaker 3", "Speaker 2", "Speaker 1"]
    # Merged once more, only that passage moves.
    again = changed(TALK, edits, merge(3, 2))
    assert [speaker for speaker, _ in said(TALK, again)] == ["Speaker 1", "Speaker 2", "Speaker 1"]


def test_passages_of_a_merged_speaker_move_with_it() -> None:
    edits = after(assign(0.0, 0.8, "Speaker 2"), merge(2, 3))
    assert [speaker for speaker, _ in said(TALK, edits)] == ["Speaker 3", "Speaker 1", "Speaker 3", "Speaker 3"]


def test_channels_are_named_like_speakers() -> None:
    edits = after(SpeakerChanges(names={"Channel 1": "Anna"}), of=CALL)
    segments, speakers = edited(CALL, edits)
    assert [(one.speaker, one.channel) for one in segments] == [("", 0), ("Anna", 1)]
    assert speakers == [Speaker("Channel 0", None), Speaker("Channel 1", "Anna")]
    assert shown_names(CALL, edits) == ["Anna"]


def test_a_passage_is_on_one_channel_or_on_all() -> None:
    one = after(assign(0.0, 1.3, "Anna", 1), of=CALL)
    assert said(CALL, one) == [("", "Hello there?"), ("Anna", "Yes"), ("", "please.")]
    both = after(assign(0.0, 1.3, "Anna"), of=CALL)
    assert said(CALL, both) == [("Anna", "Hello"), ("", "there?"), ("Anna", "Yes"), ("", "please.")]


def test_somebody_is_named_where_no_speakers_were_told_apart() -> None:
    plain = [segment(0.0, "Yes.")]
    edits = after(assign(0.0, 0.8, "Anna"), of=plain)
    assert said(plain, edits) == [("Anna", "Yes.")]


def test_a_segment_without_words_is_given_away_by_its_middle() -> None:
    bare = [msgspec.structs.replace(TALK[0], words=[])]
    assert said(bare, after(assign(1.0, 2.0, "Anna"), of=bare)) == [("Anna", "One two three four.")]


def test_edits_outlive_a_transcript_that_grows() -> None:
    edits = after(names(s1="Anna"), merge(3, 1), assign(10.0, 10.8, "Bob"))
    grown = [*TALK, segment(30.0, "Eight.", "Speaker 3"), segment(31.0, "Nine.", "Speaker 4")]
    assert [speaker for speaker, _ in said(grown, edits)] == ["Anna", "Bob", "Speaker 2", "Anna", "Anna", "Speaker 4"]


def test_names_that_were_heard_are_found_too() -> None:
    heard = [*TALK, segment(30.0, "Hello.", "Bea"), segment(31.0, "Hi.", "Bob")]
    edits = changed(heard, NONE, SpeakerChanges(merge={"Bob": "Bea"}, names={"Speaker 1": "Anna"}))
    assert shown_names(heard, edits) == ["Anna", "Bea"]
    assert shown_names(TALK, NONE) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (names(s7="Anna"), r"no speaker 'Speaker 7'; there are Speaker 1, Speaker 2, Speaker 3"),
        (names(s1="Anna", s2="Anna"), r"'Speaker 1' and 'Speaker 2' would both be called 'Anna'; merge them"),
        (names(s1="Speaker 2"), r"'Speaker 2' is no name"),
        (names(s1="Channel 0"), r"'Channel 0' is no name"),
        (merge(1, 7), r"no speaker 'Speaker 7'"),
        (merge(7, 1), r"no speaker 'Speaker 7'"),
        (SpeakerChanges(merge={f"Speaker {at}": None for at in range(MAX_MERGES + 1)}), r"at most 20"),
        (assign(5.0, 9.0, "Anna"), r"no word is spoken from 5.0 to 9.0 s"),
        (assign(0.0, 1.0, "Anna", 1), r"no word is spoken from 0.0 to 1.0 s on channel 1"),
        (assign(2.0, 1.0, "Anna"), r"end not before start"),
        (assign(float("nan"), 1.0, "Anna"), r"must be seconds"),
        (
            SpeakerChanges(assign=[GivenPassage(0.0, 0.8, "Anna")], names={"Speaker 2": "Anna"}),
            r"both be called 'Anna'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(change: SpeakerChanges, message: str) -> None:
    with pytest.raises(SttError, match=message) as caught:
        changed(TALK, NONE, change)
    assert caught.value.code == "bad_config"


def test_passages_are_limited() -> None:
    long = [segment(0.0, "word " * (2 * MAX_PASSAGES + 2))]
    every_other = [GivenPassage(2.0 * at, 2.0 * at + 0.8, "Anna") for at in range(MAX_PASSAGES + 1)]
    full = changed(long, NONE, SpeakerChanges(assign=every_other[:-1]))
    assert len(full.passages) == MAX_PASSAGES
    with pytest.raises(SttError, match="at most 2000 passages"):
        changed(long, full, SpeakerChanges(assign=every_other[-1:]))


def test_stored_edits_are_read_back() -> None:
    edits = after(names(s1="Anna"), merge(3, 1), assign(10.0, 10.8, "Bob"))
    assert msgspec.json.decode(msgspec.json.encode(edits), type=SpeakerEdits) == edits
    assert edits.passages == [Passage(10.0, 10.8, "Bob")]
