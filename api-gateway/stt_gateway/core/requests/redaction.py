"""What a client wants to have redacted, as it may write it in a query or a form."""

import msgspec

from stt_gateway.core.requests.parameters import NotAllowed, Parameter, member_parser, quoted
from stt_shared.contracts.patterns import MAX_STATES, Pattern, PatternError
from stt_shared.contracts.session import Redaction

MAX_PATTERNS = 10
MAX_PATTERN_CHARS = 200
_kind_of = member_parser(Redaction)


def _kinds(value: str) -> tuple[Redaction, ...]:
    try:
        return tuple(dict.fromkeys(_kind_of(name.strip()) for name in value.split(",") if name.strip()))
    except NotAllowed:
        raise NotAllowed(f"some of {', '.join(Redaction)}, separated by commas") from None


def _patterns(value: str) -> tuple[str, ...]:
    try:
        given = tuple(dict.fromkeys(msgspec.json.decode(value, type=list[str])))
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise NotAllowed(r'a JSON array of patterns, such as ["EMP-\\d{6}"]') from None
    if len(given) > MAX_PATTERNS:
        raise NotAllowed(f"at most {MAX_PATTERNS} patterns (there are {len(given)})")
    states = 0
    for source in given:
        if len(source) > MAX_PATTERN_CHARS:
            raise NotAllowed(f"patterns of at most {MAX_PATTERN_CHARS} characters ({quoted(source)} has {len(source)})")
        try:
            states += Pattern(source).size
        except PatternError as error:
            raise NotAllowed(f"patterns that can be used; {quoted(source)} {error}") from None
    if states > MAX_STATES:
        raise NotAllowed("patterns that repeat less, all of them together")
    return given


REDACT = Parameter[tuple[Redaction, ...]](
    "redact",
    (),
    _kinds,
    {"type": "string", "examples": ["card,email"]},
    f"What to replace in every text by its kind, as in [card]: {', '.join(Redaction)}, separated by commas.",
)
REDACT_PATTERNS = Parameter[tuple[str, ...]](
    "redact_patterns",
    (),
    _patterns,
    {"type": "string", "contentMediaType": "application/json"},
    f"Up to {MAX_PATTERNS} patterns of what is replaced by [redacted], as a JSON array.",
)
