"""A client's changes to the speakers of a transcript, checked against what was heard. Pure."""

import bisect
import math
from collections.abc import Sequence

import msgspec

from stt_gateway.core.speakers.edits import Passage, SpeakerEdits, Voices
from stt_gateway.core.subtitles.plain_text import is_generic
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobSegment
from stt_shared.contracts.segments import words_of

MAX_MERGES = 20
"""Most voices that are merged at once."""
MAX_PASSAGES = 2000
"""Most passages of a transcript that are given to another speaker."""


class GivenPassage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A passage for ``speaker``; None: for the one who was heard. ``channel`` None: on all channels."""

    start: float
    end: float
    speaker: str | None
    channel: int | None = None


class SpeakerChanges(msgspec.Struct, frozen=True):
    """What a client changes, in the order in which it is done. Names are in their stored form.

    ``merge``: voice -> the voice it belongs to; None: to itself, as heard. ``assign``: passages, also to new speakers.
    ``names``: voice -> name; None: no name.
    """

    merge: dict[str, str | None] = {}
    assign: list[GivenPassage] = []
    names: dict[str, str | None] = {}


def changed(segments: Sequence[JobSegment], edits: SpeakerEdits, changes: SpeakerChanges) -> SpeakerEdits:
    """Return the edits with the changes; the same ones if they are there already. Raises SttError bad_config."""
    if changes.merge:
        edits = _merged(edits, changes.merge, Voices(segments, edits).ids, _heard(segments))
    if changes.assign:
        edits = msgspec.structs.replace(edits, passages=_assigned(segments, edits.passages, changes.assign))
    ids = Voices(segments, edits).ids
    names = {id: name for id, name in edits.names.items() if id in ids}
    for id, name in changes.names.items():
        _check_known(id, ids)
        names.pop(id, None)
        if name is not None and name != id:
            names[id] = name
    _check_distinct(ids, names)
    return msgspec.structs.replace(edits, names=names)


def _heard(segments: Sequence[JobSegment]) -> list[str]:
    return Voices(segments, SpeakerEdits()).ids


def _merged(
    edits: SpeakerEdits, merge: dict[str, str | None], present: Sequence[str], heard: Sequence[str]
) -> SpeakerEdits:
    if len(merge) > MAX_MERGES:
        raise SttError("bad_config", f"merge holds {len(merge)} speakers; at most {MAX_MERGES} are allowed at once")
    known = list(dict.fromkeys([*present, *heard, *edits.merged]))
    speaking = set(present)
    merged, passages = dict(edits.merged), edits.passages
    for source, target in merge.items():
        _check_known(source, known)
        if target is None or target == source:
            merged.pop(source, None)
            continue
        _check_known(target, known)
        # All words that the source says now, but not those that it was heard to say and that are another's by now.
        merged.update({id: target for id, into in merged.items() if into == source})
        if source not in merged or source not in speaking:
            merged[source] = target
        passages = [msgspec.structs.replace(one, speaker=target) if one.speaker == source else one for one in passages]
        speaking = (speaking - {source}) | {target}
    merged = {source: target for source, target in merged.items() if source != target}
    return msgspec.structs.replace(edits, merged=merged, passages=passages)


def _assigned(
    segments: Sequence[JobSegment], passages: Sequence[Passage], assign: Sequence[GivenPassage]
) -> list[Passage]:
    middles: dict[int | None, list[float]] = {}
    for segment in segments:
        middles.setdefault(segment.channel, []).extend((word.start + word.end) / 2 for word in words_of(segment))
    for mine in middles.values():
        mine.sort()
    kept = list(passages)
    for given in assign:
        if not (math.isfinite(given.start) and math.isfinite(given.end) and 0 <= given.start <= given.end):
            raise SttError(
                "bad_config",
                f"assign holds start={given.start} and end={given.end}; they must be seconds, and end not before start",
            )
        channels = [channel for channel, mine in middles.items() if _is_covered(mine, given)]
        if given.channel is not None:
            channels = [channel for channel in channels if channel == given.channel]
        if not channels:
            where = "" if given.channel is None else f" on channel {given.channel}"
            raise SttError("bad_config", f"no word is spoken from {given.start} to {given.end} s{where}")
        for channel in channels:
            kept = _without(kept, given, channel)
            if given.speaker is not None:
                kept.append(Passage(given.start, given.end, given.speaker, channel))
    if len(kept) > MAX_PASSAGES:
        raise SttError("bad_config", f"at most {MAX_PASSAGES} passages of a transcript can be given to other speakers")
    return sorted(kept, key=lambda one: (one.start, one.end, -1 if one.channel is None else one.channel))


def _is_covered(middles: Sequence[float], given: GivenPassage) -> bool:
    at = bisect.bisect_left(middles, given.start)
    return at < len(middles) and middles[at] <= given.end


def _without(passages: Sequence[Passage], given: GivenPassage, channel: int | None) -> list[Passage]:
    """Return the passages without what ``given`` covers on the channel."""
    left: list[Passage] = []
    for one in passages:
        if one.channel != channel or one.end <= given.start or one.start >= given.end:
            if one.channel != channel or (one.start, one.end) != (given.start, given.end):
                left.append(one)
            continue
        if one.start < given.start:
            left.append(msgspec.structs.replace(one, end=given.start))
        if one.end > given.end:
            left.append(msgspec.structs.replace(one, start=given.end))
    return left


def _check_known(id: str, known: Sequence[str]) -> None:
    if id not in known:
        raise SttError("bad_config", f"there is no speaker {id!r}; there are {', '.join(known) or 'none'}")


def _check_distinct(ids: Sequence[str], names: dict[str, str]) -> None:
    taken: dict[str, str] = {}
    for id in ids:
        shown = names.get(id, id)
        if shown != id and is_generic(shown):
            raise SttError("bad_config", f"{shown!r} is no name: speakers without a name are called that")
        if shown in taken:
            raise SttError(
                "bad_config",
                f"{taken[shown]!r} and {id!r} would both be called {shown!r}; merge them if they are one person",
            )
        taken[shown] = id
