"""Rules for the Host and Origin headers of requests. Pure.

A browser sends requests to any address on behalf of any page. The Host header reveals a page whose own name resolves to
this machine (DNS rebinding), the Origin header a page of another site.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from stt_gateway.core.requests.addresses import ip_address
from stt_gateway.core.requests.parameters import quoted
from stt_shared.contracts.errors import SttError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing; without CORS headers a browser hides their responses from pages of other origins."""

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_HOST_HEADER = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(:(?P<port>[0-9]{1,5})?)?")


@dataclass(frozen=True)
class AccessRules:
    """Allowed hosts and origins. ``parents``: domains whose subdomains are all allowed, each with a leading dot."""

    hosts: frozenset[str]
    parents: tuple[str, ...]
    any_host: bool
    ip_addresses: bool
    origins: frozenset[str]
    any_origin: bool

    def check(
        self, hosts: Sequence[str], origins: Sequence[str], *, has_effects: bool, forwarded_hosts: Sequence[str] = ()
    ) -> None:
        """Check the values of a request's Host and Origin headers.

        ``has_effects``: the request may change something, so that its origin matters. ``forwarded_hosts``: what trusted
        proxies in front were asked for, the host of the client's own request first. Raises SttError.
        """
        if len(hosts) != 1:
            raise SttError("bad_message", f"a request must have exactly one Host header, not {len(hosts)}")
        # All of them, since a client may have sent a forwarded one.
        for name in (*hosts, *forwarded_hosts):
            host = _host_and_port(name)
            if not self.any_host and (host is None or not self._is_allowed(host[0])):
                raise SttError("forbidden_host", f"host {quoted(name)} is not allowed; allow it with ALLOWED_HOSTS")
        host = _host_and_port((*forwarded_hosts, *hosts)[0])
        if not has_effects or not origins or self.any_origin:
            return
        if len(origins) == 1 and (origins[0].lower() in self.origins or _is_same_origin(origins[0], host)):
            return
        origin = quoted(", ".join(origins))
        raise SttError("forbidden_origin", f"pages of origin {origin} are not allowed; allow it with ALLOWED_ORIGINS")

    def _is_allowed(self, host: str) -> bool:
        if host in self.hosts or host.endswith(self.parents):
            return True
        address = ip_address(host)
        return address is not None and (self.ip_addresses or address.is_loopback)


def access_rules(listen_host: str, own_names: Iterable[str], allowed_hosts: str, allowed_origins: str) -> AccessRules:
    """Build the rules; ``listen_host`` is the setting HOST. Raises ValueError for a bad list.

    A server that listens beyond loopback is reached by its address or its name on the network. Both are allowed, since
    DNS rebinding needs a name that the attacker controls.
    """
    names = host_names(allowed_hosts)
    listening = _without_dot(listen_host.lower())
    address = ip_address(listening)
    beyond_loopback = listening != "localhost" and not (address is not None and address.is_loopback)
    machine = [_without_dot(name.lower()) for name in own_names if name] if beyond_loopback else []
    origins = origin_names(allowed_origins)
    return AccessRules(
        hosts=frozenset(["localhost", listening, *machine, *(name for name in names if "*" not in name)]),
        parents=(".localhost", *(name[1:] for name in names if name.startswith("*."))),
        any_host="*" in names,
        ip_addresses=beyond_loopback,
        origins=frozenset(origins) - {"*"},
        any_origin="*" in origins,
    )


def host_names(allowed_hosts: str) -> list[str]:
    """Parse the names of ALLOWED_HOSTS; return them in lower case. Raises ValueError."""
    names = [_without_dot(name.lower()) for name in _items(allowed_hosts)]
    for name in names:
        if name != "*" and not _NAME.fullmatch(name.removeprefix("*.")) and ip_address(name.strip("[]")) is None:
            raise ValueError(f"{name!r} is no host; allowed are names without port (example.org), *.example.org and *")
    return [name.strip("[]") for name in names]


def origin_names(allowed_origins: str) -> list[str]:
    """Parse the origins of ALLOWED_ORIGINS; return them as browsers write them. Raises ValueError."""
    return [item if item in ("*", "null") else _written_origin(item) for item in _items(allowed_origins)]


def _items(setting: str) -> list[str]:
    return [item.strip() for item in setting.split(",") if item.strip()]


def _written_origin(text: str) -> str:
    wrong = (
        f"{text!r} is no origin; allowed are scheme and host (https://example.org, http://127.0.0.1:3000), null and *"
    )
    parts = urlsplit(text.lower())
    host = _host_and_port(parts.netloc)
    if not parts.scheme or host is None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(wrong)
    name, port = host
    written = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{written}" + ("" if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{port}")


def _is_same_origin(origin: str, host: tuple[str, int | None] | None) -> bool:
    """Compare host and port, but not the scheme: behind a proxy that terminates TLS, this server does not know it."""
    scheme, separator, authority = origin.lower().partition("://")
    theirs = _host_and_port(authority) if separator else None
    if theirs is None or host is None or scheme not in _DEFAULT_PORTS:
        return False
    default_port = _DEFAULT_PORTS[scheme]
    return (theirs[0], theirs[1] or default_port) == (host[0], host[1] or default_port)


def _host_and_port(authority: str) -> tuple[str, int | None] | None:
    found = _HOST_HEADER.fullmatch(authority)
    if found is None:
        return None
    return _without_dot(found["host"].strip("[]").lower()), int(found["port"]) if found["port"] else None


def _without_dot(name: str) -> str:
    return name.removesuffix(".")
