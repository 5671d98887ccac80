"""A transcript's speakers as people have changed them, without changing what was heard. Pure.

Each voice of a transcript has an id, which never changes: the speaker of its segments as heard (``Speaker 1``), or the
channel (``Channel 0``) of segments without a speaker. Edits are stored next to the segments, so a transcript that is
written again (a live one that grows) keeps them. Passages are given by time, since the division into segments changes
with them.
"""

import bisect
from collections.abc import Iterable, Sequence

import msgspec

from stt_gateway.core.subtitles.plain_text import is_generic, voice_name
from stt_shared.contracts.jobs import JobSegment
from stt_shared.contracts.segments import divided, words_of


class Passage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Words that were given to a speaker: those with their middle from ``start`` to ``end``, in seconds, on ``channel``
    (None if the channels were mixed)."""

    start: float
    end: float
    speaker: str
    channel: int | None = None


class SpeakerEdits(msgspec.Struct, frozen=True, omit_defaults=True):
    """All changes to the speakers of a transcript.

    ``names``: of voices, by their ids. ``merged``: the voice that another one, as heard, belongs to. ``passages``: in
    the order of their starts, without overlap on a channel; they have priority over ``merged``.
    """

    names: dict[str, str] = {}
    merged: dict[str, str] = {}
    passages: list[Passage] = []


class Speaker(msgspec.Struct, frozen=True):
    """A voice of a transcript. ``name``: None if nobody has named it."""

    id: str
    name: str | None


def shown_names(segments: Iterable[JobSegment], edits: SpeakerEdits) -> list[str]:
    """Return the names by which speakers are found: those that were given, or heard as names."""
    heard = dict.fromkeys(edits.merged.get(segment.speaker, segment.speaker) for segment in segments)
    voices = dict.fromkeys([*heard, *(passage.speaker for passage in edits.passages)])
    shown = [edits.names.get(id, id) for id in voices]
    # A channel's name is in none of its segments.
    shown += [name for id, name in edits.names.items() if id not in voices]
    return [name for name in dict.fromkeys(shown) if name and not is_generic(name)]


def edited(segments: Sequence[JobSegment], edits: SpeakerEdits) -> tuple[list[JobSegment], list[Speaker]]:
    """Return the segments with the speakers' names (or ids), divided where the speaker changes, and all speakers in
    the order in which they first speak."""
    if edits == SpeakerEdits():
        heard = dict.fromkeys(voice_name(segment.speaker, segment.channel) for segment in segments)
        return list(segments), [Speaker(id, None) for id in heard if id]
    voices = Voices(segments, edits)
    parts: list[JobSegment] = []
    for segment, ids in zip(segments, voices.of_words, strict=True):
        unnamed = voice_name("", segment.channel)
        shown = [edits.names.get(id, "" if id == unnamed else id) for id in ids]
        parts += [segment] if set(shown) == {segment.speaker} else divided(segment, shown)
    speakers = [Speaker(id, edits.names.get(id)) for id in voices.ids]
    return [msgspec.structs.replace(part, id=at) for at, part in enumerate(parts)], speakers


class Voices:
    """Who says each word. ``of_words``: the ids for each segment's words; ``ids``: all of them as they first speak."""

    def __init__(self, segments: Sequence[JobSegment], edits: SpeakerEdits) -> None:
        passages = _by_channel(edits.passages)
        starts = {channel: [one.start for one in mine] for channel, mine in passages.items()}

        def given(middle: float, channel: int | None) -> str | None:
            at = bisect.bisect_right(starts.get(channel, ()), middle) - 1
            return passages[channel][at].speaker if at >= 0 and middle <= passages[channel][at].end else None

        self.of_words: list[list[str]] = []
        for segment in segments:
            heard = voice_name(segment.speaker, segment.channel)
            heard = edits.merged.get(heard, heard)
            middles = [(word.start + word.end) / 2 for word in words_of(segment)]
            self.of_words.append([given(middle, segment.channel) or heard for middle in middles])
        self.ids = [id for id in dict.fromkeys(id for ids in self.of_words for id in ids) if id]


def _by_channel(passages: Iterable[Passage]) -> dict[int | None, list[Passage]]:
    found: dict[int | None, list[Passage]] = {}
    for passage in passages:
        found.setdefault(passage.channel, []).append(passage)
    return found
