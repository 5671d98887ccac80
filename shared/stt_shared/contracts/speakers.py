"""Speakers that are told apart by their voices: how many a client expects, and what a live session keeps of them."""

import msgspec

MAX_SPEAKERS = 20
"""Most speakers that can be asked for."""

NO_SPEAKERS = "no_speakers"
"""Code of the warning that speakers were asked for and could not be told apart."""


class SpeakerCount(msgspec.Struct, frozen=True):
    """Least and most speakers of a file or session, at least 1; equal: their number is known."""

    least: int = 1
    most: int = MAX_SPEAKERS


def speaker_name(number: int) -> str:
    """Return the name of a speaker, counted from 1."""
    return f"Speaker {number}"


class VoicesHeard(msgspec.Struct, frozen=True, array_like=True):
    """Voices of a live session, for the next owner.

    ``groups``: int8 [n, size], each in proportion to a voice; ``seconds``: speech of each. The newest parts of
    utterances, in order: ``part_groups``, the group of each (NO_GROUP: none); ``part_words``, its words;
    ``part_speakers``, the number of the speaker that the client knows (0: nobody). ``utterance_parts``: parts of each
    utterance, the last of which is number ``newest``. ``group_channels``: the channel of each group, empty if all are
    of channel 0. ``part_names``: the name of each part's speaker that the client knows, an index into ``names``, of
    which the first is '' for none; empty if there is no other. ``known_until``: when the last of the known voices that
    the session began with was enrolled, in milliseconds since 1970; None if none was ever asked for.
    """

    groups: bytes = b""
    seconds: tuple[float, ...] = ()
    part_groups: bytes = b""
    part_words: bytes = b""
    part_speakers: bytes = b""
    utterance_parts: bytes = b""
    newest: int = 0
    group_channels: bytes = b""
    names: tuple[str, ...] = ()
    part_names: tuple[int, ...] = ()
    known_until: int | None = None


NO_GROUP = 255
"""Group of a part that is too short for a voice."""


class KnownVoice(msgspec.Struct, frozen=True):
    """A voice that a name belongs to. ``voice``: int8 [size], in proportion to the mean of its windows.

    ``enrolled_ms``: when, in milliseconds since 1970.
    """

    name: str
    voice: bytes
    enrolled_ms: int = 0
