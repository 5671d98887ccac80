"""Who speaks, in every format of a transcript."""

import pytest

from stt_gateway.core.subtitles.diarized_json import diarized_json
from stt_gateway.core.subtitles.plain_text import plain_text
from stt_gateway.core.subtitles.subtitles import LINE_CHARS, cues, srt, vtt
from stt_shared.contracts.jobs import JobSegment, JobWord

pytestmark = pytest.mark.unit


def segment(number: int, start: float, text: str, speaker: str = "") -> JobSegment:
    said = text.split()
    words = [
        JobWord(word, start + 0.3 * at, start + 0.3 * at + 0.25, 0.9, speaker=speaker) for at, word in enumerate(said)
    ]
    return JobSegment(number, start, words[-1].end, text, 0.9, words, speaker=speaker)


TALK = [
    segment(0, 0.0, "How are you?", "Speaker 1"),
    segment(1, 1.0, "I am waiting.", "Speaker 1"),
    segment(2, 2.1, "Fine <b> & you?", "Speaker 2"),
    segment(3, 9.0, "Still waiting.", "Speaker 2"),
    segment(4, 10.0, "So am I.", "Speaker 1"),
]
TEXT = " ".join(one.text for one in TALK)


def test_plain_text_has_a_line_per_turn() -> None:
    assert plain_text(TALK) == (
        "Speaker 1: How are you? I am waiting.\nSpeaker 2: Fine <b> & you? Still waiting.\nSpeaker 1: So am I.\n"
    )


def test_plain_text_without_speakers_has_a_line_per_segment() -> None:
    assert plain_text([segment(0, 0.0, "Ever tried."), segment(1, 1.0, "Ever failed.")]) == (
        "Ever tried.\nEver failed.\n"
    )


def test_a_turn_in_japanese_has_no_spaces() -> None:
    talk = [
        JobSegment(0, 0.0, 1.0, "今日は。", 0.9, [], speaker="Speaker 1"),
        JobSegment(1, 1.0, 2.0, "雨。", 0.9, [], speaker="Speaker 1"),
    ]
    assert plain_text(talk) == "Speaker 1: 今日は。雨。\n"


def test_subrip_names_a_speaker_where_it_changes() -> None:
    texts = [block.split("\n", 2)[2].strip() for block in srt(TALK, 20.0, TEXT).split("\n\n")]
    assert [text.replace("\n", " ") for text in texts] == [
        "Speaker 1: How are you?",
        "I am waiting.",
        "Speaker 2: Fine <b> & you?",
        "Still waiting.",
        "Speaker 1: So am I.",
    ]


def test_webvtt_has_a_voice_in_each_cue() -> None:
    texts = [block.split("\n", 1)[1].strip() for block in vtt(TALK, 20.0, TEXT).split("\n\n")[1:]]
    assert texts[0] == "<v Speaker 1>How are you?"
    assert texts[2] == "<v Speaker 2>Fine &lt;b&gt; &amp; you?"
    assert all(text.startswith("<v Speaker ") for text in texts)


def test_no_cue_has_two_speakers_and_lines_stay_short_with_the_name() -> None:
    long = [segment(0, 0.0, "one two three four five six seven eight nine ten " * 3, "Speaker 1")]
    long.append(segment(1, long[0].end + 0.05, "yes no " * 12, "Speaker 2"))
    found = cues(long, 60.0, names_in_text=True)
    assert all(len(line) <= LINE_CHARS for cue in found for line in cue.lines)
    assert [cue.speaker for cue in found] == sorted(cue.speaker for cue in found)
    assert sum("Speaker" in line for cue in found for line in cue.lines) == 2


def test_openais_json_names_speakers_by_letters() -> None:
    document = diarized_json(TALK, TEXT, 12.25)
    assert (document["task"], document["duration"], document["text"]) == ("transcribe", 12.25, TEXT)
    assert document["segments"][2] == {
        "type": "transcript.text.segment",
        "id": "seg_003",
        "start": 2.1,
        "end": TALK[2].end,
        "text": "Fine <b> & you?",
        "speaker": "B",
    }
    assert [one["speaker"] for one in document["segments"]] == ["A", "A", "B", "B", "A"]


NAMED = [
    segment(0, 0.0, "How are you?", "Anna & <b>"),
    segment(1, 1.0, "Fine.", "Speaker 2"),
    segment(2, 2.0, "And you?", "B"),
    segment(3, 3.0, "So am I.", "Speaker 4"),
]


def test_a_name_is_no_markup_in_webvtt() -> None:
    assert "\n<v Anna &amp; &lt;b&gt;>How are you?\n" in vtt(NAMED)


def test_openais_json_has_names_and_letters_that_are_nobodys_name() -> None:
    named = diarized_json(NAMED, "", 4.0)
    assert [one["speaker"] for one in named["segments"]] == ["Anna & <b>", "A", "B", "C"]


def test_openais_json_has_letters_for_any_number_of_speakers() -> None:
    crowd = [segment(at, float(at), "Yes.", f"Speaker {at + 1}") for at in range(28)]
    assert [one["speaker"] for one in diarized_json(crowd, "", 28.0)["segments"]][24:] == ["Y", "Z", "AA", "AB"]


def test_a_channel_without_a_name_has_turns_next_to_one_with_a_name() -> None:
    talk = [
        JobSegment(0, 0.0, 1.0, "Hello?", 0.9, [], 0, "Anna"),
        JobSegment(1, 1.0, 2.0, "Yes.", 0.9, [], 1),
        JobSegment(2, 2.0, 3.0, "Who is it?", 0.9, [], 1),
    ]
    assert plain_text(talk) == "Anna: Hello?\nChannel 1: Yes. Who is it?\n"
    assert "<v Channel 1>Yes." in vtt(talk)


def test_a_long_name_keeps_to_the_width_of_lines() -> None:
    found = cues([segment(0, 0.0, "Good evening.", "N" * 50 + " von " + "M" * 60)], 9.0, names_in_text=True)
    assert all(len(line) <= LINE_CHARS for cue in found for line in cue.lines)
    assert "".join(line for cue in found for line in cue.lines).endswith("M: Good evening.")
