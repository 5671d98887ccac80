"""Parameters of Deepgram's API that live sessions and files have in common, translated to those of this suite."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from stt_gateway.core.requests.parameters import NotAllowed, check_unlike, quoted
from stt_gateway.core.requests.vocabulary import keyterms_of, replacements_of
from stt_shared.contracts.errors import SttError

Pairs = list[tuple[str, str]]

TRUE, FALSE = ("true", "1"), ("false", "0")
_LISTS = ("keyterm", "keywords", "replace", "redact", "language_hint", "detect_language", "search", "tag", "extra")
_WITHOUT_EFFECT = (
    "model", "version", "tier", "tag", "extra", "mip_opt_out", "no_delay", "numerals", "measurements", "dictation",
    "diarize_version", "callback_method", "custom_topic_mode", "custom_intent_mode",
)  # fmt: skip
"""Names that change nothing: whatever the model is called, what runs does the work, and it writes numbers itself."""
_TOGETHER = ("language", "punctuate", "smart_format", "diarize", "diarize_model", "filler_words", "multichannel")
_REFUSED = {
    "callback": "results of a live session are sent on its connection alone",
    "search": "phrases are not searched for",
    "detect_entities": "entities are not recognised",
    "profanity_filter": "nothing but what `redact` names is left out",
    "summarize": "texts are not summarised",
    "topics": "topics are not recognised",
    "custom_topic": "topics are not recognised",
    "intents": "intents are not recognised",
    "custom_intent": "intents are not recognised",
    "sentiment": "sentiments are not recognised",
}
"""Names that ask for what an answer would lack, and why."""
_WEIGHT = re.compile(r":-?\d+(\.\d+)?$")
_REDACTIONS = {
    "pci": ("card", "number"),
    "numbers": ("number",),
    "aggressive_numbers": ("number",),
    "credit_card": ("card",),
    "phone_number": ("phone",),
    "email_address": ("email",),
    "card": ("card",),
    "phone": ("phone",),
    "email": ("email",),
    "iban": ("iban",),
    "number": ("number",),
}


@dataclass(frozen=True)
class TextForm:
    """How words are written.

    ``punctuated``: as the model writes them; otherwise in lower case without punctuation. ``has_languages``: each with
    its language. ``has_speakers``: each with the number of its speaker.
    """

    punctuated: bool = True
    has_languages: bool = False
    has_speakers: bool = False


@dataclass(frozen=True)
class Fields:
    """Parameters of one request. ``own``: the suite's own, as they are."""

    single: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    own: Pairs = field(default_factory=list)

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean. Raises SttError bad_config."""
        value = self.single.get(name, "").lower()
        if value in ("", *TRUE, *FALSE):
            return value in TRUE if value else default
        raise not_allowed(name, value, "true or false")

    def number(self, name: str, least: float, most: float) -> float | None:
        """Return a number, None if it is not given. Raises SttError bad_config."""
        value = self.single.get(name)
        if value is None:
            return None
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII) and least <= float(value) <= most:
            return float(value)
        raise not_allowed(name, value, f"a number from {least:g} to {most:g}")


def read_fields(pairs: Iterable[tuple[str, str]], names: Collection[str], own: Collection[str]) -> Fields:
    """Sort the parameters of a query.

    ``names``: Deepgram's for this endpoint, besides those of all endpoints; ``own``: names of this suite that are
    allowed too. A name that is neither is ignored, unless it is so much like one that it is probably a mistake. Raises
    SttError bad_config for what is given twice, and for what an answer would lack.
    """
    fields = Fields()
    known = {*names, *own, *_LISTS, *_WITHOUT_EFFECT, *_TOGETHER, *_REFUSED}
    for name, value in pairs:
        if name in _REFUSED and name not in names and value.lower() not in FALSE:
            raise SttError("bad_config", f"{name} is not supported: {_REFUSED[name]}", param=name)
        if name in _LISTS:
            fields.lists.setdefault(name, []).append(value)
        elif name in names or name in _TOGETHER:
            if name in fields.single:
                raise SttError("bad_config", f"{name} is given twice; once is allowed", param=name)
            fields.single[name] = value
        elif name in own:
            fields.own.append((name, value))
        elif name not in known:
            check_unlike(name, known)
    return fields


def text_form(fields: Fields, *, has_paragraphs: bool = False) -> TextForm:
    """Return how the words of an answer are written. Raises SttError bad_config."""
    punctuated = fields.flag("punctuate") or fields.flag("smart_format") or has_paragraphs
    return TextForm(punctuated, is_multilingual(fields), tells_speakers_apart(fields))


def is_multilingual(fields: Fields) -> bool:
    """Return whether the client wants to know the language of each word."""
    return fields.single.get("language", "").lower() == "multi"


def tells_speakers_apart(fields: Fields) -> bool:
    """Return whether the client wants the speakers. Raises SttError bad_config."""
    own = any(name == "speakers" for name, _ in fields.own)
    return own or fields.flag("diarize") or fields.single.get("diarize_model", "false").lower() not in FALSE


def own_pairs(fields: Fields) -> Pairs:
    """Return the suite's own parameters for what live sessions and files have in common. Raises SttError bad_config."""
    pairs = list(fields.own)
    named = {name for name, _ in pairs}
    language, hints = fields.single.get("language", ""), fields.lists.get("language_hint", [])
    if is_multilingual(fields) and hints and "languages" not in named:
        pairs.append(("languages", ",".join(hints)))
    elif language and not is_multilingual(fields):
        pairs.append(("language", language))
    if tells_speakers_apart(fields) and "speakers" not in named:
        pairs.append(("speakers", "auto"))
    if "filler_words" in fields.single:
        pairs.append(("fillers", "keep" if fields.flag("filler_words") else "remove"))
    if redactions := _redactions(fields.lists.get("redact", [])):
        pairs.append(("redact", ",".join(redactions)))
    return pairs


def keyterms(fields: Fields) -> tuple[str, ...]:
    """Return the phrases to favour; the weights of ``keywords`` are left out. Raises SttError bad_config."""
    words = [_WEIGHT.sub("", word) for word in fields.lists.get("keywords", [])]
    try:
        return keyterms_of([*fields.lists.get("keyterm", []), *words])
    except NotAllowed as error:
        raise SttError("bad_config", f"keyterm must have {error}", param="keyterm") from None


def replacements(fields: Fields) -> dict[str, str]:
    """Return the phrases to replace, of which each is ``find:replacement``. Raises SttError bad_config."""
    given = [one.partition(":") for one in fields.lists.get("replace", [])]
    try:
        return replacements_of({find: text for find, _, text in given})
    except NotAllowed as error:
        raise SttError("bad_config", f"replace must have {error}", param="replace") from None


def not_allowed(name: str, value: str, allowed: str) -> SttError:
    """Return the error for a value that is not allowed."""
    return SttError("bad_config", f"{name}={quoted(value)} is not allowed; {name} must be {allowed}", param=name)


def _redactions(given: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in (part.strip().lower() for value in given for part in value.split(",")):
        if name in ("", *FALSE):
            continue
        if name not in _REDACTIONS:
            raise not_allowed("redact", name, f"some of {', '.join(_REDACTIONS)}")
        found += _REDACTIONS[name]
    return list(dict.fromkeys(found))
