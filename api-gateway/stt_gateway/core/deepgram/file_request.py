"""Query of a request for a file in Deepgram's API, translated to the options of a job."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field

from stt_gateway.core.deepgram.parameters import (
    FALSE,
    TRUE,
    Fields,
    Pairs,
    TextForm,
    keyterms,
    not_allowed,
    own_pairs,
    read_fields,
    replacements,
    tells_speakers_apart,
    text_form,
)
from stt_gateway.core.deepgram.raw_audio import RawAudio, raw_audio
from stt_gateway.core.requests.job_request import JobRequest, job_request
from stt_gateway.core.requests.remote_file import URL

_NAMES = (
    "paragraphs", "utterances", "utt_split", "alternatives", "encoding", "sample_rate", "channels", "callback",
    "callback_method",
)  # fmt: skip
_OWN = ("task", "prompt", "languages", "track", "speakers", "known_speakers", "redact_patterns")
UTT_SPLIT_S = 0.8

_DESCRIPTIONS = {
    "model": "Any name; what runs does the work.",
    "language": "As for jobs; multi for any, and the language of each word.",
    "detect_language": "true, or languages to choose from.",
    "punctuate": "Punctuation and capitals, which are left out otherwise.",
    "smart_format": "The same, and paragraphs.",
    "paragraphs": "The same.",
    "utterances": "What was said, cut at pauses.",
    "utt_split": "Seconds of such a pause.",
    "diarize": "Tell speakers apart.",
    "multichannel": "A text of its own for each channel.",
    "keyterm": "A phrase to favour; may be repeated.",
    "replace": "find:replacement; may be repeated.",
    "redact": "What is replaced by its kind; may be repeated.",
    "filler_words": "Whether to keep fillers such as uh.",
    "encoding": "Of bare samples; left out for a file of any format.",
    "sample_rate": "Of bare samples, in Hz.",
    "channels": "Of bare samples, interleaved.",
    "callback": "URL to which the answer is sent; the request is answered at once.",
    "callback_method": "post or put.",
}
FILE_OPENAPI = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": description}
        for name, description in _DESCRIPTIONS.items()
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": {"type": "object", "required": ["url"], "properties": {"url": URL.schema}}},
        },
    },
}
"""OpenAPI of the request. Other parameters are ignored."""


@dataclass(frozen=True)
class AnswerForm:
    """How an answer is written.

    ``utt_split_s``: pause that separates two utterances. ``tells_language``: with the one that was detected.
    ``sha256``: hash of the body, hexadecimal, '' if it was not the file.
    """

    text: TextForm = field(default_factory=TextForm)
    has_paragraphs: bool = False
    has_utterances: bool = False
    utt_split_s: float = UTT_SPLIT_S
    tells_language: bool = False
    sha256: str = ""


@dataclass(frozen=True)
class FileRequest:
    """What a client wants of a file. ``raw``: what the body is if it does not say so itself."""

    job: JobRequest
    answer: AnswerForm
    raw: RawAudio | None = None


def file_request(pairs: Iterable[tuple[str, str]], default_languages: tuple[str, ...] = ()) -> FileRequest:
    """Parse the query of a request for a file. Raises SttError bad_config."""
    fields = read_fields(pairs, _NAMES, _OWN)
    fields.number("alternatives", 1, 1)
    own = own_pairs(fields)
    detected = [value for value in fields.lists.get("detect_language", []) if value.lower() not in FALSE]
    if detected:
        # What is detected wins over a language that is named too, as it does there.
        own = [(name, value) for name, value in own if name not in ("language", "languages")]
        among = [value for value in detected if value.lower() not in TRUE]
        own.append(("languages", ",".join(among) or "auto"))
    own += _callback(fields)
    if fields.flag("multichannel"):
        own.append(("channel_mode", "separate"))
    smart = fields.flag("smart_format")
    has_paragraphs = fields.flag("paragraphs") or smart
    split_s = fields.number("utt_split", 0.01, 60)
    job = dataclasses.replace(
        job_request(own, default_languages),
        keyterms=keyterms(fields),
        replacements=replacements(fields),
        callback_method=_callback_method(fields),
    )
    text = text_form(fields, has_paragraphs=has_paragraphs)
    answer = AnswerForm(
        dataclasses.replace(text, has_speakers=tells_speakers_apart(fields) or job.known_speakers),
        has_paragraphs,
        fields.flag("utterances"),
        UTT_SPLIT_S if split_s is None else split_s,
        bool(detected),
    )
    return FileRequest(job, answer, raw_audio(fields))


def _callback(fields: Fields) -> Pairs:
    url = fields.single.get("callback", "")
    return [] if url.lower() in ("", *FALSE) else [("callback_url", url)]


def _callback_method(fields: Fields) -> str:
    given = fields.single.get("callback_method", "post")
    if given.lower() not in ("post", "put"):
        raise not_allowed("callback_method", given, "post or put")
    return given.upper()
