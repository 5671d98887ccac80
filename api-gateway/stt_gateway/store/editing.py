"""What people have made of a transcript, and what an edit changes in its row. Pure."""

from typing import Any, NamedTuple

from sqlalchemy import Row

from stt_gateway.core.speakers.changes import SpeakerChanges, changed
from stt_gateway.core.speakers.edits import SpeakerEdits
from stt_gateway.core.texts.edits import TextEdit, changed_texts, corrected, edited_text
from stt_gateway.store.interface import TranscriptEdit
from stt_gateway.store.names import kept_text
from stt_gateway.store.rows import decode_edits, decode_segments, decode_texts, speaker_names, stored_edits
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobSegment


class _Content(NamedTuple):
    title: str
    speakers: SpeakerEdits
    texts: list[TextEdit]


def changed_columns(row: Row[Any], edit: TranscriptEdit, version: Row[Any] | None = None) -> dict[str, Any]:
    """Return the columns that ``edit`` changes, with the next revision; none if it has been made already.

    ``row``: the columns of a summary, the segments and the earlier edits. ``version``: the one to restore. Raises
    SttError conflict or bad_config.
    """
    is_stale = edit.revision not in (None, row.revision)
    if is_stale and edit.texts:
        # Each revision counts its segments from the start.
        raise _conflict(row, edit)
    before, segments = _content(row), decode_segments(row.segments)
    after = _content(version) if version is not None else _edited(before, segments, edit)
    if after == before:
        return {}
    if is_stale:
        raise _conflict(row, edit)
    columns: dict[str, Any] = {"title": after.title, "speaker_edits": stored_edits(after.speakers)}
    columns["speaker_names"] = speaker_names(segments, after.speakers)
    if after.texts != before.texts:
        columns |= {"text_edits": stored_edits(after.texts), "text": kept_text(edited_text(segments, after.texts))}
    return {**columns, "revision": row.revision + 1}


def kept_columns(row: Row[Any], segments: list[JobSegment]) -> dict[str, Any]:
    """Return the columns in which earlier edits show, of a transcript that was written again; none without edits."""
    columns: dict[str, Any] = {}
    if (speakers := decode_edits(row.speaker_edits)) != SpeakerEdits():
        columns["speaker_names"] = speaker_names(segments, speakers)
    if texts := decode_texts(row.text_edits):
        columns["text"] = kept_text(edited_text(segments, texts))
    return columns


def _content(row: Row[Any]) -> _Content:
    return _Content(row.title, decode_edits(row.speaker_edits), decode_texts(row.text_edits))


def _edited(before: _Content, segments: list[JobSegment], edit: TranscriptEdit) -> _Content:
    title, speakers, texts = before
    if edit.texts:
        texts = changed_texts(segments, texts, speakers, edit.texts)
    if edit.speakers != SpeakerChanges():
        speakers = changed(corrected(segments, texts), speakers, edit.speakers)
    return _Content(title if edit.title is None else edit.title, speakers, texts)


def _conflict(row: Row[Any], edit: TranscriptEdit) -> SttError:
    return SttError(
        "conflict",
        f"the transcript has been changed meanwhile: its revision is {row.revision}, not {edit.revision}; read it"
        " again and repeat the change",
    )
