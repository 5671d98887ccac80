"""Transcripts as text, subtitles and JSON."""

import itertools
import json

import pytest

from stt_cli.client.formats import LONGEST_CUE_CHARACTERS, Format, cues, render
from stt_shared.contracts.jobs import JobResult, JobSegment, JobWord

pytestmark = pytest.mark.unit


def segment(index: int, start: float, end: float, text: str, words: list[JobWord] | None = None) -> JobSegment:
    return JobSegment(index, start, end, text, 0.9, words or [])


RESULT = JobResult(
    text="Ever tried. Fish & chips <b> --> more",
    language="en",
    duration=3725.5,
    segments=[segment(0, 0.0, 1.25, " Ever tried."), segment(1, 3723.0045, 3725.5, " Fish & chips <b> --> more")],
)


def test_text_is_a_line_a_segment() -> None:
    assert render(RESULT, Format.TXT) == "Ever tried.\nFish & chips <b> --> more\n"


def test_srt_counts_cues_and_keeps_arrows_out_of_the_text() -> None:
    assert render(RESULT, Format.SRT) == (
        "1\n00:00:00,000 --> 00:00:01,250\nEver tried.\n\n2\n01:02:03,004 --> 01:02:05,500\nFish & chips <b> -> more\n"
    )


def test_vtt_escapes_what_would_be_markup() -> None:
    assert render(RESULT, Format.VTT) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nEver tried.\n\n"
        "01:02:03.004 --> 01:02:05.500\nFish &amp; chips &lt;b&gt; --&gt; more\n"
    )


def test_json_holds_everything() -> None:
    said = json.loads(render(RESULT, Format.JSON))
    assert said["language"] == "en"
    assert said["segments"][1]["start"] == 3723.0045


@pytest.mark.parametrize(("format", "expected"), [(Format.TXT, ""), (Format.SRT, ""), (Format.VTT, "WEBVTT\n")])
def test_silence_has_no_cues(format: Format, expected: str) -> None:
    assert render(JobResult("", "en", 5.0, []), format) == expected


def test_a_long_segment_is_cut_between_words_with_the_words_own_times() -> None:
    words = [JobWord(f" word{i:02d}", i * 0.5, i * 0.5 + 0.4, 0.9) for i in range(40)]
    long = segment(0, 0.0, 20.0, "".join(word.word for word in words), words)
    cut = list(cues(JobResult(long.text, "en", 20.0, [long])))
    assert len(cut) > 1
    assert all(len(cue.text) <= LONGEST_CUE_CHARACTERS for cue in cut)
    assert " ".join(cue.text for cue in cut) == long.text.strip()
    assert (cut[0].start_s, cut[-1].end_s) == (0.0, 19.9)
    assert all(before.end_s <= after.start_s for before, after in itertools.pairwise(cut))
