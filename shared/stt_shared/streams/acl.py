"""Users of Redis, one for each service: what each may run, read and write, as lines of an ACL file.

The services that read strangers' audio know the least: the audio-processor sees no transcript and no conversation.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stt_shared.contracts.services import ServiceName
from stt_shared.redis.rights import PROBE
from stt_shared.streams import keys

_CONNECTION = ("hello", "client|setinfo", "client|setname", "ping", "wait")
_STATE = ("exists", "expire", "pexpire", "pttl", "get", "set", "mget", "del", "unlink", "time")
_HASHES = ("hget", "hmget", "hgetall", "hvals", "hkeys", "hlen", "hexists", "hset", "hsetnx", "hincrby", "hdel")
_STREAMS = ("xadd", "xrange", "xrevrange", "xdel", "xtrim", "xack", "xlen")
_WORK = ("xreadgroup", "xpending", "xclaim", "xgroup|create", "xinfo|groups")
# The queue of jobs, in scripts that every service runs.
_QUEUE = ("zadd", "zcard", "zrange", "zrem", "rpush", "lpop", "llen")
_SCRIPTS = ("eval", "evalsha", "publish", "subscribe", "unsubscribe")
_CLUSTER = (
    "spublish",
    "ssubscribe",
    "sunsubscribe",
    "cluster|slots",
    "cluster|shards",
    "command",
    "readonly",
    "asking",
)
COMMANDS = (*_CONNECTION, *_STATE, *_HASHES, *_STREAMS, *_WORK, *_QUEUE, *_SCRIPTS, *_CLUSTER)
"""Commands of every service: its own, and those in the scripts that it runs."""

_PROBES = (f"{PROBE}*",)
# A process probes its subscriber connection by a script that names its own channel as its key.
_REPLICAS = ("stt:{replicas}:*", "stt:suspects:*", "stt:replica:*")
_JOBS = ("stt:{jobs}:*",)
_SESSIONS = (keys.SESSIONS_WAITING, "stt:stream:*", "stt:results:*")
_CONVERSATIONS = ("stt:conversations:*",)
_VOICES = ("stt:voices:*",)
_QUOTAS = ("stt:quotas:*",)


@dataclass(frozen=True)
class RedisUser:
    """User of one service. ``keys`` and ``channels``: patterns; ``write_only``: of keys that it cannot read."""

    service: ServiceName
    keys: tuple[str, ...]
    channels: tuple[str, ...]
    commands: tuple[str, ...] = COMMANDS
    write_only: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the user: that of the service."""
        return self.service.value

    @property
    def password_variable(self) -> str:
        """Environment variable from which ``stt redis-acl`` takes the password."""
        return f"REDIS_{self.service.value.upper().replace('-', '_')}_PASSWORD"

    def line(self, password: str | None) -> str:
        """Return the line of the ACL file; it holds the password's hash, without one the name of a place for it."""
        secret = "#" + hashlib.sha256(password.encode()).hexdigest() if password else f">{self.password_variable}"
        rights = [
            *(f"~{pattern}" for pattern in self.keys),
            *(f"%W~{pattern}" for pattern in self.write_only),
            *(f"&{pattern}" for pattern in self.channels),
            "-@all",
            *(f"+{command}" for command in self.commands),
        ]
        return " ".join([f"user {self.name} on {secret}", "resetkeys resetchannels", *rights])


USERS = (
    RedisUser(
        ServiceName.GATEWAY,
        (*_PROBES, *_REPLICAS, *_JOBS, *_SESSIONS, *_CONVERSATIONS, *_VOICES, *_QUOTAS, keys.TRANSCRIPTS_WAITING),
        (
            *_PROBES,
            *_JOBS,
            "stt:stream:*",
            "stt:results:*",
            *_CONVERSATIONS,
            "stt:replica:*",
            "stt:gateway:*",
            keys.API_KEYS_CHANGED,
        ),
        (*COMMANDS, "info", "lrange"),
    ),
    RedisUser(
        ServiceName.AUDIO_PROCESSOR,
        (*_PROBES, *_REPLICAS, *_JOBS, *_SESSIONS),
        (*_PROBES, *_JOBS, "stt:stream:*", "stt:results:*", "stt:replica:*"),
    ),
    RedisUser(
        ServiceName.TRANSCRIBER,
        (*_PROBES, *_REPLICAS, *_JOBS, *_SESSIONS, *_CONVERSATIONS, *_VOICES),
        (*_PROBES, *_JOBS, "stt:stream:*", "stt:results:*", *_CONVERSATIONS, "stt:replica:*"),
        write_only=(keys.TRANSCRIPTS_WAITING,),
    ),
)


def acl_lines(passwords: Mapping[str, str]) -> Iterable[str]:
    """Return the lines of an ACL file; ``passwords``: of environment variables, by their names."""
    yield "user default off"
    for user in USERS:
        yield user.line(passwords.get(user.password_variable))
