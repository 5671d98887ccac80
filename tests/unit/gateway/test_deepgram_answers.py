"""Transcripts and errors in Deepgram's form."""

from typing import Any

import pytest

from stt_gateway.core.deepgram.errors import (
    close_code,
    close_reason,
    deepgram_error,
    deepgram_status,
    is_deepgram_path,
)
from stt_gateway.core.deepgram.file_answer import file_answer, metadata_view
from stt_gateway.core.deepgram.file_request import AnswerForm
from stt_gateway.core.deepgram.parameters import TextForm
from stt_gateway.core.deepgram.words import bare
from stt_shared.contracts.errors import ERRORS
from stt_shared.contracts.jobs import JobResult, JobSegment, JobWord

pytestmark = pytest.mark.unit

METADATA = metadata_view("id", "sha", "2026-01-01T00:00:00.000Z", 9.0, 1, "base")


def segment(text: str, start: float, *, speaker: str = "", channel: int | None = None) -> JobSegment:
    words = [
        JobWord(word, start + at / 2, start + at / 2 + 0.4, 0.9, channel, speaker)
        for at, word in enumerate(text.split())
    ]
    return JobSegment(0, start, start + 1, text, 0.9, words, channel, speaker, "en")


def answer(*segments: JobSegment, form: TextForm | None = None, **more: Any) -> dict[str, Any]:
    text = " ".join(one.text for one in segments)
    asked = AnswerForm(form or TextForm(), **more)
    return file_answer(JobResult(text, "en", 9.0, list(segments)), asked, METADATA)


def first(found: dict[str, Any]) -> dict[str, Any]:
    view: dict[str, Any] = found["results"]["channels"][0]["alternatives"][0]
    return view


def test_the_answer_to_a_file() -> None:
    found = answer(segment("Ever tried.", 0.5), segment("No matter.", 2.0))
    assert found["metadata"]["request_id"] == "id"
    assert found["metadata"]["transaction_key"] == "deprecated"
    (model_id,) = found["metadata"]["models"]
    assert found["metadata"]["model_info"][model_id]["name"] == "base"
    view = first(found)
    assert (view["transcript"], view["confidence"]) == ("Ever tried. No matter.", 0.9)
    assert view["words"][1] == {
        "word": "tried",
        "start": 1.0,
        "end": 1.4,
        "confidence": 0.9,
        "punctuated_word": "tried.",
    }
    assert set(found["results"]) == {"channels"}
    assert set(view) == {"transcript", "confidence", "words"}


def test_without_punctuation() -> None:
    view = first(answer(segment("«Ever tried?» -- [card] 50%.", 0), form=TextForm(punctuated=False)))
    assert view["transcript"] == "ever tried [card] 50%"
    assert [word["word"] for word in view["words"]] == ["ever", "tried", "[card]", "50%"]
    assert all("punctuated_word" not in word for word in view["words"])


@pytest.mark.parametrize(
    ("written", "found"),
    [("Don't,", "don't"), ("U.S.A.", "u.s.a"), ("…", ""), ("«Bonjour»", "bonjour"), ("C#", "c#"), ("你好。", "你好")],
)
def test_bare_words(written: str, found: str) -> None:
    assert bare(written) == found


def test_a_text_without_spaces_between_its_words() -> None:
    words = [JobWord("你好", 0, 1, 0.9), JobWord("世界。", 1, 2, 0.9)]
    one = JobSegment(0, 0, 2, "你好世界。", 0.9, words, language="zh")
    form = TextForm(punctuated=False)
    found = answer(one, form=form, has_utterances=True)
    assert first(found)["transcript"] == found["results"]["utterances"][0]["transcript"] == "你好世界"


def test_nothing_said() -> None:
    found = answer(has_paragraphs=True, has_utterances=True)
    paragraphs = {"transcript": "", "paragraphs": []}
    assert first(found) == {"transcript": "", "confidence": 0.0, "words": [], "paragraphs": paragraphs}
    assert found["results"]["utterances"] == []


