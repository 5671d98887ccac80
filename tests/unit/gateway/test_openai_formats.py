"""Transcripts in OpenAI's formats: bodies, and the events of a stream."""

import math
from typing import Any

import pytest

from stt_gateway.core.openai.errors import is_openai_path, openai_error
from stt_gateway.core.openai.events import TextEvents
from stt_gateway.core.openai.formats import json_body, verbose_body
from stt_gateway.core.openai.request import Granularity
from stt_shared.contracts.jobs import ChunkResult, JobResult, JobSegment, JobWord
from stt_shared.contracts.session import Task

pytestmark = pytest.mark.unit

EVER = JobSegment(
    0, 0.5, 1.5, "Ever tried.", 0.9, [JobWord("Ever", 0.5, 0.9, 1.0), JobWord("tried.", 0.9, 1.5, 0.5)], language="en"
)
FAILED = JobSegment(
    1,
    2.0,
    3.0,
    "Ever failed.",
    0.8,
    [JobWord("Ever", 2.0, 2.4, 0.0), JobWord("failed.", 2.4, 3.0, 0.25)],
    language="en",
)
RESULT = JobResult("Ever tried. Ever failed.", "en", 3.2, [EVER, FAILED])
USAGE = {"type": "duration", "seconds": 4}


def test_json_has_text_languages_and_usage() -> None:
    assert json_body(RESULT) == {"text": RESULT.text, "languages": [{"code": "en"}], "usage": USAGE}
    assert json_body(JobResult("", "", 0.0, []))["languages"] == []


def test_logprobs_are_those_of_words_and_their_tokens_are_the_text() -> None:
    found = json_body(RESULT, with_logprobs=True)["logprobs"]
    assert "".join(one["token"] for one in found) == RESULT.text
    assert [one["logprob"] for one in found] == [0.0, round(math.log(0.5), 4), round(math.log(1e-6), 4), -1.3863]
    assert bytes(found[1]["bytes"]).decode() == " tried."


def test_verbose_json_has_what_whisper_has() -> None:
    body = verbose_body(RESULT, Task.TRANSCRIBE, {Granularity.SEGMENT})
    assert "".join(one["text"] for one in body["segments"]) == RESULT.text
    assert body.pop("segments")[0] == {
        "id": 0,
        "seek": 50,
        "start": 0.5,
        "end": 1.5,
        "text": "Ever tried.",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.3466,
        "compression_ratio": 0.5789,
        "no_speech_prob": 0.0,
    }
    assert body == {
        "task": "transcribe", "language": "english", "duration": 3.2, "text": RESULT.text, "usage": USAGE
    }  # fmt: skip


def test_verbose_json_has_words_if_they_are_asked_for() -> None:
    body = verbose_body(RESULT, Task.TRANSLATE, {Granularity.WORD})
    assert body["words"][1] == {"word": "tried.", "start": 0.9, "end": 1.5}
    assert len(body["words"]) == 4
    assert "segments" not in body
    assert (body["task"], body["language"]) == ("translate", "english")


def test_segments_of_japanese_are_joined_without_spaces() -> None:
    segments = [JobSegment(0, 0, 1, "今日は。", 0.9, []), JobSegment(1, 1, 2, "雨。", 0.9, [])]
    body = verbose_body(JobResult("今日は。雨。", "ja", 2, segments), Task.TRANSCRIBE, {Granularity.SEGMENT})
    assert [one["text"] for one in body["segments"]] == ["今日は。", "雨。"]
    assert body["language"] == "japanese"


def deltas(events: list[dict[str, Any]]) -> str:
    return "".join(one["delta"] for one in events if one["type"] == "transcript.text.delta")


def part(segment: JobSegment) -> ChunkResult:
    return ChunkResult("en", [segment], segment.text)


def test_events_of_a_stream() -> None:
    told = TextEvents()
    events = [*told.more([]), *told.more([part(EVER)]), *told.more([ChunkResult("", [], "")]), *told.end(RESULT)]
    assert told.parts == 2
    assert events == [
        {"type": "transcript.text.delta", "delta": "Ever tried."},
        {"type": "transcript.text.delta", "delta": " Ever failed."},
        {"type": "transcript.text.done", "text": RESULT.text, "usage": USAGE},
    ]


@pytest.mark.parametrize("in_parts", [0, 1, 2])
def test_deltas_are_the_text_however_much_was_told_before_the_end(in_parts: int) -> None:
    told = TextEvents(with_logprobs=True)
    events = [*told.more([part(EVER), part(FAILED)][:in_parts]), *told.end(RESULT)]
    assert deltas(events) == RESULT.text
    tokens = [token for one in events[:-1] for token in one["logprobs"]]
    assert tokens == events[-1]["logprobs"], "each word's once"
    assert "".join(token["token"] for token in tokens) == RESULT.text


def test_a_text_that_differs_from_what_was_told_is_in_the_end_alone() -> None:
    told = TextEvents()
    events = [*told.more([part(EVER)]), *told.end(JobResult("Never tried.", "en", 3.2, []))]
    assert deltas(events) == "Ever tried."
    assert events[-1]["text"] == "Never tried."


def test_segments_name_their_speakers() -> None:
    segments = [
        JobSegment(0, 0, 1, "Yes?", 0.9, [], speaker="Speaker 1"),
        JobSegment(1, 1, 2, "No.", 0.9, [], speaker="Speaker 2"),
    ]
    told = TextEvents(with_segments=True)
    _, first, second, done = told.end(JobResult("Yes? No.", "en", 2.0, segments))
    assert first == {
        "type": "transcript.text.segment",
        "id": "seg_001",
        "start": 0,
        "end": 1,
        "text": "Yes?",
        "speaker": "A",
    }
    assert (second["speaker"], done["text"]) == ("B", "Yes? No.")


def test_nothing_said_is_an_empty_text() -> None:
    assert [one["type"] for one in TextEvents().end(JobResult("", "", 1.0, []))] == ["transcript.text.done"]


@pytest.mark.parametrize(
    ("status", "code", "param", "kind", "expected"),
    [
        (401, "unauthorized", "", "invalid_request_error", "invalid_api_key"),
        (403, "forbidden", "", "invalid_request_error", "insufficient_permissions"),
        (404, "not_found", "model", "invalid_request_error", "model_not_found"),
        (404, "not_found", "", "invalid_request_error", "not_found"),
        (422, "bad_config", "language", "invalid_request_error", "bad_config"),
        (429, "whatever", "", "requests", "rate_limit_exceeded"),
        (500, "internal", "", "server_error", "internal"),
        (503, "no_worker", "", "server_error", "no_worker"),
    ],
)
def test_errors_have_openais_form(status: int, code: str, param: str, kind: str, expected: str) -> None:
    error = {"message": "m", "type": kind, "param": param or None, "code": expected}
    assert openai_error(status, code, "m", param) == {"error": error}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/audio/transcriptions", True),
        ("/v1/audio/nothing", True),
        ("/v1/models", True),
        ("/stt/v1/models/base", True),
        ("/v1/modelsx", False),
        ("/v1/stt/jobs", False),
        ("/v1/stt/transcripts/audio", False),
        ("/", False),
    ],
)
def test_addresses_of_openais_api(path: str, expected: bool) -> None:
    assert is_openai_path(path) is expected
