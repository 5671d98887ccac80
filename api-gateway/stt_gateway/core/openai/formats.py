"""A transcript as the bodies of OpenAI's API: json and verbose_json, with log probabilities and usage."""

import math
import zlib
from collections.abc import Collection, Sequence
from typing import Any

from stt_gateway.core.openai.request import Granularity
from stt_gateway.core.requests.language_names import LANGUAGES
from stt_gateway.core.subtitles.diarized_json import duration_usage
from stt_shared.contracts.events import Word
from stt_shared.contracts.jobs import JobResult, JobSegment, JobWord
from stt_shared.contracts.session import Task
from stt_shared.contracts.text import needs_space, spaces_before

_LEAST_PROBABILITY = 1e-6
_SEEK_PER_S = 100
"""Whisper counts positions in frames of 10 ms."""


def json_body(result: JobResult, *, with_logprobs: bool = False) -> dict[str, Any]:
    """Return the body of ``response_format=json``."""
    codes = dict.fromkeys(segment.language or result.language for segment in result.segments)
    more = {"logprobs": logprobs(result.text, words_of(result.segments))} if with_logprobs else {}
    return {
        "text": result.text,
        "languages": [{"code": code} for code in codes if code],
        **more,
        "usage": duration_usage(result.duration),
    }


def verbose_body(result: JobResult, task: Task, granularities: Collection[Granularity]) -> dict[str, Any]:
    """Return the body of ``response_format=verbose_json``.

    Of a segment, ``tokens`` is empty, and ``temperature`` and ``no_speech_prob`` are 0: they are not known.
    """
    body: dict[str, Any] = {
        "task": task.value,
        "language": _language_name(result.language, task),
        "duration": result.duration,
        "text": result.text,
    }
    if Granularity.SEGMENT in granularities:
        spaces = spaces_before(result.text, [segment.text for segment in result.segments])
        body["segments"] = [
            _segment(segment, at > 0 and spaces[at] if spaces else at > 0) for at, segment in enumerate(result.segments)
        ]
    if Granularity.WORD in granularities:
        words = words_of(result.segments)
        body["words"] = [{"word": word.word, "start": word.start, "end": word.end} for word in words]
    return {**body, "usage": duration_usage(result.duration)}


def words_of(segments: Sequence[JobSegment]) -> list[JobWord]:
    """Return the words of all segments."""
    return [word for segment in segments for word in segment.words]


def logprobs(text: str, words: Sequence[JobWord | Word]) -> list[dict[str, Any]]:
    """Return the log probability of each of the ``words``; the tokens, one after the other, are their ``text``."""
    spaces = spaces_before(text, [word.word for word in words])
    found = []
    for at, word in enumerate(words):
        spaced = spaces[at] if spaces else at > 0 and needs_space(words[at - 1].word, word.word)
        token = f" {word.word}" if spaced else word.word
        found.append({"token": token, "logprob": _logprob(word.confidence), "bytes": list(token.encode())})
    return found


def _segment(segment: JobSegment, spaced: bool) -> dict[str, Any]:
    confidences = [word.confidence for word in segment.words] or [segment.confidence]
    data = segment.text.encode()
    return {
        "id": segment.id,
        "seek": int(segment.start * _SEEK_PER_S),
        "start": segment.start,
        "end": segment.end,
        "text": f" {segment.text}" if spaced else segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(map(_logprob, confidences)) / len(confidences), 4),
        "compression_ratio": round(len(data) / len(zlib.compress(data)), 4),
        "no_speech_prob": 0.0,
    }


def _logprob(confidence: float) -> float:
    return round(math.log(min(1.0, max(confidence, _LEAST_PROBABILITY))), 4)


def _language_name(code: str, task: Task) -> str:
    """Return the name of a language as OpenAI writes it: English, in lower case."""
    if task is Task.TRANSLATE:
        return "english"
    language = LANGUAGES.get(code)
    return language.names[0].lower() if language else code
