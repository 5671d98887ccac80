"""Check that the user of REDIS_URL may do what the suite does, before the first session finds out."""

import contextlib
import secrets
from typing import Any

import redis

PROBE = "stt:write-probe"
"""Begin of the names of the keys that are written, and of the channel."""
_SCRIPT = "redis.call('HSET', KEYS[1], 'f', '1') return redis.call('TIME')"


def check_rights(client: redis.Redis, *, sharded: bool) -> None:
    """Run one command of each kind that the suite uses, publish and subscribe; ``sharded``: as on a cluster.

    Raises redis.ResponseError, with the command, for what this user may not do.
    """
    # Replicas that start at once must not disturb each other.
    stream = f"{PROBE}:{{{secrets.token_hex(8)}}}"
    a_hash = stream + ":hash"
    try:
        for command in (
            ("SET", PROBE, "1", "PX", "1"),
            ("XGROUP", "CREATE", stream, "g", "0", "MKSTREAM"),
            ("PEXPIRE", stream, "1000"),
            ("EVAL", _SCRIPT, "1", a_hash),
            ("HGETALL", a_hash),
            ("XADD", stream, "*", "f", "1"),
            ("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", stream, ">"),
            ("XPENDING", stream, "g"),
            ("XRANGE", stream, "-", "+"),
            ("UNLINK", stream, a_hash),
        ):
            _run(command[0], client.execute_command, *command)
    finally:
        with contextlib.suppress(redis.RedisError):
            client.unlink(stream, a_hash)
    if sharded:
        _run("SPUBLISH", client.spublish, PROBE, "")
        return
    _run("PUBLISH", client.publish, PROBE, "")
    with client.pubsub() as subscriber:  # type: ignore[no-untyped-call]
        subscriber.subscribe(PROBE)
        _run("SUBSCRIBE", subscriber.get_message, timeout=1.0)


def _run(name: str, command: Any, *arguments: Any, **options: Any) -> None:
    try:
        command(*arguments, **options)
    except redis.exceptions.NoPermissionError as error:
        raise redis.exceptions.NoPermissionError(f"{error} ({name})") from error
    except redis.ResponseError as error:
        # Somebody emptied Redis meanwhile, or it answered too late. A missing right would have been told before.
        if not str(error).startswith("NOGROUP"):
            raise
