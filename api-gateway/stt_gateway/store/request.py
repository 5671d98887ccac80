"""Parsing of store requests. An invalid parameter is refused by name, with the value found and what is allowed."""

import base64
import binascii
import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from stt_gateway.core.requests.languages import LANGUAGES, code_of
from stt_gateway.core.requests.parameters import choice, number, once, refuse
from stt_gateway.store.interface import MAX_PAGE, MAX_QUERY_CHARS, Kind, Search
from stt_gateway.store.names import checked_title
from stt_shared.contracts.errors import SttError

SEARCH_PARAMETERS = ("query", "filename", "from", "to", "language", "kind", "cursor", "limit")
DEFAULT_LIMIT = 20
_MOMENT = "a day (2026-01-31) or a moment (2026-01-31T18:00:00Z), in ISO 8601; without a zone, UTC"


@dataclass(frozen=True)
class _Moment:
    start_ms: int
    whole_day: bool


def search_request(pairs: Iterable[tuple[str, str]]) -> Search:
    """Parse the query parameters of a search. Raises SttError bad_config."""
    given = once(pairs, SEARCH_PARAMETERS)
    first, last = _moment(given, "from"), _moment(given, "to")
    to_ms = None if last is None else last.start_ms + (_DAY_MS if last.whole_day else 0)
    if first is not None and to_ms is not None and first.start_ms >= to_ms:
        raise SttError("bad_config", "from is not before to; nothing can be in between")
    return Search(
        query=_words(given, "query"),
        filename=_words(given, "filename"),
        language=_language(given),
        kind=choice(given, "kind", Kind, Kind.JOB) if given.get("kind") else None,
        from_ms=None if first is None else first.start_ms,
        to_ms=to_ms,
        before=_cursor(given),
        limit=number(given, "limit", 1, MAX_PAGE, DEFAULT_LIMIT),
    )


def rename_request(body: bytes) -> str:
    """Parse the body of a rename request, ``{"title": "…"}``. Raises SttError bad_message or bad_config."""
    try:
        return checked_title(_decode_rename(body).title)
    except msgspec.ValidationError as error:
        raise SttError("bad_config", f'{error}; the body must be {{"title": "…"}} and nothing else') from None
    except msgspec.DecodeError:
        raise SttError("bad_message", 'the body is no JSON; it must be {"title": "…"}') from None


def cursor_of(place: int) -> str:
    """Return the cursor with which a client requests the next page."""
    return base64.urlsafe_b64encode(place.to_bytes(8, "big")).decode().rstrip("=")


class _Rename(msgspec.Struct, forbid_unknown_fields=True):
    title: str


_decode_rename = msgspec.json.Decoder(_Rename).decode
_DAY_MS = 24 * 3600 * 1000
# Years that fit into a place, with room to spare.
_FIRST_YEAR, _LAST_YEAR = 1970, 2200


def _words(given: Mapping[str, str], name: str) -> str:
    value = given.get(name, "")
    if len(value) > MAX_QUERY_CHARS:
        raise refuse(name, value, f"at most {MAX_QUERY_CHARS} characters long (it has {len(value)})")
    # NUL, which no database accepts, becomes the replacement character, as invalid UTF-8 does; it matches nothing.
    return value.strip().replace("\0", "\ufffd")


def _language(given: Mapping[str, str]) -> str:
    value = given.get("language", "")
    code = code_of(value)
    if code and code not in LANGUAGES:
        raise refuse("language", value, "a language code that Whisper knows, such as en, de or zh")
    return code


def _moment(given: Mapping[str, str], name: str) -> _Moment | None:
    value = given.get(name)
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
        raise refuse(name, value, _MOMENT) from None
    if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
        raise refuse(name, value, f"in the years {_FIRST_YEAR} to {_LAST_YEAR - 1}")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return _Moment(max(0, int(aware.timestamp() * 1000)), whole_day)


def _cursor(given: Mapping[str, str]) -> int | None:
    value = given.get("cursor")
    if not value:
        return None
    try:
        place = base64.b64decode((value + "=").encode("ascii"), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        place = b""
    if len(place) != 8 or place[0] & 0x80:
        raise refuse("cursor", value, "the next_cursor of an answer, as it is")
    return int.from_bytes(place, "big")
