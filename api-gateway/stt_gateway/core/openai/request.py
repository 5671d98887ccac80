"""Fields of a request to OpenAI's API for audio, translated to the options of a job."""

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from stt_gateway.core.openai.models import tells_speakers_apart
from stt_gateway.core.requests.job_request import JOB_PARAMETERS, JobRequest, job_request
from stt_gateway.core.requests.model_options import MAX_PROMPT_CHARS
from stt_gateway.core.requests.parameters import (
    Given,
    Member,
    NotAllowed,
    Parameter,
    Parameters,
    check_unlike,
    choice,
    flag,
    member_parser,
    member_schema,
    quoted,
    upload_form,
)
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Task


class ResponseFormat(enum.StrEnum):
    """Format of the answer."""

    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"
    VERBOSE_JSON = "verbose_json"
    DIARIZED_JSON = "diarized_json"


class Granularity(enum.StrEnum):
    """What ``verbose_json`` has times of."""

    WORD = "word"
    SEGMENT = "segment"


class Include(enum.StrEnum):
    """What the answer holds besides the text."""

    LOGPROBS = "logprobs"


STREAMED = (ResponseFormat.JSON, ResponseFormat.TEXT, ResponseFormat.DIARIZED_JSON)
"""Formats of which a client may have events."""


def _temperature_of(value: str) -> float:
    try:
        temperature = float(value)
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= 1:
        raise NotAllowed("a number from 0 to 1")
    return temperature


def _chunking_of(value: str) -> None:
    try:
        given = value if value in ("", "auto") else msgspec.json.decode(value, type=dict[str, object])["type"]
    except (msgspec.DecodeError, UnicodeEncodeError, KeyError):
        given = None
    if given not in ("", "auto", "server_vad"):
        raise NotAllowed("auto, or an object with the type server_vad")


MODEL = Parameter[str]("model", "", str, {"type": "string"}, "Name of a model: see /v1/models. Left out: what runs.")
RESPONSE_FORMAT = choice("response_format", ResponseFormat, ResponseFormat.JSON, "Format of the answer.")
STREAM = flag("stream", False, "Send the text as server-sent events, part by part.")
TEMPERATURE = Parameter[float](
    "temperature", 0.0, _temperature_of, {"type": "number", "minimum": 0, "maximum": 1}, "Accepted without effect."
)
CHUNKING_STRATEGY = Parameter[None](
    "chunking_strategy", None, _chunking_of, {"type": "string"}, "Accepted without effect: files are cut at pauses."
)
_SINGLE = Parameters(MODEL, RESPONSE_FORMAT, STREAM, TEMPERATURE, CHUNKING_STRATEGY)
_LISTS = ("timestamp_granularities", "include", "keywords", "languages")
_REFUSED = ("known_speaker_names", "known_speaker_references")
_NATIVE = tuple(name for name in JOB_PARAMETERS.names if name not in ("task", "languages", "url"))
_KNOWN = frozenset({*_SINGLE.names, *_LISTS, *_REFUSED, *_NATIVE, "file"})
_INDEX = re.compile(r"\[\d*\]$")
_MAX_NAMED = 16


@dataclass(frozen=True)
class AudioRequest:
    """What a client of OpenAI's API wants of a file.

    ``model``: '' for what runs. ``job``: the options of the job. ``ignored``: names of fields that have no effect.
    """

    model: str
    job: JobRequest
    response_format: ResponseFormat = ResponseFormat.JSON
    is_streamed: bool = False
    granularities: frozenset[Granularity] = frozenset({Granularity.SEGMENT})
    has_logprobs: bool = False
    ignored: tuple[str, ...] = ()


