"""What a client may ask of the store; a wrong wish is refused by name, with what was found and what is allowed."""

import base64
import binascii
import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from stt_gateway.core.config import shown
from stt_gateway.core.languages import LANGUAGES
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
    """Reads the query of a search. Raises SttError bad_config."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in SEARCH_PARAMETERS:
            raise SttError("bad_config", f"unknown parameter {shown(name)}; allowed are {', '.join(SEARCH_PARAMETERS)}")
        if name in given:
            raise SttError("bad_config", f"{name} is given twice; once is allowed")
        given[name] = value
    first, last = _moment(given, "from"), _moment(given, "to")
    to_ms = None if last is None else last.start_ms + (_DAY_MS if last.whole_day else 0)
    if first is not None and to_ms is not None and first.start_ms >= to_ms:
        raise SttError("bad_config", "from is not before to; nothing can be in between")
    return Search(
        query=_words(given, "query"),
        filename=_words(given, "filename"),
        language=_language(given),
        kind=_kind(given),
        from_ms=None if first is None else first.start_ms,
        to_ms=to_ms,
        before=_cursor(given),
        limit=_limit(given),
    )


def rename_request(body: bytes) -> str:
    """Reads the body of a renaming, ``{"title": "…"}``. Raises SttError bad_message or bad_config."""
    try:
        return checked_title(_decode_rename(body).title)
    except msgspec.ValidationError as error:
        raise SttError("bad_config", f'{error}; the body must be {{"title": "…"}} and nothing else') from None
    except msgspec.DecodeError:
        raise SttError("bad_message", 'the body is no JSON; it must be {"title": "…"}') from None


def cursor_of(place: int) -> str:
    """What a client gives back for the next page."""
    return base64.urlsafe_b64encode(place.to_bytes(8, "big")).decode().rstrip("=")


class _Rename(msgspec.Struct, forbid_unknown_fields=True):
    title: str


_decode_rename = msgspec.json.Decoder(_Rename).decode
_DAY_MS = 24 * 3600 * 1000
# Years that fit into a place, with room.
_FIRST_YEAR, _LAST_YEAR = 1970, 2200


def _refuse(name: str, value: str, allowed: str) -> SttError:
    return SttError("bad_config", f"{name}={shown(value)} is not allowed; {name} must be {allowed}")


def _words(given: Mapping[str, str], name: str) -> str:
    value = given.get(name, "")
    if len(value) > MAX_QUERY_CHARS:
        raise _refuse(name, value, f"at most {MAX_QUERY_CHARS} characters long (it has {len(value)})")
    # What decoding made of bytes that are no UTF-8 matches nothing, and no database takes it.
    return value.strip().replace("\0", "\ufffd")


def _language(given: Mapping[str, str]) -> str:
    value = given.get("language", "")
    code = value.lower().replace("_", "-").partition("-")[0]
    if code and code not in LANGUAGES:
        raise _refuse("language", value, "a language code that Whisper knows, such as en, de or zh")
    return code


def _kind(given: Mapping[str, str]) -> Kind | None:
    value = given.get("kind")
    if not value:
        return None
    try:
        return Kind(value)
    except ValueError:
        raise _refuse("kind", value, "one of " + ", ".join(Kind)) from None


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
        raise _refuse(name, value, _MOMENT) from None
    if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
        raise _refuse(name, value, f"in the years {_FIRST_YEAR} to {_LAST_YEAR - 1}")
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
        raise _refuse("cursor", value, "the next_cursor of an answer, as it is")
    return int.from_bytes(place, "big")


def _limit(given: Mapping[str, str]) -> int:
    value = given.get("limit")
    if value is None:
        return DEFAULT_LIMIT
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and 1 <= int(value) <= MAX_PAGE):
        raise _refuse("limit", value, f"a whole number from 1 to {MAX_PAGE}")
    return int(value)
