"""What proxies in front say about a request, if they may be believed. Pure.

Any client can send these headers, so they count only when the connection comes from a proxy that the operator trusts.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stt_gateway.core.requests.addresses import Address, ip_address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ValuesOf = Callable[[str], Sequence[str]]
"""Values of a request's headers by name, in order."""

_FORWARDED_PAIR = re.compile(r'([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^;,\s"]*)')
_HOP = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|([0-9.]+)(?::\d+)?|([0-9A-Fa-f:.]+)")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


@dataclass(frozen=True)
class TrustedProxies:
    """Proxies whose headers are believed."""

    networks: tuple[Network, ...]

    def trusts(self, peer: str) -> bool:
        """Return whether the connection comes from one of them; ``peer``: its address, '' if unknown."""
        address = ip_address(peer)
        return address is not None and any(address in network for network in self.networks)

    def client(self, peer: str, values_of: ValuesOf) -> str:
        """Return the client's address: that of the last hop which is no trusted proxy.

        ``Forwarded`` counts only without ``X-Forwarded-For``: proxies that set the latter pass on a client's own
        ``Forwarded`` unchanged.
        """
        if not self.trusts(peer):
            return peer
        client = peer
        for hop in reversed(_items(values_of("x-forwarded-for")) or list(_forwarded("for", values_of))):
            address = _hop_address(hop)
            if address is None:
                break
            client = str(address)
            if not self.trusts(client):
                break
        return client

    def hosts(self, peer: str, values_of: ValuesOf) -> list[str]:
        """Return the hosts that clients requested of the proxies in front, the first one's first."""
        if not self.trusts(peer):
            return []
        return _items(values_of("x-forwarded-host")) or list(_forwarded("host", values_of))

    def prefix(self, peer: str, values_of: ValuesOf) -> str:
        """Return the path below which the proxies serve the gateway; '' if they do not say."""
        found = values_of("x-forwarded-prefix") if self.trusts(peer) else ()
        prefix = "".join(found[:1]).rstrip("/")
        return prefix if _PREFIX.fullmatch(prefix) else ""


def trusted_proxies(setting: str) -> TrustedProxies:
    """Parse TRUSTED_PROXIES. Raises ValueError."""
    return TrustedProxies(tuple(map(_network, _items([setting]))))


def root_path(setting: str) -> str:
    """Parse ROOT_PATH: '' or a path without a slash at its end. Raises ValueError."""
    path = setting.strip().strip("/")
    if path and not _PREFIX.fullmatch(f"/{path}"):
        raise ValueError(f"{setting!r} is no path; allowed are letters, digits and . _ ~ - between slashes: /stt")
    return f"/{path}" if path else ""


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"{text!r} is no address or network; allowed are such as 127.0.0.1, 10.0.0.0/8 and fd00::/8"
        ) from None


def _items(values: Sequence[str]) -> list[str]:
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def _forwarded(wanted: str, values_of: ValuesOf) -> Iterator[str]:
    for value in values_of("forwarded"):
        for name, found in _FORWARDED_PAIR.findall(value):
            if name.lower() == wanted:
                yield found.strip('"')


def _hop_address(hop: str) -> Address | None:
    found = _HOP.fullmatch(hop)
    return ip_address(next(filter(None, found.groups()))) if found else None
