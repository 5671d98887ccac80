"""A transcript as the answer of Deepgram's API to a file."""

import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stt_gateway.core.deepgram.file_request import AnswerForm
from stt_gateway.core.deepgram.paragraphs import paragraphs_view
from stt_gateway.core.deepgram.words import SpokenWord, alternative, spaces_of, text_of, word_views
from stt_shared.contracts.jobs import JobResult, JobSegment
from stt_shared.contracts.text import join_texts, needs_space


def model_view(name: str) -> tuple[str, dict[str, str]]:
    """Return the id of a model and what Deepgram's metadata tell of it; ``name``: that of what runs, '' if unknown."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name)), {"name": name, "version": "", "arch": "whisper"}


def metadata_view(
    request_id: str, sha256: str, created: str, duration_s: float, channels: int, model: str
) -> dict[str, Any]:
    """Return the metadata of a recording. ``sha256``: hash of its bytes; ``created``: ISO 8601."""
    model_id, info = model_view(model)
    return {
        "transaction_key": "deprecated",
        "request_id": request_id,
        "sha256": sha256,
        "created": created,
        "duration": duration_s,
        "channels": channels,
        "models": [model_id],
        "model_info": {model_id: info},
    }


def file_answer(result: JobResult, asked: AnswerForm, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the answer; its metadata get the number of channels."""
    numbers = {name: at for at, name in enumerate(dict.fromkeys(_speakers(result.segments)))}
    channels = _by_channel(result.segments)
    spoken = [_spoken_words(segments, numbers) for segments in channels]
    results: dict[str, Any] = {
        "channels": [_channel_view(segments, words, asked) for segments, words in zip(channels, spoken, strict=True)]
    }
    if asked.tells_language:
        for view in results["channels"]:
            view["detected_language"] = result.language
    if asked.has_utterances:
        found = [one for at, words in enumerate(spoken) for one in _utterances(words, at, asked)]
        results["utterances"] = sorted(found, key=lambda one: one["start"])
    return {"metadata": {**metadata, "channels": len(channels)}, "results": results}


def _speakers(segments: Sequence[JobSegment]) -> Iterator[str]:
    for segment in segments:
        yield from (name for word in segment.words if (name := word.speaker or segment.speaker))
        if segment.speaker:
            yield segment.speaker


def _by_channel(segments: Sequence[JobSegment]) -> list[list[JobSegment]]:
    """Return the segments of each channel; there is one at least."""
    channels: list[list[JobSegment]] = [[] for _ in range(1 + max((one.channel or 0 for one in segments), default=0))]
    for segment in segments:
        channels[segment.channel or 0].append(segment)
    return channels


def _spoken_words(segments: Sequence[JobSegment], numbers: Mapping[str, int]) -> list[SpokenWord]:
    """Return the words of one channel. A segment without words counts as one."""
    found: list[SpokenWord] = []
    for segment in segments:
        parts = [word.word for word in segment.words]
        spaces = spaces_of(segment.text, parts)
        spaces[:1] = [bool(found) and needs_space(found[-1].text, segment.text)] if parts else []
        found += [
            SpokenWord(
                word.word,
                word.start,
                word.end,
                word.confidence,
                segment.language,
                numbers.get(word.speaker or segment.speaker),
                spaced,
            )
            for word, spaced in zip(segment.words, spaces, strict=True)
        ]
        if not segment.words:
            speaker = numbers.get(segment.speaker)
            spaced = bool(found) and needs_space(found[-1].text, segment.text)
            found.append(
                SpokenWord(
                    segment.text, segment.start, segment.end, segment.confidence, segment.language, speaker, spaced
                )
            )
    return found


def _channel_view(segments: Sequence[JobSegment], words: Sequence[SpokenWord], asked: AnswerForm) -> dict[str, Any]:
    text = join_texts(segment.text for segment in segments)
    view = alternative(text, _mean(words), words, asked.text)
    if asked.has_paragraphs:
        view["paragraphs"] = paragraphs_view(words, asked.text)
    return {"alternatives": [view]}


def _utterances(words: Sequence[SpokenWord], channel: int, asked: AnswerForm) -> Iterator[dict[str, Any]]:
    """Yield what is said without a longer pause by one speaker."""
    begun: list[SpokenWord] = []
    for before, word in itertools.pairwise([None, *words, None]):
        is_end = word is None or (
            before is not None
            and (
                word.start - before.end >= asked.utt_split_s
                or (asked.text.has_speakers and word.speaker != before.speaker)
            )
        )
        if begun and is_end:
            yield _utterance_view(begun, channel, asked)
            begun = []
        if word is not None:
            begun.append(word)


def _utterance_view(words: Sequence[SpokenWord], channel: int, asked: AnswerForm) -> dict[str, Any]:
    first = words[0]
    view: dict[str, Any] = {
        "start": first.start,
        "end": words[-1].end,
        "confidence": _mean(words),
        "channel": channel,
        "transcript": text_of(words, asked.text),
        "words": word_views(words, asked.text),
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{channel} {first.start}")),
    }
    if asked.text.has_speakers and first.speaker is not None:
        view["speaker"] = first.speaker
    return view


def _mean(words: Sequence[SpokenWord]) -> float:
    return round(sum(word.confidence for word in words) / len(words), 6) if words else 0.0
