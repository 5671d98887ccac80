"""The Redis server of the suite: the one that REDIS_URL names, or an embedded one."""

import contextlib

from stt_cli.errors import CliError
from stt_cli.up.embedded_redis import EmbeddedRedis, EmbeddedRedisError
from stt_shared.redis.client import check_usable
from stt_shared.redis.outage import REDIS_ERRORS, redis_state


def open_server(url: str | None, stack: contextlib.ExitStack) -> tuple[EmbeddedRedis | None, str]:
    """Return the embedded server, which stops with ``stack``, and its URL; or None and the URL given.

    Raises CliError if that server cannot be used.
    """
    if url is None:
        server = EmbeddedRedis()
        try:
            server.start()
        except EmbeddedRedisError as error:
            raise CliError(f"{error} (or name a server with REDIS_URL)") from None
        stack.callback(server.stop)
        return server, server.url
    try:
        check_usable(url)
    except ValueError as error:
        raise CliError(f"REDIS_URL: {error}", exit_code=2) from None
    except REDIS_ERRORS as error:
        reason = str(error).rstrip(".")
        cannot = "cannot reach" if redis_state(error) == "unreachable" else "cannot use"
        raise CliError(f"{cannot} Redis at {without_password(url)}: {reason}; check REDIS_URL") from None
    return None, url


def without_password(url: str) -> str:
    """Return the URL for use in a message: the part before ``@`` is secret, and the query may contain a secret."""
    scheme, separator, rest = url.partition("?")[0].partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
