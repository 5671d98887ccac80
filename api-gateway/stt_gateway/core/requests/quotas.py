"""Quotas: how much may be done with one key. Pure."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stt_gateway.core.requests.parameters import NotAllowed, quoted

MAX_QUOTA = 10**12
_SHAPE = "a quota is NAME=NUMBER, such as streams=4"


@dataclass(frozen=True)
class Quotas:
    """Quotas of one key. None: the default of this server; 0: no limit."""

    requests_per_minute: int | None = None
    """HTTP requests and WebSocket handshakes."""
    streams: int | None = None
    """Live sessions, viewers and event streams that are open at a time."""
    audio_seconds_per_day: int | None = None
    """Audio of live sessions and files."""
    upload_bytes_per_day: int | None = None
    """Audio files."""
    stored_transcripts: int | None = None
    """Transcripts of files and live sessions that are kept."""

    def over(self, defaults: "Quotas") -> "Quotas":
        """Return these quotas, with those of ``defaults`` where there are none."""
        return dataclasses.replace(defaults, **self.given)

    @property
    def given(self) -> dict[str, int]:
        """The quotas that are not None, by name."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


NO_QUOTAS = Quotas()
"""None of its own: the server's defaults."""
QUOTA_NAMES = tuple(field.name for field in dataclasses.fields(Quotas))


def known_quotas(stored: Mapping[str, int]) -> Quotas:
    """Return stored quotas, without those of another version that this one does not know."""
    return Quotas(**{name: value for name, value in stored.items() if name in QUOTA_NAMES})


def checked_quotas(given: Mapping[str, int]) -> Quotas:
    """Return quotas that somebody gives. Raises NotAllowed."""
    for name, value in given.items():
        if name not in QUOTA_NAMES:
            raise NotAllowed(f"quota {quoted(name)} is not known; there are {', '.join(QUOTA_NAMES)}")
        if not 0 <= value <= MAX_QUOTA:
            raise NotAllowed(f"the quota {name} must be 0 (no limit) to {MAX_QUOTA}")
    return Quotas(**given)


def quotas_from(texts: Iterable[str]) -> Quotas:
    """Return quotas written as ``streams=4``. Raises NotAllowed."""
    given = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not (number.isascii() and number.isdigit()):
            raise NotAllowed(f"{quoted(text)} is not allowed; {_SHAPE}")
        given[name.strip()] = int(number[:20])
    return checked_quotas(given)
