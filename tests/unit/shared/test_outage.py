"""Answers of Redis that mean "not now", and their names in GET /health."""

from typing import Any

import pytest
import redis
from redis._parsers.base import BaseParser

from stt_shared.redis.client import server_trouble
from stt_shared.redis.outage import Full, NotPermitted, ReadOnly, Refused, as_outage, must_reconnect, redis_state

pytestmark = pytest.mark.unit


def parsed(text: str) -> Exception:
    error: Exception = BaseParser.parse_error(text)
    return error


@pytest.mark.parametrize(
    ("text", "kind", "state"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", Full, "full"),
        ("OOM command not allowed when used memory > 'maxmemory'. script: 50142d, on @user_script:1.", Full, "full"),
        ("ERR Error running script (call to f_5): @user_script:1: -OOM command not allowed", Full, "full"),
        ("READONLY You can't write against a read only replica.", ReadOnly, "read_only"),
        ("ERR Error running script (call to f_5): @user_script:3: READONLY You can't write", ReadOnly, "read_only"),
        ("UNBLOCKED force unblock from blocking operation, instance state changed", ReadOnly, "read_only"),
        ("MASTERDOWN Link with MASTER is down", ReadOnly, "read_only"),
        ("MISCONF Redis is configured to save RDB snapshots", Refused, "unavailable"),
        ("NOREPLICAS Not enough good replicas to write.", Refused, "unavailable"),
        ("CLUSTERDOWN The cluster is down", Refused, "unavailable"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Refused, "unavailable"),
        ("BUSY Redis is busy running a script.", Refused, "unavailable"),
        ("NOPERM User x has no permissions to run the 'xadd' command", NotPermitted, "unavailable"),
        ("ERR ACL failure in script: User x has no permissions", NotPermitted, "unavailable"),
        ("ERR The user executing the script can't run this command or", NotPermitted, "unavailable"),
        ("LOADING Redis is loading the dataset in memory", redis.BusyLoadingError, "unavailable"),
        ("WRONGPASS invalid username-password pair", redis.AuthenticationError, "unavailable"),
    ],
)
def test_answers_that_pass_are_lost_connections_to_callers(text: str, kind: type[Exception], state: str) -> None:
    outage = as_outage(parsed(text))
    assert type(outage) is kind
    assert isinstance(outage, redis.ConnectionError)
    assert redis_state(parsed(text)) == state
    assert must_reconnect(outage) == (not isinstance(outage, Refused))


@pytest.mark.parametrize(
    "text",
    [
        "ERR unknown command 'OOM'",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "BUSYGROUP Consumer Group name already exists",
        "NOGROUP No such key 'stt:x' or consumer group 'READONLY'",
        "ERR wrong number of arguments for 'get' command",
        "NOSCRIPT No matching script.",
    ],
)
def test_mistakes_stay_what_they_are(text: str) -> None:
    error = parsed(text)
    assert as_outage(error) is error


def test_errors_that_are_not_redis_answers_are_unreachable() -> None:
    assert redis_state(redis.ConnectionError("refused")) == "unreachable"
    assert redis_state(redis.TimeoutError("late")) == "unreachable"


@pytest.mark.parametrize(
    ("hello", "said"),
    [
        ({b"server": b"redis", b"version": b"7.0.15", b"modules": []}, None),
        ({b"server": b"valkey", b"version": b"9.1.2"}, None),
        ([b"server", b"redis", b"version", b"7.2.4", b"modules", []], None),
        ({b"server": b"another"}, None),
        (
            {b"server": b"redis", b"version": b"7.2.4", b"mode": b"cluster"},
            "it is part of a cluster; write redis+cluster:// (rediss+cluster:// with TLS)",
        ),
        (
            {b"server": b"valkey", b"mode": b"sentinel"},
            "it is a sentinel; write redis+sentinel://HOST:PORT/NAME/0, with the name of the master",
        ),
        (
            {b"server": b"redis", b"version": b"6.2.14"},
            "redis 6.2.14 is too old; it must be Redis 7.0 or later, or Valkey",
        ),
    ],
)
def test_a_server_that_is_too_old_or_of_a_cluster_is_named(hello: Any, said: str | None) -> None:
    assert server_trouble(hello) == said
