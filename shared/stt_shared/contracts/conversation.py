"""Utterances of a conversation, as its viewers and the transcript store receive them."""

import msgspec
from msgspec import UNSET, UnsetType

from stt_shared.contracts.events import RevisedUtterance, Word
from stt_shared.contracts.makers import LOCAL_MAKER, Maker

MAX_WORDS = 500
"""Maximum words of an utterance; one with more is passed on without its words. No model returns as many in its longest
window."""


class CompactWord(Word, frozen=True, array_like=True):
    """A ``Word`` that is encoded as ``["tried", 420, 980, 0.912]``, so that a list of words stays small."""

    @classmethod
    def of(cls, word: Word) -> "CompactWord":
        """Return ``word`` in this encoding."""
        return cls(*msgspec.structs.astuple(word))


class Utterance(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="utterance"):
    """One settled utterance.

    ``seq``: its number in the conversation, from 1 without holes within one ``epoch``. ``instance`` distinguishes two
    sessions of one id; together with ``utterance`` it identifies the utterance forever. ``spoken_ms``: its start, wall
    clock in milliseconds since 1970; ``start_ms``, ``end_ms``: positions in the session's audio. ``words`` are for the
    store only, so they are empty unless the session is stored. ``channel``: as in the session's events.
    ``maker``: that of the session. ``is_voice``, for the store only: ``speaker`` was told from the voice, so revisions
    may change it.
    """

    seq: int = 0
    epoch: str = ""
    conversation_id: str | None
    session_id: str
    instance: str
    utterance: int
    speaker: str | None
    text: str
    language: str
    confidence: float
    spoken_ms: int
    start_ms: int
    end_ms: int
    store: bool = False
    words: list[CompactWord] = []
    channel: int | UnsetType = UNSET
    maker: Maker = LOCAL_MAKER
    is_voice: bool = False

    @property
    def ended_ms(self) -> int:
        """End of the utterance, wall clock in milliseconds since 1970."""
        return self.spoken_ms + self.end_ms - self.start_ms


class UnrecognizedSpeech(msgspec.Struct, frozen=True, kw_only=True):
    """Speech of a stored session for which no text was found; fields as in ``Utterance``."""

    conversation_id: str | None
    session_id: str
    instance: str
    spoken_ms: int
    start_ms: int
    end_ms: int
    channel: int | UnsetType = UNSET
    maker: Maker = LOCAL_MAKER


class RevisedSpeakers(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="speakers_revised"):
    """Other speakers of earlier utterances of a session, for viewers; other fields as in ``Utterance``.

    ``as_of``: number of the newest final by then; there is at most one revision after each. ``utterances`` have no
    turns.
    """

    seq: int = 0
    epoch: str = ""
    conversation_id: str
    session_id: str
    instance: str
    as_of: int
    utterances: list[RevisedUtterance]


Said = Utterance | RevisedSpeakers
"""What a conversation's log holds."""


class SpeakersTold(msgspec.Struct, frozen=True, kw_only=True):
    """Speakers of utterances, as a final or a revision told them, for the store; other fields as in ``Utterance``.

    ``as_of``: number of the newest final by then; of two accounts of an utterance, the one as of the later final holds.
    ``told_ms``: wall clock in milliseconds since 1970.
    """

    conversation_id: str | None
    session_id: str
    instance: str
    as_of: int
    told_ms: int
    utterances: list[RevisedUtterance]
    store: bool = True
    maker: Maker = LOCAL_MAKER


class LiveUtterance(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="unsettled"):
    """A speaker's current utterance so far: ``text`` = ``stable`` + ``unstable`` with the space between them, if any.

    The session's next live utterance, or its settled utterance, replaces it (of the same channel, if it has one).
    """

    conversation_id: str
    session_id: str
    utterance: int
    speaker: str | None
    text: str
    stable: str
    unstable: str
    channel: int | UnsetType = UNSET


_decode_utterance = msgspec.json.Decoder(Utterance).decode


def utterance_from(payload: bytes) -> Utterance:
    """Decode an utterance. Raises msgspec.DecodeError."""
    return _decode_utterance(payload)


said_from = msgspec.json.Decoder(Said).decode
"""Decode an entry of a conversation's log. Raises msgspec.DecodeError."""

unrecognized_from = msgspec.json.Decoder(UnrecognizedSpeech).decode
"""Decode an ``UnrecognizedSpeech``. Raises msgspec.DecodeError."""

speakers_told_from = msgspec.json.Decoder(SpeakersTold).decode
"""Decode a ``SpeakersTold``. Raises msgspec.DecodeError."""


def without_place(said: Said) -> bytes:
    """Return an entry for viewers as JSON without ``seq`` and ``epoch``, which say.lua prepends."""
    body = msgspec.to_builtins(said)
    for name in ("seq", "epoch", "words", "maker", "is_voice"):
        body.pop(name, None)
    return msgspec.json.encode(body)
