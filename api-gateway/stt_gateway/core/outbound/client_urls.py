"""Addresses (URLs) that clients name for the gateway to connect to. Pure."""

import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field

from stt_gateway.core.outbound.public_addresses import ReachableAddresses, literal_address

MAX_URL_CHARS = 2048


class UrlRefused(Exception):
    """Refusal of a URL; the message says what it must be, and never repeats it: it may hold a credential."""


@dataclass(frozen=True)
class OutboundRules:
    """What a URL may name. ``http``: also without TLS."""

    reachable: ReachableAddresses = field(default_factory=ReachableAddresses)
    http: bool = False

    def check(self, url: str) -> None:
        """Check what a URL itself tells. Raises UrlRefused. What its host resolves to is checked at each connection."""
        parts = checked_url(url)
        self.check_scheme(parts.scheme)
        address = literal_address(parts.hostname or "")
        if address is not None and not self.reachable.allows(address):
            raise UrlRefused("an address of the public internet, or one that OUTBOUND_NETWORKS allows")

    def check_scheme(self, scheme: str) -> None:
        """Raise UrlRefused for a scheme that is not allowed."""
        if scheme == "http" and not self.http:
            raise UrlRefused("an https:// URL; OUTBOUND_HTTP allows http:// too")
        if scheme not in ("http", "https"):
            raise UrlRefused("an https:// URL")


def checked_url(url: str) -> urllib.parse.SplitResult:
    """Return the parts of a URL with a host. Raises UrlRefused."""
    if len(url) > MAX_URL_CHARS:
        raise UrlRefused(f"at most {MAX_URL_CHARS} characters long")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise UrlRefused("a URL in visible ASCII characters")
    try:
        parts = urllib.parse.urlsplit(url)
        is_complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that cannot be parsed
        is_complete = False
    if not is_complete:
        raise UrlRefused("a URL such as https://example.org/path")
    return parts


def url_parser(refuse: type[Exception]) -> Callable[[str], str]:
    """Return a parser of URLs that raises ``refuse``, with what one must be."""

    def parse(value: str) -> str:
        try:
            checked_url(value)
        except UrlRefused as error:
            raise refuse(str(error)) from None
        return value

    return parse
