"""Subtitles that players read: times, lines, cues, and nothing in a text that could be taken for syntax."""

import itertools
import json
import re
from pathlib import Path

import pytest

from stt_gateway.core.subtitles.plain_text import plain_text
from stt_gateway.core.subtitles.subtitles import LINE_CHARS, LINES, cues, srt, vtt
from stt_shared.contracts.jobs import JobSegment, JobWord

pytestmark = pytest.mark.unit

EXAMPLES = Path(__file__).parents[2] / "data" / "subtitles.json"
"""The page writes subtitles of its own (web/js/text/subtitles.js): its tests read the same examples."""


def segment(
    text: str,
    start: float = 0.0,
    end: float = 2.0,
    words: list[JobWord] | None = None,
    channel: int | None = None,
    speaker: str = "",
) -> JobSegment:
    return JobSegment(0, start, end, text, 0.9, words or [], channel, speaker)


def parsed_srt(text: str) -> list[tuple[int, float, float, list[str]]]:
    """As a simple player reads it: number, times, lines, an empty line."""
    found = []
    for block in text.split("\n\n"):
        number, times, *lines = block.strip("\n").split("\n")
        match = re.fullmatch(r"(\d\d+):(\d\d):(\d\d),(\d{3}) --> (\d\d+):(\d\d):(\d\d),(\d{3})", times)
        assert match, times
        h0, m0, s0, ms0, h1, m1, s1, ms1 = map(int, match.groups())
        start, end = h0 * 3600 + m0 * 60 + s0 + ms0 / 1000, h1 * 3600 + m1 * 60 + s1 + ms1 / 1000
        found.append((int(number), start, end, lines))
    return found


def test_an_srt_reads_back_as_it_was() -> None:
    segments = [
        segment("Ever tried.", 0.0, 1.5),
        segment("Ever failed.", 1.5, 3.25),
        segment("No matter.", 3661.5, 3663),
    ]
    assert parsed_srt(srt(segments)) == [
        (1, 0.0, 1.5, ["Ever tried."]),
        (2, 1.5, 3.25, ["Ever failed."]),
        (3, 3661.5, 3663.0, ["No matter."]),
    ]


def test_a_vtt_begins_with_its_name_and_writes_times_with_points() -> None:
    assert vtt([segment("Ever tried.", 0.0, 1.5), segment("Try again.", 3600.0, 3601.0)]) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nEver tried.\n\n01:00:00.000 --> 01:00:01.000\nTry again.\n"
    )


def test_no_segments_are_an_empty_file() -> None:
    assert (srt([]), vtt([])) == ("", "WEBVTT\n\n")
    assert srt([segment("  \n ")]) == ""


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, "00:00:00,000"),
        (0.9996, "00:00:01,000"),
        (59.9999, "00:01:00,000"),
        (3599.9999, "01:00:00,000"),
        (0.0004, "00:00:00,000"),
        (-0.5, "00:00:00,000"),
        (360_000.125, "100:00:00,125"),
    ],
)
def test_times_are_rounded_to_milliseconds_and_carried(seconds: float, written: str) -> None:
    assert srt([segment("a", seconds, seconds + 1)]).split("\n")[1].startswith(f"{written} --> ")


def test_a_cue_never_ends_before_it_begins() -> None:
    (_, start, end, _) = parsed_srt(srt([segment("a", 5.0, 5.0)]))[0]
    assert end > start
    (_, start, end, _) = parsed_srt(srt([segment("a", 5.0, 4.0)]))[0]
    assert end > start


@pytest.mark.parametrize("text", ["a --> b", "-->", "a ---> b", "a ------> b", "--" + "-->" * 3, "0 -- > --> >"])
def test_an_arrow_in_a_text_is_never_taken_for_a_line_of_times(text: str) -> None:
    """A fixed bug: of "--->" one dash was taken, which left an arrow."""
    for written in (srt([segment(text)]), vtt([segment(text)])):
        assert written.count("-->") == 1
    assert len(parsed_srt(srt([segment(text), segment("b")]))) == 2


def test_marks_are_escaped_in_vtt_and_left_alone_in_srt() -> None:
    text = "Q&A <i>now</i> &amp; a > b"
    assert "Q&amp;A &lt;i&gt;now&lt;/i&gt; &amp;amp; a &gt; b" in vtt([segment(text)])
    assert text in srt([segment(text)])


@pytest.mark.parametrize(
    "text", ["one\n\ntwo", "one\r\n\r\ntwo", "one\u2028\u2028two", "one\x0b\x0c\x85two", " one \t two "]
)
def test_line_breaks_of_a_text_make_no_lines_of_a_file(text: str) -> None:
    assert parsed_srt(srt([segment(text)]))[0][3] == ["one two"]


def timed(*texts: str, every_s: float = 0.5) -> list[JobWord]:
    return [JobWord(text, number * every_s, (number + 0.8) * every_s, 0.9) for number, text in enumerate(texts)]


LONG = "the quick brown fox jumps over the lazy dog and goes on until the evening comes and nobody can see it any more"


