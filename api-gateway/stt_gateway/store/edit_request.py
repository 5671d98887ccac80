"""Parsing of edits: the title, the texts and the speakers of a transcript."""

from typing import Annotated

import msgspec

from stt_gateway.core.requests.parameters import MAX_LABEL_CHARS
from stt_gateway.core.speakers.changes import MAX_MERGES, GivenPassage, SpeakerChanges
from stt_gateway.core.texts.edits import MAX_TEXT_CHARS, GivenText
from stt_gateway.store.interface import TranscriptEdit
from stt_gateway.store.names import MAX_TITLE_CHARS, checked_name, visible_text
from stt_shared.contracts.errors import SttError

_EXAMPLE = '{"title": "…", "speakers": {"Speaker 1": "Anna"}}'

_MOST_REVISIONS = 2**31 - 1
"""Highest revision that a column can hold."""
_ALLOWED = "title, texts, speakers, merge, assign and restore"


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    title: str | None = None
    speakers: dict[str, str | None] = {}
    merge: dict[str, str | None] = {}
    assign: list[GivenPassage] = []
    texts: list[GivenText] = []
    restore: Annotated[int, msgspec.Meta(ge=0, le=_MOST_REVISIONS)] | None = None
    revision: int | None = None


def edit_request(body: bytes) -> TranscriptEdit:
    """Parse the body of an edit. Raises SttError bad_message or bad_config."""
    try:
        given = _decode(body)
    except msgspec.ValidationError as error:
        raise SttError("bad_config", f"{error}; the body must be an edit such as {_EXAMPLE}") from None
    except msgspec.DecodeError:
        raise SttError("bad_message", f"the body is no JSON; it must be an edit such as {_EXAMPLE}") from None
    speakers = SpeakerChanges(
        merge=given.merge,
        assign=[
            one if one.speaker is None else msgspec.structs.replace(one, speaker=_speaker(one.speaker))
            for one in given.assign
        ],
        names={id: None if name is None else _speaker(name) for id, name in given.speakers.items()},
    )
    changes = given.title is not None or speakers != SpeakerChanges() or bool(given.texts)
    if not changes and given.restore is None:
        raise SttError("bad_config", f"nothing is changed; allowed are {_ALLOWED}")
    if changes and given.restore is not None:
        raise SttError("bad_config", "restore brings back a whole version; nothing else can be changed with it")
    if given.texts and given.revision is None:
        raise SttError("bad_config", "texts need revision, since each revision counts its segments from the start")
    title = None if given.title is None else checked_name(given.title, "title")
    texts = [GivenText(one.segment, visible_text(one.text)) for one in given.texts]
    return TranscriptEdit(title, speakers, given.revision, texts, given.restore)


def _speaker(name: str) -> str:
    return checked_name(name, "the name of a speaker", MAX_LABEL_CHARS)


_decode = msgspec.json.Decoder(_Body).decode

_NAME_OR_NULL = {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_LABEL_CHARS}
_SECONDS = {"type": "number", "minimum": 0}
_PASSAGE = {
    "type": "object",
    "required": ["start", "end", "speaker"],
    "additionalProperties": False,
    "properties": {
        "start": _SECONDS,
        "end": _SECONDS,
        "speaker": {**_NAME_OR_NULL, "description": "Who spoke, also somebody new; null: as heard."},
        "channel": {"type": ["integer", "null"], "minimum": 0},
    },
}
_TEXT = {
    "type": "object",
    "required": ["segment", "text"],
    "additionalProperties": False,
    "properties": {
        "segment": {"type": "integer", "minimum": 0},
        "text": {"type": "string", "maxLength": MAX_TEXT_CHARS},
    },
}
EDIT_OPENAPI = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "title": {"type": "string", "minLength": 1, "maxLength": MAX_TITLE_CHARS},
                        "speakers": {
                            "type": "object",
                            "description": "Names of speakers, by their ids; null: no name.",
                            "additionalProperties": _NAME_OR_NULL,
                        },
                        "merge": {
                            "type": "object",
                            "description": "Speakers that are one person with another; null: as heard.",
                            "maxProperties": MAX_MERGES,
                            "additionalProperties": _NAME_OR_NULL,
                        },
                        "assign": {
                            "type": "array",
                            "description": "Passages that another speaker spoke, in seconds.",
                            "items": _PASSAGE,
                        },
                        "texts": {
                            "type": "array",
                            "description": "New texts of segments, by their `id` in this `revision`; '' removes one.",
                            "items": _TEXT,
                        },
                        "restore": {
                            "type": "integer",
                            "minimum": 0,
                            "description": "The earlier revision whose title, texts and speakers come back.",
                        },
                        "revision": {
                            "type": "integer",
                            "description": "The transcript's `revision` that the change is made for; `conflict` if it"
                            " has another one by now.",
                        },
                    },
                }
            }
        },
    }
}
"""OpenAPI of an edit."""
