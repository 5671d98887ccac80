"""Subtitles that read well: where lines and cues end, how long they stand, in every kind of script."""

import itertools
import random

import pytest

from stt_gateway.core.subtitles.cue_words import LINE_CHARS, MAX_PAUSE_S, MAX_S, columns_of
from stt_gateway.core.subtitles.subtitles import CHARS_PER_S, LINES, MIN_S, Cue, cues
from stt_shared.contracts.jobs import JobSegment, JobWord

pytestmark = pytest.mark.unit


def spoken(text: str, start: float = 0.0, *, every_s: float = 0.3, unspaced: bool = False) -> JobSegment:
    """A segment whose words come one after the other."""
    texts = list(text) if unspaced else text.split()
    words = [JobWord(one, start + n * every_s, start + (n + 1) * every_s, 0.9) for n, one in enumerate(texts)]
    return JobSegment(0, words[0].start, words[-1].end, text, 0.9, words)


def shown(*segments: JobSegment) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues(segments)]


def test_a_line_ends_where_a_clause_does() -> None:
    assert shown(spoken("When the evening came, nobody could see the dog any more.")) == [
        ("When the evening came,", "nobody could see the dog any more.")
    ]
    assert shown(spoken("She had waited for the last train and nobody had told her.")) == [
        ("She had waited for the last train", "and nobody had told her.")
    ]


def test_lines_are_of_about_one_length_and_end_in_no_article() -> None:
    (lines,) = shown(spoken("The quick brown fox jumped over the lazy old dog yesterday evening"))
    assert abs(len(lines[0]) - len(lines[1])) < 16
    assert lines[0].split()[-1] not in ("the", "The", "over")


def test_a_cue_ends_where_a_sentence_does() -> None:
    first, second = "Nobody came to the station that night.", "The train had left an hour before they heard of it."
    assert [" ".join(lines) for lines in shown(spoken(f"{first} {second}"))] == [first, second]


def test_sentences_too_short_to_read_stand_together_when_no_pause_follows() -> None:
    segments = [spoken("No.", 0.0), spoken("Never.", 0.3), spoken("Not today.", 0.6)]
    assert shown(*segments) == [("No. Never. Not today.",)]
    apart = [spoken("No.", 0.0), spoken("Never.", 1.3), spoken("Not today.", 2.6)]
    assert shown(*apart) == [("No.",), ("Never.",), ("Not today.",)]


def test_a_short_cue_stays_for_a_second_but_never_over_the_next() -> None:
    assert cues([spoken("Yes.", 2.0)])[0].end == 2.0 + MIN_S
    one, two = cues([spoken("Yes.", 2.0), spoken("Perhaps tomorrow then.", 2.8)])[:2]
    assert (one.end, two.start) == (2.8, 2.8)


def test_fast_speech_is_shown_on_into_the_pause() -> None:
    text = "incomprehensibilities notwithstanding"
    (cue,) = cues([spoken(text, every_s=0.2)])
    assert cue.end - cue.start == pytest.approx(len(text) / CHARS_PER_S)


def test_nothing_stands_across_a_pause() -> None:
    before, after = spoken("He said that"), spoken("he would come.", 0.9 + MAX_PAUSE_S + 0.2)
    whole = JobSegment(0, 0.0, after.end, "He said that he would come.", 0.9, before.words + after.words)
    assert shown(whole) == [("He said that",), ("he would come.",)]
    # The negative twin.
    near = spoken("he would come.", 0.9 + 0.5)
    joined = JobSegment(0, 0.0, near.end, "He said that he would come.", 0.9, before.words + near.words)
    assert shown(joined) == [("He said that he would come.",)]


def test_a_short_empty_screen_is_none() -> None:
    one, two = cues([spoken("Nobody came to the station."), spoken("The train had left.", 1.8)])
    assert one.end == two.start == 1.8


def test_slow_speech_is_cut_before_seven_seconds() -> None:
    found = cues([spoken("one two three four five six seven eight nine ten", every_s=1.0)])
    assert len(found) == 2
    assert all(cue.end - cue.start <= MAX_S for cue in found)


def test_a_few_words_in_a_long_segment_without_times_are_one_cue() -> None:
    (cue,) = cues([JobSegment(0, 10.0, 40.0, "Thank you very much.", 0.9, [])])
    assert (cue.start, cue.end, cue.lines) == (10.0, 10.0 + MAX_S, ("Thank you very much.",))


CHINESE = "今天天气很好，我们一起去公园散步吧。后来下雨了，大家都跑回家，没有人带伞，所以全身都湿了。"