@pytest.mark.parametrize("form", ["{}", " {}"])
def test_a_long_segment_is_cut_between_words_at_their_times(form: str) -> None:
    words = timed(*(form.format(word) for word in LONG.split()))
    found = cues([segment(LONG, 0.0, 11.5, words)])
    assert len(found) == 2
    assert " ".join(line for cue in found for line in cue.lines) == LONG
    times = {round(word.start, 3): word.word.strip() for word in words}
    for cue in found:
        assert cue.lines[0].split()[0] == times[round(cue.start, 3)]
    assert found[-1].end == words[-1].end


def test_without_word_times_a_long_segment_is_cut_by_length() -> None:
    found = cues([segment(LONG, 10.0, 20.0)])
    assert " ".join(line for cue in found for line in cue.lines) == LONG
    assert (found[0].start, round(found[-1].end, 6)) == (10.0, 20.0)
    for before, after in itertools.pairwise(found):
        assert before.start < before.end <= after.start


TEXTS = {
    "latin": LONG,
    "chinese": "快" * 300,
    "chinese with a space": "快" * 200 + " " + "慢" * 200,
    "a word like a river": "a " + "ha" * 150 + " b",
    "hyphens": "well-known-" * 30,
    "one letter": "a",
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("with_words", [True, False])
def test_no_cue_has_more_than_two_lines_of_42_letters(name: str, with_words: bool) -> None:
    """A fixed bug: a word longer than two lines (a model's "hahaha…", Chinese with one space) stayed in one cue."""
    text = TEXTS[name]
    found = cues([segment(text, 3.0, 40.0, timed(*text.split()) if with_words else None)])
    for cue in found:
        assert 1 <= len(cue.lines) <= LINES
        assert all(0 < len(line) <= LINE_CHARS for line in cue.lines)
        assert cue.start < cue.end
    starts = [cue.start for cue in found]
    assert starts == sorted(starts)
    assert "".join("".join(cue.lines) for cue in found).replace(" ", "") == text.replace(" ", "")


def test_words_without_spaces_stay_without() -> None:
    found = cues([segment("快" * 60 + "慢" * 60, 0.0, 60.0, timed(*("快" * 60 + "慢" * 60)))])
    assert all(" " not in line for cue in found for line in cue.lines)


def test_the_examples_that_the_page_is_held_to_are_what_is_written_here() -> None:
    examples = json.loads(EXAMPLES.read_text())
    assert len(examples) > 30
    for example in examples:
        segments = [
            segment(
                one["text"],
                one["start"],
                one["end"],
                [JobWord(**word, confidence=0.9) for word in one["words"]],
                one.get("channel"),
                one.get("speaker", ""),
            )
            for one in example["segments"]
        ]
        assert srt(segments, text=example.get("text", "")) == example["srt"]


CALL = [
    JobSegment(0, 0.0, 4.0, "I have been waiting for an hour & a half.", 0.9, [], 0),
    JobSegment(1, 1.0, 2.0, "Sorry!", 0.9, [], 1),
    JobSegment(2, 4.0, 5.5, "It --> is late.", 0.9, [], 0),
]


def test_channels_have_cues_of_their_own_that_overlap() -> None:
    assert [(cue.channel, cue.start, cue.end, cue.lines) for cue in cues(CALL)] == [
        (0, 0.0, 4.0, ("I have been waiting for an hour & a half.",)),
        (1, 1.0, 2.0, ("Sorry!",)),
        (0, 4.0, 5.5, ("It --> is late.",)),
    ]


def test_subtitles_name_the_channel() -> None:
    assert [lines for *_, lines in parsed_srt(srt(CALL))] == [
        ["Channel 0: I have been waiting for an hour & a half."],
        ["Channel 1: Sorry!"],
        ["Channel 0: It -> is late."],
    ]
    assert "\n<v Channel 0>I have been waiting for an hour &amp; a half.\n" in vtt(CALL)
    assert "\n<v Channel 1>Sorry!\n" in vtt(CALL)


def test_a_channel_that_alone_was_heard_is_named_too() -> None:
    assert "<v Channel 1>Sorry!" in vtt([CALL[1]])
    assert plain_text(CALL[1:2]) == "Channel 1: Sorry!\n"


def test_plain_text_has_a_line_per_segment() -> None:
    assert plain_text([segment(" Ever tried. "), segment("")]) == "Ever tried.\n"
    assert plain_text(CALL).splitlines()[1:] == ["Channel 1: Sorry!", "Channel 0: It --> is late."]


def test_the_last_cue_ends_with_the_recording() -> None:
    segments = [segment("Ever tried.", 0.0, 1.5), segment("Go.", 9.5, 9.9)]
    assert cues(segments)[-1].end > 10.0, "long enough to be read, where there is time"
    last = cues(segments, 10.0)[-1]
    assert (last.start, last.end) == (9.5, 10.0)
    assert srt(segments, 10.0).rstrip().split("\n")[-2].endswith("--> 00:00:10,000")
    assert "00:00:10.000" in vtt(segments, 10.0)
