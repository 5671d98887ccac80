"""What several speakers say in one conversation, as its viewers and the transcript store receive it."""

import msgspec

MAX_WORDS = 500
"""More than a model says in its longest window; an utterance that has more is passed on without its words."""


class SpokenWord(msgspec.Struct, frozen=True, array_like=True):
    """One word of an utterance: ``["tried", 420, 980, 0.912]``, so that a row of them stays small. ``confidence`` is a
    probability, 0 to 1."""

    word: str
    start_ms: int
    end_ms: int
    confidence: float


class Utterance(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="utterance"):
    """One settled utterance. ``seq``: its place in the conversation, from 1 without holes, as long as ``epoch`` is the
    same. ``instance`` tells two sessions of one id apart; with ``utterance`` it names this for ever. ``spoken_ms``:
    when it began, wall clock in milliseconds since 1970; ``start_ms``, ``end_ms``: positions in the session's audio.
    ``words`` are for the store alone, so only a session that is kept has them."""

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
    words: list[SpokenWord] = []


class LiveUtterance(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="unsettled"):
    """What a speaker is saying, so far: ``text`` = ``stable`` + ``unstable`` with the space between them, if any. The
    next one of the session, or its utterance, replaces it."""

    conversation_id: str
    session_id: str
    utterance: int
    speaker: str | None
    text: str
    stable: str
    unstable: str


_decode_utterance = msgspec.json.Decoder(Utterance).decode


def utterance_from(payload: bytes) -> Utterance:
    """Reads one. Raises msgspec.DecodeError."""
    return _decode_utterance(payload)


def without_place(utterance: Utterance) -> bytes:
    """What viewers read, as JSON without ``seq`` and ``epoch``: say.lua writes these in front."""
    body = msgspec.to_builtins(utterance)
    for name in ("seq", "epoch", "words"):
        body.pop(name, None)
    return msgspec.json.encode(body)
