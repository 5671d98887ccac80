"""Facts about Redis."""

from collections.abc import Iterator

from stt_cli.doctor.core import redis as rules
from stt_cli.up.embedded_redis import EmbeddedRedis, EmbeddedRedisError
from stt_shared.contracts.findings import Finding, Level
from stt_shared.redis.address import unusable, without_secrets
from stt_shared.redis.client import check_usable
from stt_shared.redis.facts import server_facts
from stt_shared.redis.outage import REDIS_ERRORS


def findings(url: str | None) -> Iterator[Finding]:
    """Yield the findings about the server that `stt up` and the services would use."""
    if url is None:
        yield _embedded()
        return
    try:
        check_usable(url)
    except ValueError as error:
        yield Finding("redis", Level.ERROR, str(error))
        return
    except REDIS_ERRORS as error:
        yield Finding("redis", Level.ERROR, unusable(error, url), "docs/operations.md, Redis")
        return
    place = without_secrets(url)
    try:
        facts = server_facts(url)
    except REDIS_ERRORS as error:
        message = f"{place} can be used, but grants no look at its state: {error}"
        yield Finding("redis", Level.OK, message, "grant +info, as a gateway's user has")
        return
    if facts is None:
        yield Finding("redis", Level.OK, f"the cluster at {place} can be used, with all rights")
        return
    yield Finding("redis", Level.OK, f"{facts.version} at {place}, with all rights that the suite needs")
    yield rules.persistence_finding(facts.keeps_log)
    yield rules.memory_finding(facts.memory)
    yield rules.clock_finding(facts.skew_s)


def _embedded() -> Finding:
    try:
        with EmbeddedRedis():
            message = "REDIS_URL is not set: `stt up` starts a server of its own, which works on this machine"
            return Finding("redis", Level.OK, message)
    except EmbeddedRedisError as error:
        return Finding("redis", Level.ERROR, str(error), "or name a server with REDIS_URL")
