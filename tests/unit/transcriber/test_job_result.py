"""A job's result is put together from those of its chunks."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_

from stt_shared.contracts.jobs import (
    AudioTrack,
    ChunkResult,
    DecodedFile,
    JobConfig,
    JobSegment,
    JobStatus,
    JobWarning,
    TimeSpan,
)
from stt_shared.streams.job_state import JobState
from stt_transcriber.files.job_result import assembled

pytestmark = pytest.mark.unit


def segment(text: str, start: float, language: str = "") -> JobSegment:
    return JobSegment(0, start, start + 1, text, 0.9, [], language=language)


def state(language: str | None = None) -> JobState:
    return JobState("e", True, JobStatus.PROCESSING, JobConfig("job", language=language), total_samples=40_000)


def test_segments_are_numbered_through_and_texts_keep_their_spaces() -> None:
    parts = [
        ChunkResult("ja", [segment("今日は。", 0), segment("Machine", 1)], "今日は。 Machine", [TimeSpan(2.0, 2.5)]),
        ChunkResult("ja", [segment("Learning。", 3), segment("雨", 4)]),  # stored before parts had a text
    ]
    result = assembled(state(), parts)
    assert (result.text, result.duration) == ("今日は。 Machine Learning。雨", 2.5)
    assert [(one.id, one.start) for one in result.segments] == [(0, 0), (1, 1), (2, 3), (3, 4)]
    assert result.unrecognized == [TimeSpan(2.0, 2.5)]


def test_channels_are_merged_in_the_order_of_time() -> None:
    def said(text: str, start: float, channel: int) -> JobSegment:
        return replace_(segment(text, start), channel=channel)

    parts = [
        ChunkResult("en", [said("Hello?", 0.0, 0), said("Are you there?", 3.0, 0)], "Hello? Are you there?"),
        ChunkResult("en", [said("Yes.", 1.5, 1), said("I am.", 3.0, 1)], "Yes. I am.", [TimeSpan(9.0, 9.9, 1)]),
        ChunkResult("en", [], "", [TimeSpan(7.0, 8.0, 0)]),
    ]
    result = assembled(state(), parts)
    assert result.text == "Hello? Yes. Are you there? I am."
    assert [(one.id, one.channel) for one in result.segments] == [(0, 0), (1, 1), (2, 0), (3, 1)]
    assert result.unrecognized == [TimeSpan(7.0, 8.0, 0), TimeSpan(9.0, 9.9, 1)]


def test_the_language_is_the_one_asked_for_then_the_one_most_spoken() -> None:
    parts = [
        ChunkResult("en", [segment("Hello.", 0, "en")]),
        ChunkResult("de", [segment("Guten Tag.", 1, "de"), segment("Na?", 2, "de")]),
    ]
    result = assembled(state(), parts)
    assert result.language == "de"
    assert [one.language for one in result.segments] == ["en", "de", "de"]
    assert assembled(state("fr"), parts).language == "fr"
    older = [ChunkResult("en", [segment("Hello.", 0)]), ChunkResult("it", [segment("Ciao.", 1)])]
    assert assembled(state(), older).language == "en"
    assert assembled(state(), [ChunkResult("en", []), ChunkResult("it", [])]).language == "en"


def test_a_file_without_speech_has_an_empty_text() -> None:
    result = assembled(state(), [])
    assert (result.text, result.language, result.segments) == ("", "", [])


def test_what_the_decoder_found_is_in_the_result() -> None:
    found = DecodedFile(4.0, AudioTrack(2, 3, "deu"), [JobWarning("damaged", "the file is damaged", 2.5, 4.0)])
    result = assembled(replace(state(), decoded=found), [])
    assert (result.duration, result.track, result.warnings) == (4.0, found.track, found.warnings)
