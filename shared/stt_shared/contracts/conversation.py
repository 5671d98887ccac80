"""What several speakers say in one conversation, as its viewers and the transcript store receive it."""

import msgspec


class Utterance(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="utterance"):
    """One settled utterance. ``seq``: its place in the conversation, from 1 without holes. ``instance`` tells two
    sessions of one id apart; with ``utterance`` it names this for ever. ``spoken_ms``: when it began, wall clock in
    milliseconds since 1970; ``start_ms``, ``end_ms``: positions in the session's audio."""

    seq: int = 0
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


class Unsettled(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="unsettled"):
    """What a speaker is saying, so far; the next one of the session, or its utterance, replaces it."""

    conversation_id: str
    session_id: str
    utterance: int
    speaker: str | None
    stable: str
    unstable: str


_decode_utterance = msgspec.json.Decoder(Utterance).decode


def utterance_from(payload: bytes) -> Utterance:
    """Reads one. Raises msgspec.DecodeError."""
    return _decode_utterance(payload)


def without_place(utterance: Utterance) -> bytes:
    """JSON without ``seq``: say.lua writes that in front."""
    body = msgspec.to_builtins(utterance)
    body.pop("seq", None)
    return msgspec.json.encode(body)
