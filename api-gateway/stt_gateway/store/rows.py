"""Conversion between rows of the transcripts table and the store's types."""

from typing import Any

import msgspec
from sqlalchemy import Row

from stt_gateway.core.speakers.edits import SpeakerEdits, shown_names
from stt_gateway.core.texts.edits import TextEdit
from stt_gateway.store.folding import highlight_name, snippet
from stt_gateway.store.interface import Kind, Search, SearchHit, Snippet, State, Summary, Transcript
from stt_gateway.store.names import kept_name, kept_text
from stt_gateway.store.schema import transcripts
from stt_gateway.store.search_index import folded_names
from stt_shared.contracts.jobs import AudioTrack, JobError, JobSegment, JobWarning, TimeSpan
from stt_shared.contracts.session import Task

_UNLISTED = (
    *("text", "segments", "unrecognized", "track", "warnings", "content_key", "speaker_edits", "text_edits"),
    *("tenant", "key_id"),
)
LISTED = [column for column in transcripts.c if column.name not in _UNLISTED]
"""Columns of a ``Summary``, and what a search shows with it."""

decode_segments = msgspec.json.Decoder(list[JobSegment]).decode
decode_texts = msgspec.json.Decoder(list[TextEdit]).decode
decode_edits = msgspec.json.Decoder(SpeakerEdits).decode
decode_names = msgspec.json.Decoder(list[str]).decode
_decode_spans = msgspec.json.Decoder(list[TimeSpan]).decode
_decode_track = msgspec.json.Decoder(AudioTrack | None).decode
_decode_warnings = msgspec.json.Decoder(list[JobWarning]).decode


def stored(transcript: Transcript) -> dict[str, Any]:
    """Return a transcript's row, without its place."""
    error = transcript.error
    filename = kept_name(transcript.filename)
    return {
        "id": transcript.id,
        "kind": transcript.kind.value,
        "state": transcript.state.value,
        "created_ms": transcript.created_ms,
        "title": kept_name(transcript.title) or filename,
        "filename": filename,
        "duration_s": transcript.duration_s,
        "language": transcript.language,
        "model": transcript.model,
        "task": transcript.task.value,
        "error_code": error.code if error else None,
        "error_message": kept_text(error.message) if error else None,
        "conversation_id": kept_text(transcript.conversation_id),
        "expires_ms": transcript.expires_ms,
        "content_key": transcript.content_key,
        "text": kept_text(transcript.text),
        "segments": _json(transcript.segments),
        "unrecognized": _json(transcript.unrecognized),
        "track": _json(transcript.track),
        "warnings": _json(transcript.warnings),
        "speaker_names": speaker_names(transcript.segments, SpeakerEdits()),
    }


def speaker_names(segments: list[JobSegment], edits: SpeakerEdits) -> str:
    """Return the column with the names by which a transcript's speakers are found."""
    return _json([kept_name(name) for name in shown_names(segments, edits)])


def stored_edits(edits: SpeakerEdits | list[TextEdit]) -> str:
    """Return the column with the changes to a transcript's speakers, or to its texts."""
    return _json(edits)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def listed(row: Row[Any]) -> dict[str, Any]:
    """Return the fields of a ``Summary``."""
    return {
        "id": row.id,
        "kind": Kind(row.kind),
        "state": State(row.state),
        "created_ms": row.created_ms,
        "title": row.title,
        "filename": row.filename,
        "duration_s": float(row.duration_s),
        "language": row.language,
        "model": row.model,
        "task": Task(row.task),
        "error": None if row.error_code is None else JobError(row.error_code, row.error_message or ""),
        "conversation_id": row.conversation_id,
        "expires_ms": row.expires_ms,
        "revision": row.revision,
    }


def names_of(row: Row[Any]) -> str:
    """Return all names of a transcript as they are indexed."""
    return folded_names(row.title, row.filename, decode_names(row.speaker_names))


def whole(row: Row[Any]) -> Transcript:
    """Return the complete transcript of a row."""
    return Transcript(
        **listed(row),
        text=row.text,
        segments=decode_segments(row.segments),
        unrecognized=_decode_spans(row.unrecognized),
        track=_decode_track(row.track),
        warnings=_decode_warnings(row.warnings),
        content_key=row.content_key,
        speaker_edits=decode_edits(row.speaker_edits),
        text_edits=decode_texts(row.text_edits),
    )


def found(row: Row[Any], wanted: Search) -> SearchHit:
    """Return a search result with its matching ranges."""
    return SearchHit(
        Summary(**listed(row)),
        Snippet(*snippet(row.text, wanted.query)) if wanted.query else None,
        highlight_name(row.title, wanted.filename) if wanted.filename else [],
        highlight_name(row.filename, wanted.filename) if wanted.filename else [],
        _speakers(row, wanted.filename) if wanted.filename else [],
    )


def _speakers(row: Row[Any], part: str) -> list[Snippet]:
    matching = [Snippet(name, highlight_name(name, part)) for name in decode_names(row.speaker_names)]
    return [one for one in matching if one.hits]
