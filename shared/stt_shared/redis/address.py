"""REDIS_URL: checked before anything connects, and named in messages without its secrets."""

import ssl
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from redis.asyncio.connection import parse_url as parse_for_asyncio
from redis.connection import parse_url

from stt_shared.redis.cluster import is_cluster_url, node_urls
from stt_shared.redis.outage import redis_state
from stt_shared.redis.sentinel import is_sentinel_url, sentinel_address

_SCHEMES = {"redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"}
_NO_PLACE = (
    "REDIS_URL must be redis://USER:PASSWORD@HOST:PORT/NUMBER; in a password / ? # @ % are written %2F %3F %23 %40 %25"
)
_OF_POOL = {"max_connections"}
"""Options of the pool of connections, not of one."""


def without_secrets(url: str) -> str:
    """Return the URL for use in a message: the part before ``@`` is secret, and the query may contain a secret."""
    scheme, separator, rest = url.partition("?")[0].partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def check_url(url: str) -> None:
    """Raise ValueError, with a line that begins with REDIS_URL, unless the URL and the files that it names are valid.

    redis-py takes a database that is no number for number 0, and an unknown option for a programming error.
    """
    try:
        parts = urlsplit(url)
        nodes = _plain_urls(url)
        places = [urlsplit(node).port for node in nodes if parts.scheme != "unix"]
    except ValueError:
        # Its message would quote a part of the password.
        raise ValueError(_NO_PLACE) from None
    if parts.scheme not in _SCHEMES:
        known = "redis://, rediss:// (TLS), unix://, redis+cluster:// or redis+sentinel://"
        raise ValueError(f"REDIS_URL must begin with {known}")
    if is_sentinel_url(url) and not sentinel_address(url).name:
        raise ValueError(
            "REDIS_URL: after the sentinels comes the name of the master: redis+sentinel://HOST:26379/NAME/0"
        )
    if parts.scheme == "unix" and not parts.path:
        raise ValueError("REDIS_URL names no socket; it must be unix:///PATH")
    if places:
        database = urlsplit(nodes[0]).path.strip("/")
        _check_database(database, "@" in parts.path or parts.fragment != "", is_cluster_url(url))
    _check_options(nodes[0])


def _plain_urls(url: str) -> list[str]:
    if is_sentinel_url(url):
        return [sentinel_address(url).server_url]
    return node_urls(url) if is_cluster_url(url) else [url]


def unusable(error: Exception, url: str) -> str:
    """Return a line for the operator: that Redis at ``url`` cannot be used, why, and what helps."""
    cannot = "cannot reach" if redis_state(error) == "unreachable" else "cannot use"
    cause = str(error).rstrip(".")
    return f"{cannot} Redis at {without_secrets(url)}: {_advised(cause, urlsplit(url).scheme)}; check REDIS_URL"


def _advised(cause: str, scheme: str) -> str:
    """Return the cause with advice if the server and the URL disagree about TLS or passwords."""
    has_tls = scheme.startswith("rediss")
    if "protected mode" in cause:
        # The server's own text is a page, and suggests to switch the protection off.
        return "it has no password and is in protected mode, so it serves only its own machine; set requirepass there"
    if "CERTIFICATE_VERIFY_FAILED" in cause and ("self-signed" in cause or "issuer" in cause):
        return f"{cause}; ?ssl_ca_certs=/PATH names the file of its authority"
    if "CERTIFICATE_REQUIRED" in cause or (has_tls and "EOF occurred" in cause):
        return f"{cause}; if it wants a client's certificate, name it: ?ssl_certfile=/PATH&ssl_keyfile=/PATH"
    if "Cluster mode is not enabled" in cause:
        return f"it is no cluster; write {scheme.partition('+')[0]}://"
    if has_tls and ("Timeout" in cause or "WRONG_VERSION" in cause or "RECORD_LAYER" in cause):
        return f"{cause}; if it does not speak TLS, write {scheme.replace('rediss', 'redis')}://"
    if scheme in ("redis", "redis+cluster") and ("reset by peer" in cause or "closed by server" in cause):
        return f"{cause}; if it speaks TLS, write {scheme.replace('redis', 'rediss', 1)}://"
    return cause


def _check_database(name: str, is_cut: bool, is_cluster: bool) -> None:
    if is_cut:
        raise ValueError(_NO_PLACE)
    if name and not name.isdecimal():
        raise ValueError("REDIS_URL: what follows HOST:PORT/ must be the number of a database, such as 0")
    if is_cluster and name and int(name) != 0:
        raise ValueError("REDIS_URL: a cluster has only the database 0")


def _check_options(url: str) -> None:
    query = urlsplit(url).query
    for parse, connection in (
        (parse_url, redis.connection.Connection),
        (parse_for_asyncio, redis.asyncio.connection.Connection),
    ):
        try:
            options: dict[str, Any] = dict(parse(url))
        except ValueError as error:
            raise ValueError(f"REDIS_URL: {error}") from None
        kind = options.pop("connection_class", connection)
        for name in parse_qs(query).keys() - _OF_POOL:
            if name in options:
                _try(kind, name, options[name])
        if options.get("ssl_ca_certs") or options.get("ssl_certfile"):
            _read_certificates(options)


def _try(kind: Any, name: str, value: Any) -> None:
    try:
        kind(**{name: value})
    except TypeError:
        raise ValueError(f"REDIS_URL: there is no option {name} for this kind of URL") from None
    except redis.RedisError as error:
        raise ValueError(f"REDIS_URL: {name}: {error}") from None


def _read_certificates(options: dict[str, Any]) -> None:
    names = ", ".join(name for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile") if options.get(name))
    context = ssl.create_default_context()
    try:
        if authority := options.get("ssl_ca_certs"):
            context.load_verify_locations(authority)
        if certificate := options.get("ssl_certfile"):
            # Without a password OpenSSL would ask for one at the terminal.
            password = options.get("ssl_password") or ""
            context.load_cert_chain(certificate, options.get("ssl_keyfile"), password)
    except OSError as error:
        raise ValueError(f"REDIS_URL: the files of {names} cannot be used: {error.strerror or error}") from None
