"""What an edit changes in the row of a transcript. Pure."""

from typing import Any

from sqlalchemy import Row

from stt_gateway.core.speakers.changes import SpeakerChanges, changed
from stt_gateway.store.interface import TranscriptEdit
from stt_gateway.store.rows import decode_edits, decode_segments, speaker_names, stored_edits
from stt_shared.contracts.errors import SttError


def changed_columns(row: Row[Any], edit: TranscriptEdit) -> dict[str, Any]:
    """Return the columns that ``edit`` changes, with the next revision; none if it has been made already.

    ``row``: the columns of a summary, the segments and the earlier edits. Raises SttError conflict or bad_config.
    """
    columns: dict[str, Any] = {}
    if edit.title is not None and edit.title != row.title:
        columns["title"] = edit.title
    if edit.speakers != SpeakerChanges():
        segments, before = decode_segments(row.segments), decode_edits(row.speaker_edits)
        after = changed(segments, before, edit.speakers)
        if after != before:
            columns["speaker_edits"] = stored_edits(after)
            columns["speaker_names"] = speaker_names(segments, after)
    if not columns:
        return {}
    if edit.revision not in (None, row.revision):
        raise SttError(
            "conflict",
            f"the transcript has been changed meanwhile: its revision is {row.revision}, not {edit.revision}; read it"
            " again and repeat the change",
        )
    return {**columns, "revision": row.revision + 1}
