"""Query of a live session in Deepgram's API, translated to the request of a session."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from stt_gateway.core.deepgram.parameters import (
    TRUE,
    Fields,
    Pairs,
    TextForm,
    keyterms,
    not_allowed,
    own_pairs,
    read_fields,
    replacements,
    text_form,
)
from stt_gateway.core.requests.session_request import Defaults, SessionRequest, session_request

_NAMES = (
    "encoding", "sample_rate", "channels", "interim_results", "endpointing", "utterance_end_ms", "vad_events",
    "alternatives",
)  # fmt: skip
_OWN = (
    "task",
    "prompt",
    "languages",
    "redact_patterns",
    "conversation_id",
    "speaker",
    "speakers",
    "store",
    "session_id",
)
_ENCODINGS = {
    "linear16": "pcm_s16le",
    "linear32": "pcm_f32le",
    "mulaw": "mulaw",
    "alaw": "alaw",
    "flac": "flac",
    "opus": "auto",
    "ogg-opus": "ogg",
    "speex": "auto",
    "amr-nb": "auto",
    "amr-wb": "auto",
}
_TELEPHONE_HZ = {"mulaw": "8000", "alaw": "8000"}
_LEAST_ENDPOINTING_MS, _MOST_ENDPOINTING_MS = 100, 5000
_CONTAINER_CHANNELS = "2"
"""Channels to keep apart of a container whose client does not say how many it has."""


@dataclass(frozen=True)
class LiveRequest:
    """What a client wants of a live session.

    ``utterance_end_ms``: silence after the last word of which it wants to learn, None for none. ``has_endpoints``:
    whether it is told when a pause ends the speech.
    """

    session: SessionRequest
    form: TextForm
    vad_events: bool
    utterance_end_ms: int | None
    has_endpoints: bool


def live_request(pairs: Iterable[tuple[str, str]], defaults: Defaults, session_id: str) -> LiveRequest:
    """Parse the query of a live session, whose name is ``session_id`` unless the query has one.

    Raises SttError bad_config.
    """
    fields = read_fields(pairs, _NAMES, _OWN)
    fields.number("alternatives", 1, 1)
    rule = _endpointing(fields)
    own = [*own_pairs(fields), *_audio(fields), *rule.pairs]
    own.append(("interim_results", "true" if fields.flag("interim_results") else "false"))
    if all(name != "session_id" for name, _ in own):
        own.append(("session_id", session_id))
    request = session_request(own, defaults)
    config = msgspec.structs.replace(request.config, keyterms=keyterms(fields), replacements=replacements(fields))
    pause_ms = fields.number("utterance_end_ms", 1, 60_000)
    return LiveRequest(
        SessionRequest(config, request.framing, request.session_id),
        text_form(fields),
        fields.flag("vad_events"),
        None if pause_ms is None else round(pause_ms),
        rule.has_endpoints,
    )


@dataclass(frozen=True)
class _Rule:
    pairs: Pairs
    has_endpoints: bool = True


def _endpointing(fields: Fields) -> _Rule:
    """Translate the silence that ends an utterance.

    Shorter ones than the suite can have, such as Deepgram's own default of 10 ms, mean as soon as possible: the suite's
    own rule then, since a cut in each small pause would cost words. Without endpoints, texts become final all the same.
    """
    value = fields.single.get("endpointing", "true").lower()
    if value in ("false", "0"):
        return _Rule([], has_endpoints=False)
    if value in TRUE:
        return _Rule([])
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise not_allowed("endpointing", value, "a whole number of milliseconds, true or false")
    if int(value) < _LEAST_ENDPOINTING_MS:
        return _Rule([])
    return _Rule([("endpointing", "fixed"), ("endpointing_ms", str(min(int(value), _MOST_ENDPOINTING_MS)))])


def _audio(fields: Fields) -> Pairs:
    given = fields.single
    encoding = given.get("encoding", "").lower()
    if encoding and encoding not in _ENCODINGS:
        raise not_allowed("encoding", encoding, f"one of {', '.join(_ENCODINGS)}, or left out for a container")
    pairs = [("encoding", _ENCODINGS.get(encoding, "auto"))]
    if rate := given.get("sample_rate", _TELEPHONE_HZ.get(encoding, "")):
        pairs.append(("sample_rate", rate))
    channels = given.get("channels", "")
    if fields.flag("multichannel"):
        is_container = pairs[0][1] not in ("pcm_s16le", "pcm_f32le", "mulaw", "alaw")
        channels = channels or (_CONTAINER_CHANNELS if is_container else "1")
        pairs.append(("channel_mode", "separate"))
    return [*pairs, ("channels", channels)] if channels else [*pairs, ("channels", "1")]
