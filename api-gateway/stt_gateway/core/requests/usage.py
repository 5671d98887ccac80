"""Usage of a key on one day, and requests for it. Pure."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from stt_gateway.core.requests.parameters import NotAllowed, Parameter, Parameters
from stt_shared.contracts.errors import SttError

COUNTS = ("requests", "streams", "files", "upload_bytes", "audio_ms", "speech_ms")
"""What is counted, by the names of the counters and columns."""
DEFAULT_DAYS = 30
MAX_DAYS = 366


@dataclass(frozen=True)
class Usage:
    """Usage of one key on one day (UTC, ``2026-01-31``). ``speech_ms``: part of ``audio_ms`` that became text."""

    key_id: str
    day: str
    name: str = ""
    requests: int = 0
    streams: int = 0
    files: int = 0
    upload_bytes: int = 0
    audio_ms: int = 0
    speech_ms: int = 0

    @property
    def silence_ms(self) -> int:
        """Audio that was not speech."""
        return max(0, self.audio_ms - self.speech_ms)


def day_of(now_ms: float) -> str:
    """Return the day (UTC) of a time of the wall clock."""
    return datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC).date().isoformat()


def days_before(day: str, count: int) -> str:
    """Return the day that is ``count`` days earlier."""
    return (datetime.date.fromisoformat(day) - datetime.timedelta(count)).isoformat()


def _parse_day(value: str) -> str | None:
    try:
        return datetime.date.fromisoformat(value).isoformat()
    except ValueError:
        raise NotAllowed("a day such as 2026-01-31") from None


_DAY = {"type": "string", "format": "date"}
FROM = Parameter("from", None, _parse_day, _DAY, f"First day (UTC); {DEFAULT_DAYS - 1} days before `to` if omitted.")
TO = Parameter("to", None, _parse_day, _DAY, "Last day; today if omitted.")
USAGE_PARAMETERS = Parameters(FROM, TO)


def usage_request(pairs: Iterable[tuple[str, str]], today: str) -> tuple[str, str]:
    """Parse the query; return the first and the last day. Raises SttError bad_config."""
    given = USAGE_PARAMETERS.parse(pairs)
    last = given[TO] or today
    first = given[FROM] or days_before(last, DEFAULT_DAYS - 1)
    if not days_before(last, MAX_DAYS) < first <= last:
        raise SttError("bad_config", f"from must be a day up to {MAX_DAYS - 1} days before to")
    return first, last