def audio_request(
    pairs: Iterable[tuple[str, str]], task: Task, default_languages: tuple[str, ...] = ()
) -> AudioRequest:
    """Translate the fields of a form and a query. Raises SttError bad_config.

    The fields of a job are allowed too. A name that is neither of OpenAI's nor of a job is ignored, unless it is so
    much like one that it is probably a mistake.
    """
    single: list[tuple[str, str]] = []
    native: list[tuple[str, str]] = []
    lists: dict[str, list[str]] = {name: [] for name in (*_LISTS, *_REFUSED)}
    ignored: list[str] = []
    for written, value in pairs:
        name = _INDEX.sub("", written)
        if name in lists:
            lists[name].append(value)
        elif name.startswith("chunking_strategy["):
            _check_chunking_part(name, value)
        elif name in _SINGLE.names:
            single.append((name, value))
        elif name in _NATIVE:
            native.append((name, value))
        else:
            check_unlike(name, _KNOWN)
            ignored.append(name)
    _refuse_known_speakers(lists)
    given = _SINGLE.parse(single)
    given[TEMPERATURE], given[CHUNKING_STRATEGY]  # checked, without effect
    response_format, is_streamed = given[RESPONSE_FORMAT], given[STREAM]
    if is_streamed and response_format not in STREAMED:
        formats = ", ".join(STREAMED)
        message = f"stream=true is not allowed with response_format={response_format.value}; it is with {formats}"
        raise SttError("bad_config", message, param="stream")
    granularities = _members("timestamp_granularities", Granularity, lists) or {Granularity.SEGMENT}
    return AudioRequest(
        given[MODEL],
        job_request(_job_pairs(native, lists, given, task), default_languages),
        response_format,
        is_streamed,
        frozenset(granularities),
        Include.LOGPROBS in _members("include", Include, lists),
        tuple(dict.fromkeys(name for name in ignored if re.fullmatch(r"[\w.-]{1,64}", name, re.ASCII)))[:_MAX_NAMED],
    )


def _job_pairs(
    native: list[tuple[str, str]], lists: dict[str, list[str]], given: Given, task: Task
) -> list[tuple[str, str]]:
    named = {name for name, _ in native}
    # OpenAI considers the end of a long prompt only.
    pairs = [(name, value[-MAX_PROMPT_CHARS:] if name == "prompt" else value) for name, value in native]
    pairs.append(("task", task.value))
    if lists["languages"]:
        pairs.append(("languages", ",".join(lists["languages"])))
    if lists["keywords"]:
        pairs.append(("keyterms", ",".join(lists["keywords"])))
    wants_speakers = given[RESPONSE_FORMAT] is ResponseFormat.DIARIZED_JSON or tells_speakers_apart(given[MODEL])
    if wants_speakers and "speakers" not in named:
        pairs.append(("speakers", "auto"))
    return pairs


def _check_chunking_part(name: str, value: str) -> None:
    if name == "chunking_strategy[type]" and value not in ("auto", "server_vad"):
        message = f"{name}={quoted(value)} is not allowed; it must be auto or server_vad"
        raise SttError("bad_config", message, param="chunking_strategy")


def _refuse_known_speakers(lists: dict[str, list[str]]) -> None:
    for name in _REFUSED:
        if lists[name]:
            message = f"{name} is not supported: speakers are told apart, but not recognised by a sample of their voice"
            raise SttError("bad_config", message, param=name)


def _members(name: str, kind: type[Member], lists: dict[str, list[str]]) -> set[Member]:
    parse = member_parser(kind)
    found = set()
    for value in lists[name]:
        try:
            found.add(parse(value))
        except NotAllowed as error:
            message = f"{name}={quoted(value)} is not allowed; {name} must be {error}"
            raise SttError("bad_config", message, param=name) from None
    return found


def _array(kind: type[enum.StrEnum], description: str) -> dict[str, object]:
    return {"type": "array", "items": member_schema(kind), "description": description}


AUDIO_OPENAPI = upload_form(
    {
        "file": {"type": "string", "format": "binary"},
        **_SINGLE.openapi_properties(),
        "timestamp_granularities[]": _array(Granularity, "What verbose_json has times of."),
        "include[]": _array(Include, "More to tell: logprobs are those of words."),
        "keywords[]": {"type": "array", "items": {"type": "string"}, "description": "As keyterms."},
        **{name: schema for name, schema in JOB_PARAMETERS.openapi_properties().items() if name in _NATIVE},
    }
)
"""OpenAPI of the request. Other fields are ignored."""
