"""Redis behind Sentinel: clients of whichever server is the master.

``redis+sentinel://USER:PASSWORD@HOST:26379,HOST:26379/NAME/0`` (``rediss+sentinel://`` with TLS) names some of the
sentinels, the master by the name that they know it by, and a database. Each new connection asks a sentinel where the
master is; a connection to one that has become a replica is closed (READONLY).
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel
from redis.connection import parse_url
from redis.sentinel import Sentinel as BlockingSentinel

_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
_DEFAULT_PORT = 26379
_OF_SENTINELS = {"sentinel_username": "username", "sentinel_password": "password"}
"""Options of the URL for the sentinels themselves, which have users of their own."""
_SOCKET = ("socket_timeout", "socket_connect_timeout")


@dataclass(frozen=True)
class SentinelAddress:
    """Parts of a sentinel URL. ``name``: '' if there is none. ``server_url``: the plain URL of a server, of which only
    the user, the database and the options count."""

    sentinels: tuple[tuple[str, int], ...]
    name: str
    server_url: str
    of_sentinels: dict[str, Any]


def is_sentinel_url(url: str) -> bool:
    """Return whether the URL names sentinels."""
    return urlsplit(url).scheme in _SCHEMES


def sentinel_address(url: str) -> SentinelAddress:
    """Parse a sentinel URL. Raises ValueError."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    name, _, database = parts.path.strip("/").partition("/")
    query = parse_qsl(parts.query)
    of_sentinels: dict[str, Any] = {_OF_SENTINELS[key]: value for key, value in query if key in _OF_SENTINELS}
    places = [urlsplit(f"//{host}") for host in hosts.split(",")]
    scheme = _SCHEMES[parts.scheme]
    plain = urlunsplit(
        (scheme, f"{user}{at}sentinel", f"/{database}", urlencode([p for p in query if p[0] not in _OF_SENTINELS]), "")
    )
    return SentinelAddress(
        tuple((place.hostname or "localhost", place.port or _DEFAULT_PORT) for place in places),
        name,
        plain,
        of_sentinels,
    )


def connect_sentinel(url: str, **options: Any) -> Redis:
    """Return an asyncio client of the master. Connects when it is used."""
    address = sentinel_address(url)
    settings = {**_server_options(address), **options}
    new_sentinel: Any = Sentinel
    sentinels = new_sentinel(address.sentinels, sentinel_kwargs=_sentinel_options(address, settings), **settings)
    master: Redis = sentinels.master_for(address.name)
    return master


def connect_sentinel_sync(url: str, **options: Any) -> redis.Redis:
    """Return a blocking client of the master. Connects when it is used."""
    address = sentinel_address(url)
    settings = {**_server_options(address), **options}
    new_sentinel: Any = BlockingSentinel
    sentinels = new_sentinel(address.sentinels, sentinel_kwargs=_sentinel_options(address, settings), **settings)
    master: redis.Redis = sentinels.master_for(address.name)
    return master


def _server_options(address: SentinelAddress) -> dict[str, Any]:
    parse: Any = parse_url
    options: dict[str, Any] = dict(parse(address.server_url))
    for place in ("host", "port"):
        options.pop(place, None)
    if options.pop("connection_class", None) is not None:
        options["ssl"] = True
    return options


def _sentinel_options(address: SentinelAddress, settings: dict[str, Any]) -> dict[str, Any]:
    shared = {name: value for name, value in settings.items() if name in _SOCKET or name.startswith("ssl")}
    return {**shared, **address.of_sentinels}
