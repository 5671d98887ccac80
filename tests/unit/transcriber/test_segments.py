"""Segments of a file's transcript."""

import pytest

from stt_transcriber.core.decoding import TimedWord
from stt_transcriber.core.text.segments import segments_of

pytestmark = pytest.mark.unit


def test_segments_end_at_sentences_and_pauses() -> None:
    words = [
        TimedWord("Ever", 0.0, 0.3, 0.9),
        TimedWord("tried.", 0.3, 0.8, 0.8),
        TimedWord("No", 1.0, 1.2, 0.9),
        TimedWord("matter", 1.2, 1.6, 0.9),
        TimedWord("again", 3.0, 3.4, 0.9),
    ]
    segments = segments_of(words, 10.0)
    assert [segment.text for segment in segments] == ["Ever tried.", "No matter", "again"]
    assert (segments[0].start, segments[0].end, segments[2].start) == (10.0, 10.8, 13.0)
    assert segments[0].confidence == 0.85


def test_segments_keep_the_spaces_of_the_text() -> None:
    said = [("我", False), ("用", False), ("machine", False), ("learning。", True), ("再", True), ("见", False)]
    words = [TimedWord(text, at, at + 1.0, 0.9, spaced) for at, (text, spaced) in enumerate(said)]
    assert [segment.text for segment in segments_of(words, 0.0)] == ["我用machine learning。", "再见"]


@pytest.mark.parametrize("mark", "。؟۔।။។")
def test_segments_end_at_the_sentence_marks_of_every_script(mark: str) -> None:
    words = [TimedWord("one" + mark, 0.0, 1.0, 0.9), TimedWord("two", 1.0, 2.0, 0.9)]
    assert len(segments_of(words, 0.0)) == 2


@pytest.mark.parametrize("mark", "、،၊")
def test_long_segments_end_at_the_clause_marks_of_every_script(mark: str) -> None:
    words = [TimedWord("one" + mark, 0.0, 6.0, 0.9), TimedWord("two", 6.0, 7.0, 0.9)]
    assert len(segments_of(words, 0.0)) == 2
