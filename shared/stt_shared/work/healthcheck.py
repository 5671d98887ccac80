"""Health check of a container: ``python -m stt_shared.work.healthcheck SERVICE`` checks the replica on this host.

It reads the replica's heartbeat and reported status from Redis. The replica renews both from a separate thread, so a
process that runs but makes no progress is reported as such.

With ``--ignore-redis`` a Redis that cannot be used is no trouble: for a check whose failure restarts the process, which
would not bring Redis back.
"""

import argparse
import socket
import sys
from typing import Any

from stt_shared.process.extras import naming_missing_packages

with naming_missing_packages("server"):
    import msgspec
    import redis

    from stt_shared.process.settings import CommonSettings, load_settings
    from stt_shared.redis.address import check_url, unusable
    from stt_shared.redis.client import connect_sync
    from stt_shared.redis.outage import REDIS_ERRORS
    from stt_shared.streams import keys
    from stt_shared.streams.replicas import ReplicaStatus

WELL = {"ready", "draining"}


def main() -> None:
    """Exit with 0 when the replica is healthy, 1 and one line when it is not, 2 on wrong usage."""
    parser = argparse.ArgumentParser(prog="stt_shared.work.healthcheck", description="Check the replica on this host.")
    parser.add_argument("service")
    parser.add_argument("--ignore-redis", action="store_true", help="exit with 0 while Redis cannot be used")
    options = parser.parse_args()
    url = load_settings(CommonSettings).redis_url
    try:
        check_url(url)
        with connect_sync(url) as client:
            trouble = find_problem(client, options.service, socket.gethostname())
    except REDIS_ERRORS as error:
        trouble = None if options.ignore_redis else unusable(error, url)
    except ValueError as error:
        trouble = str(error)
    if trouble is not None:
        _print(trouble)
        raise SystemExit(1)


def find_problem(client: redis.Redis, service: str, host: str) -> str | None:
    """Return what is wrong with ``service`` on ``host``; None when a replica is alive and healthy."""
    prefix = f"{service}-{host}-"
    names: Any = client.hkeys(keys.REPLICAS)
    replicas: list[bytes] = [name for name in names if name.decode().startswith(prefix)]
    living = [name for name in replicas if client.exists(keys.replica_alive(name.decode()))]
    if not living:
        return f"no {service} on {host} has a heartbeat"
    statuses = [_status(client, name) for name in living]
    if any(status.state in WELL for status in statuses):
        return None
    return "; ".join(f"{status.id} is {status.state}: {status.reason}" for status in statuses)


def _status(client: redis.Redis, name: bytes) -> ReplicaStatus:
    # A replica that is missing here stopped between the two commands.
    raw = client.hget(keys.REPLICAS, name) or b'{"id":"","service":"","state":"stopped","started_ms":0}'
    return msgspec.json.decode(raw, type=ReplicaStatus)


def _print(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
