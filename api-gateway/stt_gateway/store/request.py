"""Parsing of store requests. An invalid parameter is refused by name, with the value found and what is allowed."""

import base64
import binascii
import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from stt_gateway.core.requests.languages import language_of
from stt_gateway.core.requests.parameters import (
    NotAllowed,
    Parameter,
    Parameters,
    check_length,
    member_parser,
    member_schema,
    number,
)
from stt_gateway.store.interface import MAX_PAGE, MAX_QUERY_CHARS, Kind, Search
from stt_shared.contracts.errors import SttError

DEFAULT_LIMIT = 20
_MOMENT = "a day (2026-01-31) or a moment (2026-01-31T18:00:00Z), in ISO 8601; without a zone, UTC"
_DAY_MS = 24 * 3600 * 1000
# Years that fit into a place, with room to spare.
_FIRST_YEAR, _LAST_YEAR = 1970, 2200


@dataclass(frozen=True)
class _Moment:
    start_ms: int
    whole_day: bool


def _parse_words(value: str) -> str:
    check_length(value, MAX_QUERY_CHARS)
    # NUL, which no database accepts, becomes the replacement character, as invalid UTF-8 does; it matches nothing.
    return value.strip().replace("\0", "\ufffd")


def _parse_language(value: str) -> str:
    return language_of(value) or ""


def _parse_kind(value: str) -> Kind | None:
    return member_parser(Kind)(value) if value else None


def _parse_moment(value: str) -> _Moment | None:
    if not value:
        return None
    try:
        if not value.isascii() or len(value) > 40:
            raise ValueError
        if len(value) == len("2026-01-31"):
            moment, whole_day = datetime.datetime.combine(datetime.date.fromisoformat(value), datetime.time()), True
        else:
            moment, whole_day = datetime.datetime.fromisoformat(value), False
    except ValueError:
        raise NotAllowed(_MOMENT) from None
    if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
        raise NotAllowed(f"in the years {_FIRST_YEAR} to {_LAST_YEAR - 1}")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return _Moment(max(0, int(aware.timestamp() * 1000)), whole_day)


def _parse_cursor(value: str) -> int | None:
    if not value:
        return None
    try:
        place = base64.b64decode((value + "=").encode("ascii"), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        place = b""
    if len(place) != 8 or place[0] & 0x80:
        raise NotAllowed("the next_cursor of an answer, as it is")
    return int.from_bytes(place, "big")


_WORDS = {"type": "string", "maxLength": MAX_QUERY_CHARS}
_TEXT = {"type": "string"}

QUERY = Parameter("query", "", _parse_words, _WORDS, "A phrase of the text: whole words that follow each other.")
FILENAME = Parameter("filename", "", _parse_words, _WORDS, "Any part of the title or the file name.")
FROM = Parameter("from", None, _parse_moment, _TEXT, "Created at or after this day or time in ISO 8601.")
TO = Parameter("to", None, _parse_moment, _TEXT, "Created before this time, or until the end of this day.")
LANGUAGE = Parameter("language", "", _parse_language, _TEXT, "A code such as en, or a name; its region is ignored.")
KIND = Parameter("kind", None, _parse_kind, member_schema(Kind), "Of a file or of a live session.")
CURSOR = Parameter("cursor", None, _parse_cursor, _TEXT, "`next_cursor` of the previous page.")
LIMIT = number("limit", 1, MAX_PAGE, DEFAULT_LIMIT, "Most transcripts of a page.")
SEARCH_PARAMETERS = Parameters(QUERY, FILENAME, FROM, TO, LANGUAGE, KIND, CURSOR, LIMIT)


def search_request(pairs: Iterable[tuple[str, str]]) -> Search:
    """Parse the query parameters of a search. Raises SttError bad_config."""
    given = SEARCH_PARAMETERS.parse(pairs)
    first, last = given[FROM], given[TO]
    to_ms = None if last is None else last.start_ms + (_DAY_MS if last.whole_day else 0)
    if first is not None and to_ms is not None and first.start_ms >= to_ms:
        raise SttError("bad_config", "from is not before to; nothing can be in between")
    return Search(
        query=given[QUERY],
        filename=given[FILENAME],
        language=given[LANGUAGE],
        kind=given[KIND],
        from_ms=None if first is None else first.start_ms,
        to_ms=to_ms,
        before=given[CURSOR],
        limit=given[LIMIT],
    )


def cursor_of(place: int) -> str:
    """Return the cursor with which a client requests the next page."""
    return base64.urlsafe_b64encode(place.to_bytes(8, "big")).decode().rstrip("=")