def test_each_channel_has_its_own_text() -> None:
    found = answer(segment("Hello.", 0, channel=1), segment("Hi.", 0.5, channel=0), segment("Bye.", 5, channel=1))
    texts = [one["alternatives"][0]["transcript"] for one in found["results"]["channels"]]
    assert texts == ["Hi.", "Hello. Bye."]
    assert found["metadata"]["channels"] == 2


def test_speakers_are_numbered_as_they_speak() -> None:
    found = answer(
        segment("One.", 0, speaker="Speaker 1"),
        segment("Two.", 1, speaker="Ann"),
        segment("Three.", 2, speaker="Speaker 1"),
        form=TextForm(has_speakers=True),
        has_paragraphs=True,
        has_utterances=True,
    )
    assert [word["speaker"] for word in first(found)["words"]] == [0, 1, 0]
    assert [one["speaker"] for one in found["results"]["utterances"]] == [0, 1, 0]
    expected = "\nSpeaker 0: One.\n\nSpeaker 1: Two.\n\nSpeaker 0: Three."
    assert first(found)["paragraphs"]["transcript"] == expected


def test_paragraphs_have_sentences_and_end_at_a_pause() -> None:
    found = answer(
        segment("Ever tried. Ever", 0), segment("failed.", 1.5), segment("No matter.", 5), has_paragraphs=True
    )
    paragraphs = first(found)["paragraphs"]
    assert paragraphs["transcript"] == "\nEver tried. Ever failed.\n\nNo matter."
    one, other = paragraphs["paragraphs"]
    assert [sentence["text"] for sentence in one["sentences"]] == ["Ever tried.", "Ever failed."]
    assert (one["num_words"], one["start"], one["end"]) == (4, 0, 1.9)
    assert [sentence["text"] for sentence in other["sentences"]] == ["No matter."]
    many = first(answer(*[segment("So.", at) for at in range(7)], has_paragraphs=True))
    assert [len(one["sentences"]) for one in many["paragraphs"]["paragraphs"]] == [5, 2]


def test_utterances_end_at_a_pause() -> None:
    parts = (segment("Ever tried.", 0), segment("No matter.", 1.8))
    found = answer(*parts, has_utterances=True)["results"]["utterances"]
    assert [one["transcript"] for one in found] == ["Ever tried.", "No matter."]
    assert [(one["start"], one["channel"]) for one in found] == [(0, 0), (1.8, 0)]
    assert len({one["id"] for one in found}) == 2
    joined = answer(*parts, has_utterances=True, utt_split_s=2.0)["results"]["utterances"]
    assert [one["transcript"] for one in joined] == ["Ever tried. No matter."]


def test_languages() -> None:
    view = first(answer(segment("Ever tried.", 0), form=TextForm(has_languages=True)))
    assert view["languages"] == ["en"]
    assert {word["language"] for word in view["words"]} == {"en"}
    found = answer(segment("Ever tried.", 0), tells_language=True)
    assert found["results"]["channels"][0]["detected_language"] == "en"


def test_errors() -> None:
    expected = {"err_code": "INVALID_AUTH", "err_msg": "no key", "request_id": "r"}
    assert deepgram_error("unauthorized", "no key", "r") == expected
    assert deepgram_error("no_worker", "none", "r")["err_code"] == "NO_WORKER"
    assert [deepgram_status(status) for status in (422, 401, 503)] == [400, 401, 503]
    assert all(is_deepgram_path(path) for path in ("/v1/listen", "/stt/v1/listen", "/v1/listen/"))
    assert not any(is_deepgram_path(path) for path in ("/v1/stt/jobs", "/v1/listeners", "/v1/listen/x"))


def test_every_error_closes_with_a_code_and_a_reason() -> None:
    for code, kind in ERRORS.items():
        assert close_code(code) == 1011 or not kind.retryable or code in ("rate_limited", "at_capacity"), code
        assert 0 < len(close_reason(code).encode()) <= 123
    found = {code: (close_code(code), close_reason(code)) for code in ("bad_audio", "idle", "no_worker", "bad_config")}
    assert found == {
        "bad_audio": (1008, "DATA-0000"),
        "idle": (1011, "NET-0001"),
        "no_worker": (1011, "NET-0000"),
        "bad_config": (1008, "INVALID_QUERY_PARAMETER"),
    }