@pytest.mark.parametrize("timed", [True, False])
def test_chinese_breaks_at_its_own_marks_and_wide_letters_count_two(timed: bool) -> None:
    segment = spoken(CHINESE, unspaced=True) if timed else JobSegment(0, 0.0, 14.0, CHINESE, 0.9, [])
    found = cues([segment])
    assert "".join("".join(cue.lines) for cue in found) == CHINESE
    assert found[0].lines[-1].endswith("。")
    for line in (line for cue in found for line in cue.lines):
        assert columns_of(line) <= LINE_CHARS
        assert line[0] not in "，。"


def test_foreign_words_in_japanese_keep_their_blanks_and_their_letters() -> None:
    text = "昨日 Machine Learning の本を読みましたが、とても難しかったです。「また読む」と言いました。"
    found = cues([JobSegment(0, 0.0, 9.0, text, 0.9, [])])
    lines = [line for cue in found for line in cue.lines]
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert any("Machine Learning" in line for line in lines)
    assert not any(line.startswith(("。", "、", "」")) or line.endswith("「") for line in lines)


@pytest.mark.parametrize("timed", [True, False])
def test_subtitles_have_the_spaces_of_the_transcript_between_its_segments_too(timed: bool) -> None:
    chance = random.Random(5)
    for _ in range(200):
        parts = [
            chance.choice(["好的。", "我们用", "machine", "สวัสดีครับ", "12", "はい", "សួស្តី", "OK."]) for _ in range(9)
        ]
        text = parts[0] + "".join(chance.choice(["", " "]) + part for part in parts[1:])
        segments = [
            JobSegment(
                n, n * 0.5, n * 0.5 + 0.4, part, 0.9, [JobWord(part, n * 0.5, n * 0.5 + 0.4, 0.9)] if timed else []
            )
            for n, part in enumerate(parts)
        ]
        lines = [line for cue in cues(segments, text=text) for line in cue.lines]
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(line in text for line in lines), (text, lines)


def test_timed_words_keep_the_spaces_of_their_text() -> None:
    texts = ["我", "们", "用", "machine", "learning", "做", "房", "间", "12", "30。"]
    words = [JobWord(text, at * 0.3, at * 0.3 + 0.3, 0.9) for at, text in enumerate(texts)]
    whole = "我们用machine learning做房间12 30。"
    assert shown(JobSegment(0, 0.0, 3.0, whole, 0.9, words)) == [(whole,)]


def test_words_that_are_not_those_of_the_text_do_not_hide_it() -> None:
    segment = JobSegment(0, 0.0, 2.0, "what was really said", 0.9, [JobWord("something", 0.0, 1.0, 0.9)])
    assert shown(segment) == [("what was really said",)]


def test_a_name_with_its_title_is_no_end_of_a_sentence() -> None:
    (first, *_) = shown(spoken("We have all been waiting for Mr. Smith because he has the keys of the house."))
    assert not first[0].endswith("Mr.")


VOCABULARY = ["a", "I", "the", "and", "of,", "so.", "no!", "x-ray?", "internationalisation;", "ha" * 40]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_said_the_rules_hold(seed: int) -> None:
    rng = random.Random(seed)
    at, segments = 0.0, []
    for number in range(rng.randint(1, 12)):
        at += rng.choice([0.0, 0.1, 0.6, 3.0])
        words = []
        for text in rng.choices(VOCABULARY if rng.random() < 0.7 else list("快慢。，天"), k=rng.randint(1, 30)):
            long_s = rng.choice([0.0, 0.05, 0.2, 0.5, 4.0])
            words.append(JobWord(text, at, at + long_s, 0.9))
            at += long_s + rng.choice([0.0, 0.0, 0.0, 0.4, 1.5])
        text = " ".join(word.word for word in words)
        segments.append(
            JobSegment(number, words[0].start, words[-1].end, text, 0.9, words if rng.random() < 0.7 else [])
        )
    found = cues(segments)
    said = "".join(segment.text for segment in segments)
    assert "".join("".join(cue.lines) for cue in found).replace(" ", "") == said.replace(" ", "")
    for cue in found:
        assert 1 <= len(cue.lines) <= LINES
        assert all(line == line.strip() and 0 < columns_of(line) <= LINE_CHARS for line in cue.lines)
        assert 0 < cue.end - cue.start <= MAX_S + 0.001
    for before, after in itertools.pairwise(found):
        assert before.start <= after.start
        if after.start > before.start:
            assert before.end <= after.start
            # Who could read it longer may.
            assert before.end >= min(after.start, before.start + _needed_s(before)) - 1e-9


def _needed_s(cue: Cue) -> float:
    return max(MIN_S, sum(map(columns_of, cue.lines)) / CHARS_PER_S)
