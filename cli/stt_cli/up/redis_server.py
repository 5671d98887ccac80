"""The Redis server of the suite: the one that REDIS_URL names, or an embedded one."""

import contextlib

from stt_cli.errors import CliError
from stt_cli.up.embedded_redis import EmbeddedRedis, EmbeddedRedisError
from stt_shared.redis.address import unusable
from stt_shared.redis.client import check_usable
from stt_shared.redis.outage import REDIS_ERRORS


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
        raise CliError(str(error), exit_code=2) from None
    except REDIS_ERRORS as error:
        raise CliError(unusable(error, url)) from None
    return None, url
